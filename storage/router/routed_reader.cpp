// SPDX-License-Identifier: Apache-2.0
#include "storage/router/routed_reader.hpp"

#include <algorithm>
#include <utility>

#include "storage/lookups.hpp"

namespace throng {

namespace {

error no_lookups() { return {errc::internal_error, "the shard keeps no lookups"}; }

}  // namespace

const shard_table& routed_reader::table() {
  auto version = tables_.version();
  if (table_ && version == version_) return *table_;
  table_ = tables_.current();
  version_ = version;
  std::erase_if(readers_, [this](const open_reader& open) {
    return std::none_of(table_->shards.begin(), table_->shards.end(),
                        [&](const auto& entry) { return entry.link == open.link; });
  });
  return *table_;
}

result<store_reader*> routed_reader::of(const std::shared_ptr<shard_link>& link) {
  for (auto& open : readers_)
    if (open.link == link) return open.reader.rows.get();
  auto made = link->make_reader();
  if (!made) return made.failure();
  readers_.push_back({link, std::move(*made)});
  return readers_.back().reader.rows.get();
}

template <class Call>
auto routed_reader::at(ksid_t place, Call call) -> decltype(call(std::declval<store_reader&>())) {
  auto reader = of(table().of(place).link);
  if (!reader) return reader.failure();
  return call(**reader);
}

template <class T>
using list = routed_reader::list<T>;

result<workspace_record> routed_reader::workspace(team_id id) {
  return at_key(id.value, [&](store_reader& rows) { return rows.workspace(id); });
}

result<workspace_record> routed_reader::workspace_by_domain(std::string_view domain) {
  auto place = routes_.of_domain(domain);
  if (table().shards.size() == 1)
    return at(place, [&](store_reader& rows) { return rows.workspace_by_domain(domain); });
  auto owner = at(place, [&](store_reader& rows) -> result<domain_reservation> {
    auto* lookups = lookups_of(rows);
    if (lookups == nullptr) return no_lookups();
    return lookups->domain_owner(domain);
  });
  if (!owner) return owner.failure();
  auto row = workspace(owner->team);
  if (row && row->domain != domain) return errc::not_found;  // only reserved, or not yet let go
  return row;
}

list<workspace_record> routed_reader::workspaces(team_id after, std::size_t count_max) {
  std::vector<workspace_record> all;
  const auto current = (static_cast<void>(table()), table_);
  for (const auto& entry : current->shards) {
    auto reader = of(entry.link);
    if (!reader) return reader.failure();
    auto own = (*reader)->workspaces(after, count_max);
    if (!own) return own;
    auto middle = all.insert(all.end(), std::make_move_iterator(own->begin()), std::make_move_iterator(own->end()));
    std::inplace_merge(all.begin(), middle, all.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
    if (all.size() > count_max) all.resize(count_max);
  }
  return all;
}

list<directory_record> routed_reader::directory(team_id team, directory_record::kind_t kind, std::uint64_t after,
                                                std::size_t n) {
  return at_key(team.value, [&](store_reader& rows) { return rows.directory(team, kind, after, n); });
}
result<user_record> routed_reader::user(user_id id) {
  return at_key(id.value, [&](store_reader& rows) { return rows.user(id); });
}
list<membership_record> routed_reader::memberships(user_id user, channel_id after, std::size_t n) {
  return at_key(user.value, [&](store_reader& rows) { return rows.memberships(user, after, n); });
}
result<channel_record> routed_reader::channel(channel_id id) {
  return at_key(id.value, [&](store_reader& rows) { return rows.channel(id); });
}
list<member_record> routed_reader::members(channel_id channel, user_id after, std::size_t n) {
  return at_key(channel.value, [&](store_reader& rows) { return rows.members(channel, after, n); });
}
list<message_record> routed_reader::messages(channel_id channel, const message_range& range) {
  return at_key(channel.value, [&](store_reader& rows) { return rows.messages(channel, range); });
}
result<message_record> routed_reader::message(channel_id channel, message_ts ts) {
  return at_key(channel.value, [&](store_reader& rows) { return rows.message(channel, ts); });
}
list<message_record> routed_reader::replies(channel_id channel, message_ts root, const message_range& range) {
  return at_key(channel.value, [&](store_reader& rows) { return rows.replies(channel, root, range); });
}
list<thread_summary> routed_reader::thread_summaries(channel_id channel, std::span<const message_ts> roots) {
  return at_key(channel.value, [&](store_reader& rows) { return rows.thread_summaries(channel, roots); });
}
result<store_reader::stream_end> routed_reader::end_of(entity_key stream) {
  return at_key(stream.id, [&](store_reader& rows) { return rows.end_of(stream); });
}
list<message_record> routed_reader::messages_after(channel_id channel, seq_t after, std::size_t n) {
  return at_key(channel.value, [&](store_reader& rows) { return rows.messages_after(channel, after, n); });
}
list<event_record> routed_reader::events_after(entity_key stream, seq_t after, std::size_t n) {
  return at_key(stream.id, [&](store_reader& rows) { return rows.events_after(stream, after, n); });
}

result<token_record> routed_reader::token(const token_hash& hash) {
  auto place = routes_.of_token_hash(hash);
  if (table().shards.size() == 1) return at(place, [&](store_reader& rows) { return rows.token(hash); });
  auto owner = at(place, [&](store_reader& rows) -> result<std::uint64_t> {
    auto* lookups = lookups_of(rows);
    if (lookups == nullptr) return no_lookups();
    return lookups->token_owner(hash);
  });
  if (!owner) return owner.failure();
  return at_key(*owner, [&](store_reader& rows) -> result<token_record> {
    auto* lookups = lookups_of(rows);
    if (lookups == nullptr) return no_lookups();
    return lookups->token_at(*owner, hash);
  });
}

list<token_record> routed_reader::tokens_of(user_id user, std::size_t n) {
  return at_key(user.value, [&](store_reader& rows) { return rows.tokens_of(user, n); });
}
result<app_record> routed_reader::app(app_id id) {
  return at(routes_.of_app(id), [&](store_reader& rows) { return rows.app(id); });
}

}  // namespace throng
