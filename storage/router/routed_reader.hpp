// SPDX-License-Identifier: Apache-2.0
// ROUTED READER: a reader of everything, that asks for each call the shard that has the rows, through readers of its
// own that it makes when they are first needed. Lookups (who has a domain, whose a token is) are asked first. Used by
// one thread at a time.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "storage/router/shard_table.hpp"
#include "storage/store.hpp"
#include "storage/vschema/table_routes.hpp"

namespace throng {

class routed_reader final : public store_reader {
 public:
  routed_reader(const shard_tables& tables, const table_routes& routes) : tables_(tables), routes_(routes) {}

  /// The reader of one shard, which finds only what lies in it.
  result<store_reader*> of(const std::shared_ptr<shard_link>& link);

  template <class T>
  using list = result<std::vector<T>>;

  result<workspace_record> workspace(team_id id) override;
  result<workspace_record> workspace_by_domain(std::string_view domain) override;
  /// Of all shards, merged; an error if one is away.
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
  const shard_table& table();
  template <class Call>
  auto at(ksid_t place, Call call) -> decltype(call(std::declval<store_reader&>()));
  template <class Call>
  auto at_key(std::uint64_t id, Call call) {
    return at(routes_.of_key(id), std::move(call));
  }

  struct open_reader {
    std::shared_ptr<shard_link> link;
    shard_link::reader reader;
  };
  const shard_tables& tables_;
  const table_routes& routes_;
  shard_tables::table_ptr table_;
  std::uint64_t version_ = 0;
  std::vector<open_reader> readers_;
};

}  // namespace throng
