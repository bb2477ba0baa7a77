// SPDX-License-Identifier: Apache-2.0
// COALESCING READER: runs several jobs one after the other on one reader, and asks the database once for what several
// of them ask for. All of them were waiting before the first statement began, so none sees anything older than a reader
// of its own could have shown it. Within a job what was seen never goes back in time: an answer that was read before
// one that the job has seen already is read again, and so is what the job itself asks for twice. Used by one thread.
#pragma once

#include <cstdint>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "storage/store.hpp"

namespace throng {

class coalescing_reader final : public store_reader {
 public:
  explicit coalescing_reader(store_reader& real) : real_(real) {}

  /// Before each job.
  void begin_job() {
    ++job_;
    seen_ = 0;
  }
  std::uint64_t shared_answers() const { return shared_; }

  template <class T>
  using list = result<std::vector<T>>;

  result<workspace_record> workspace(team_id id) override;
  result<workspace_record> workspace_by_domain(std::string_view domain) override;
  list<workspace_record> workspaces(team_id after, std::size_t count_max) override;
  list<directory_record> directory(team_id team, directory_record::kind_t kind, std::uint64_t after,
                                   std::size_t count_max) override;
  result<user_record> user(user_id id) override;
  list<membership_record> memberships(user_id user, channel_id after, std::size_t count_max) override;
  result<channel_record> channel(channel_id id) override;
  list<member_record> members(channel_id channel, user_id after, std::size_t count_max) override;
  list<message_record> messages(channel_id channel, const message_range& range) override;
  result<message_record> message(channel_id channel, message_ts ts) override;
  list<message_record> replies(channel_id channel, message_ts root, const message_range& range) override;
  list<thread_summary> thread_summaries(channel_id channel, std::span<const message_ts> roots) override;
  result<stream_end> end_of(entity_key stream) override;
  list<message_record> messages_after(channel_id channel, seq_t after, std::size_t count_max) override;
  list<event_record> events_after(entity_key stream, seq_t after, std::size_t count_max) override;
  result<token_record> token(const token_hash& hash) override;
  list<token_record> tokens_of(user_id user, std::size_t count_max) override;
  result<app_record> app(app_id id) override;

 private:
  template <class Value>
  struct answer {
    result<Value> value;
    std::uint64_t number;  // of its statement
    std::uint64_t job;     // that saw it last
  };
  template <class Key, class Value>
  using answers = std::vector<std::pair<Key, answer<Value>>>;
  using range_key = std::tuple<channel_id, message_ts, message_ts, message_ts, bool, bool, bool, bool, std::size_t>;
  static range_key key_of(channel_id channel, message_ts root, const message_range& range);

  template <class Key, class Value, class Ask>
  result<Value> once(answers<Key, Value>& known, Key key, Ask ask);

  store_reader& real_;
  std::uint64_t job_ = 0;
  std::uint64_t statements_ = 0;
  std::uint64_t seen_ = 0;  // the newest statement whose answer this job has seen
  std::uint64_t shared_ = 0;

  answers<team_id, workspace_record> workspace_;
  answers<std::string, workspace_record> workspace_by_domain_;
  answers<std::tuple<team_id, std::size_t>, std::vector<workspace_record>> workspaces_;
  answers<std::tuple<team_id, directory_record::kind_t, std::uint64_t, std::size_t>, std::vector<directory_record>>
      directory_;
  answers<user_id, user_record> user_;
  answers<std::tuple<user_id, channel_id, std::size_t>, std::vector<membership_record>> memberships_;
  answers<channel_id, channel_record> channel_;
  answers<std::tuple<channel_id, user_id, std::size_t>, std::vector<member_record>> members_;
  answers<range_key, std::vector<message_record>> messages_, replies_;
  answers<std::tuple<channel_id, message_ts>, message_record> message_;
  answers<std::tuple<channel_id, std::vector<message_ts>>, std::vector<thread_summary>> thread_summaries_;
  answers<entity_key, stream_end> end_of_;
  answers<std::tuple<channel_id, seq_t, std::size_t>, std::vector<message_record>> messages_after_;
  answers<std::tuple<entity_key, seq_t, std::size_t>, std::vector<event_record>> events_after_;
  answers<token_hash, token_record> token_;
  answers<std::tuple<user_id, std::size_t>, std::vector<token_record>> tokens_of_;
  answers<app_id, app_record> app_;
};

}  // namespace throng
