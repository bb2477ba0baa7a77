// SPDX-License-Identifier: Apache-2.0
// A reader that finds nothing: a test's own readers derive from it and override what the test is about.
#pragma once

#include <vector>

#include "storage/store.hpp"

namespace throng {

class empty_reader : public store_reader {
 public:
  template <class T>
  using list = result<std::vector<T>>;

  result<workspace_record> workspace(team_id) override { return errc::not_found; }
  result<workspace_record> workspace_by_domain(std::string_view) override { return errc::not_found; }
  list<workspace_record> workspaces(team_id, std::size_t) override { return std::vector<workspace_record>(); }
  list<directory_record> directory(team_id, directory_record::kind_t, std::uint64_t, std::size_t) override {
    return std::vector<directory_record>();
  }
  result<user_record> user(user_id) override { return errc::not_found; }
  list<membership_record> memberships(user_id, channel_id, std::size_t) override {
    return std::vector<membership_record>();
  }
  result<channel_record> channel(channel_id) override { return errc::not_found; }
  list<member_record> members(channel_id, user_id, std::size_t) override { return std::vector<member_record>(); }
  list<message_record> messages(channel_id, const message_range&) override { return std::vector<message_record>(); }
  result<message_record> message(channel_id, message_ts) override { return errc::not_found; }
  list<message_record> replies(channel_id, message_ts, const message_range&) override {
    return std::vector<message_record>();
  }
  list<thread_summary> thread_summaries(channel_id, std::span<const message_ts>) override {
    return std::vector<thread_summary>();
  }
  result<stream_end> end_of(entity_key) override { return stream_end{}; }
  list<message_record> messages_after(channel_id, seq_t, std::size_t) override { return std::vector<message_record>(); }
  list<event_record> events_after(entity_key, seq_t, std::size_t) override { return std::vector<event_record>(); }
  result<token_record> token(const token_hash&) override { return errc::not_found; }
  list<token_record> tokens_of(user_id, std::size_t) override { return std::vector<token_record>(); }
  result<app_record> app(app_id) override { return errc::not_found; }
};

}  // namespace throng
