// SPDX-License-Identifier: Apache-2.0
#include "storage/router/coalescing_reader.hpp"

namespace throng {

namespace {

// Different questions of one kind that are kept; what is asked beyond that is asked each time.
constexpr std::size_t answers_max = 32;

}  // namespace

template <class Key, class Value, class Ask>
result<Value> coalescing_reader::once(answers<Key, Value>& known, Key key, Ask ask) {
  for (auto& [asked, got] : known) {
    if (asked != key) continue;
    if (got.job == job_ || got.number < seen_) {
      got.value = ask();
      got.number = ++statements_;
    } else {
      ++shared_;
    }
    got.job = job_;
    seen_ = got.number;
    return got.value;
  }
  auto value = ask();
  seen_ = ++statements_;
  if (known.size() < answers_max) known.push_back({std::move(key), {value, seen_, job_}});
  return value;
}

coalescing_reader::range_key coalescing_reader::key_of(channel_id channel, message_ts root,
                                                       const message_range& range) {
  return {channel,
          root,
          range.oldest,
          range.latest,
          range.inclusive,
          range.newest_first,
          range.with_hidden_replies,
          range.with_deleted,
          range.count_max};
}

template <class T>
using list = coalescing_reader::list<T>;

result<workspace_record> coalescing_reader::workspace(team_id id) {
  return once(workspace_, id, [&] { return real_.workspace(id); });
}
result<workspace_record> coalescing_reader::workspace_by_domain(std::string_view domain) {
  return once(workspace_by_domain_, std::string(domain), [&] { return real_.workspace_by_domain(domain); });
}
list<workspace_record> coalescing_reader::workspaces(team_id after, std::size_t n) {
  return once(workspaces_, {after, n}, [&] { return real_.workspaces(after, n); });
}
list<directory_record> coalescing_reader::directory(team_id team, directory_record::kind_t kind, std::uint64_t after,
                                                    std::size_t n) {
  return once(directory_, {team, kind, after, n}, [&] { return real_.directory(team, kind, after, n); });
}
result<user_record> coalescing_reader::user(user_id id) {
  return once(user_, id, [&] { return real_.user(id); });
}
list<membership_record> coalescing_reader::memberships(user_id user, channel_id after, std::size_t n) {
  return once(memberships_, {user, after, n}, [&] { return real_.memberships(user, after, n); });
}
result<channel_record> coalescing_reader::channel(channel_id id) {
  return once(channel_, id, [&] { return real_.channel(id); });
}
list<member_record> coalescing_reader::members(channel_id channel, user_id after, std::size_t n) {
  return once(members_, {channel, after, n}, [&] { return real_.members(channel, after, n); });
}
list<message_record> coalescing_reader::messages(channel_id channel, const message_range& range) {
  return once(messages_, key_of(channel, {}, range), [&] { return real_.messages(channel, range); });
}
result<message_record> coalescing_reader::message(channel_id channel, message_ts ts) {
  return once(message_, {channel, ts}, [&] { return real_.message(channel, ts); });
}
list<message_record> coalescing_reader::replies(channel_id channel, message_ts root, const message_range& range) {
  return once(replies_, key_of(channel, root, range), [&] { return real_.replies(channel, root, range); });
}
list<thread_summary> coalescing_reader::thread_summaries(channel_id channel, std::span<const message_ts> roots) {
  return once(thread_summaries_, {channel, std::vector(roots.begin(), roots.end())},
              [&] { return real_.thread_summaries(channel, roots); });
}
result<store_reader::stream_end> coalescing_reader::end_of(entity_key stream) {
  return once(end_of_, stream, [&] { return real_.end_of(stream); });
}
list<message_record> coalescing_reader::messages_after(channel_id channel, seq_t after, std::size_t n) {
  return once(messages_after_, {channel, after, n}, [&] { return real_.messages_after(channel, after, n); });
}
list<event_record> coalescing_reader::events_after(entity_key stream, seq_t after, std::size_t n) {
  return once(events_after_, {stream, after, n}, [&] { return real_.events_after(stream, after, n); });
}
result<token_record> coalescing_reader::token(const token_hash& hash) {
  return once(token_, hash, [&] { return real_.token(hash); });
}
list<token_record> coalescing_reader::tokens_of(user_id user, std::size_t n) {
  return once(tokens_of_, {user, n}, [&] { return real_.tokens_of(user, n); });
}
result<app_record> coalescing_reader::app(app_id id) {
  return once(app_, id, [&] { return real_.app(id); });
}

}  // namespace throng
