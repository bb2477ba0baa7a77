// SPDX-License-Identifier: Apache-2.0
// One shard on a store that knows nothing of shards (SQLite): adds the lookup rows, in memory, that a MySQL shard has
// in tables. Many of these may share one real store, as the writers and readers of a shard do its server.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>

#include "storage/lookups.hpp"
#include "storage/vschema/table_routes.hpp"

namespace throng {

/// What survives the store objects. Any thread.
struct lookup_rows {
  std::mutex mutex;
  std::map<std::string, domain_reservation, std::less<>> domains;
  std::map<token_hash, std::uint64_t> tokens;
  std::set<std::pair<std::uint64_t, token_hash>> erased;  // rows that the real store can't erase
  std::size_t workspace_reads = 0;
};

class lookup_shard_reader final : public store_reader, public lookup_reader {
 public:
  lookup_shard_reader(std::unique_ptr<store_reader> real, std::shared_ptr<lookup_rows> rows)
      : real_(std::move(real)), rows_(std::move(rows)) {}

  result<domain_reservation> domain_owner(std::string_view domain) override {
    std::lock_guard lock(rows_->mutex);
    auto found = rows_->domains.find(domain);
    if (found == rows_->domains.end()) return errc::not_found;
    return found->second;
  }
  result<std::uint64_t> token_owner(const token_hash& hash) override {
    std::lock_guard lock(rows_->mutex);
    auto found = rows_->tokens.find(hash);
    if (found == rows_->tokens.end()) return errc::not_found;
    return found->second;
  }
  result<token_record> token_at(std::uint64_t owner, const token_hash& hash) override {
    auto row = real_->token(hash);
    if (row && table_routes::owner_of(*row) != owner) return errc::not_found;
    return row;
  }

  template <class T>
  using list = result<std::vector<T>>;
  result<workspace_record> workspace(team_id id) override {
    {
      std::lock_guard lock(rows_->mutex);
      ++rows_->workspace_reads;
    }
    return real_->workspace(id);
  }
  result<workspace_record> workspace_by_domain(std::string_view domain) override {
    return real_->workspace_by_domain(domain);
  }
  list<workspace_record> workspaces(team_id after, std::size_t n) override { return real_->workspaces(after, n); }
  list<directory_record> directory(team_id team, directory_record::kind_t kind, std::uint64_t after,
                                   std::size_t n) override {
    return real_->directory(team, kind, after, n);
  }
  result<user_record> user(user_id id) override { return real_->user(id); }
  list<membership_record> memberships(user_id user, channel_id after, std::size_t n) override {
    return real_->memberships(user, after, n);
  }
  result<channel_record> channel(channel_id id) override { return real_->channel(id); }
  list<member_record> members(channel_id channel, user_id after, std::size_t n) override {
    return real_->members(channel, after, n);
  }
  list<message_record> messages(channel_id channel, const message_range& range) override {
    return real_->messages(channel, range);
  }
  result<message_record> message(channel_id channel, message_ts ts) override { return real_->message(channel, ts); }
  list<message_record> replies(channel_id channel, message_ts root, const message_range& range) override {
    return real_->replies(channel, root, range);
  }
  list<thread_summary> thread_summaries(channel_id channel, std::span<const message_ts> roots) override {
    return real_->thread_summaries(channel, roots);
  }
  result<stream_end> end_of(entity_key stream) override { return real_->end_of(stream); }
  list<message_record> messages_after(channel_id channel, seq_t after, std::size_t n) override {
    return real_->messages_after(channel, after, n);
  }
  list<event_record> events_after(entity_key stream, seq_t after, std::size_t n) override {
    return real_->events_after(stream, after, n);
  }
  result<token_record> token(const token_hash& hash) override { return real_->token(hash); }
  list<token_record> tokens_of(user_id user, std::size_t n) override {
    auto all = real_->tokens_of(user, n);
    std::lock_guard lock(rows_->mutex);
    if (all) std::erase_if(*all, [&](const auto& row) { return rows_->erased.contains({user.value, row.hash}); });
    return all;
  }
  result<app_record> app(app_id id) override { return real_->app(id); }

 private:
  std::unique_ptr<store_reader> real_;
  std::shared_ptr<lookup_rows> rows_;
};

class lookup_shard final : public store, public lookup_writer {
 public:
  lookup_shard(std::shared_ptr<store> real, std::shared_ptr<lookup_rows> rows)
      : real_(std::move(real)), rows_(std::move(rows)) {}

  result<std::vector<result<>>> commit(std::span<const commit_unit> units) override { return real_->commit(units); }
  result<> raise_fences(std::span<const fence> guards, fence_holder by) override {
    return real_->raise_fences(guards, by);
  }
  result<std::vector<fence>> fences() override { return real_->fences(); }
  std::unique_ptr<store_reader> make_reader() override {
    return std::make_unique<lookup_shard_reader>(real_->make_reader(), rows_);
  }

  result<> reserve_domain(std::string_view domain, team_id team, wall_time now,
                          const domain_reservation* instead_of) override {
    std::lock_guard lock(rows_->mutex);
    auto [row, is_new] = rows_->domains.try_emplace(std::string(domain), domain_reservation{team, now});
    bool may_take = is_new || row->second.team == team || (instead_of != nullptr && row->second == *instead_of);
    if (!may_take) return errc::domain_taken;
    row->second = {team, now};
    return done;
  }
  result<> forget_domain(std::string_view domain, team_id team) override {
    std::lock_guard lock(rows_->mutex);
    auto row = rows_->domains.find(domain);
    if (row != rows_->domains.end() && row->second.team == team) rows_->domains.erase(row);
    return done;
  }
  result<> put_token_owner(const token_hash& hash, std::uint64_t owner) override {
    std::lock_guard lock(rows_->mutex);
    rows_->tokens[hash] = owner;
    return done;
  }
  result<> erase_token(std::uint64_t owner, const token_hash& hash) override {
    std::lock_guard lock(rows_->mutex);
    rows_->erased.emplace(owner, hash);
    return done;
  }

 private:
  std::shared_ptr<store> real_;
  std::shared_ptr<lookup_rows> rows_;
};

}  // namespace throng
