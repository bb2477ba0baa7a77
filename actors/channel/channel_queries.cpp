// SPDX-License-Identifier: Apache-2.0
#include "actors/channel/channel_queries.hpp"

#include <algorithm>

#include "actors/channel/channel_change.hpp"

namespace throng {

namespace {

constexpr std::size_t members_read_at_once = 10'000;
// What may be committed between the question and the read, before a replay is refused for it.
constexpr std::size_t newer_rows_max = 1'000;

result<message_record> find_row(store_reader& reader, channel_id channel, message_ts ts, errc missing) {
  auto row = reader.message(channel, ts);
  if (!row && row.code() == errc::not_found) return missing;
  return row;
}

void fill(ThreadSummary& to, const thread_summary& from) {
  to.set_reply_count(from.reply_count);
  to.set_latest_reply(from.latest_reply.micros);
  to.set_user_count(from.user_count);
  for (auto user : from.users) to.add_users(user.value);
}

/// Appends rows as messages, those that are roots with their summaries.
result<> append_plain(store_reader& reader, channel_id channel, std::vector<message_record> rows,
                      google::protobuf::RepeatedPtrField<Message>& to) {
  std::vector<message_ts> roots;
  for (const auto& row : rows)
    if (!row.thread_ts) roots.push_back(row.ts);
  auto found = reader.thread_summaries(channel, roots);
  if (!found) return found.failure();
  std::ranges::sort(*found, {}, &thread_summary::root);
  for (auto& row : rows) {
    auto summary = std::ranges::lower_bound(*found, row.ts, {}, &thread_summary::root);
    auto has_thread = !row.thread_ts && summary != found->end() && summary->root == row.ts;
    auto message = to_message(std::move(row));
    if (!message) return message.failure();
    if (has_thread) fill(*message->mutable_thread(), *summary);
    to.Add(std::move(*message));
  }
  return done;
}

/// The roots of broadcast replies, each read once; one that is gone is left out. Broadcasts are few.
class broadcast_roots {
 public:
  broadcast_roots(store_reader& reader, channel_id channel) : reader_(reader), channel_(channel) {}

  result<> add_to(Message& message) {
    if (!message.data().is_broadcast() || message.thread_ts() == 0) return done;
    auto known = std::ranges::find(roots_, message.thread_ts(), &Message::ts);
    if (known == roots_.end()) {
      auto row = reader_.message(channel_, {message.thread_ts()});
      if (!row && row.code() != errc::not_found) return row.failure();
      if (!row || row->is_deleted) return done;
      std::vector<message_record> one;
      one.push_back(std::move(*row));
      if (auto read = append_plain(reader_, channel_, std::move(one), roots_); !read) return read;
      known = roots_.end() - 1;
    }
    *message.mutable_root() = *known;
    return done;
  }

 private:
  store_reader& reader_;
  channel_id channel_;
  google::protobuf::RepeatedPtrField<Message> roots_;
};

result<> append(store_reader& reader, channel_id channel, std::vector<message_record> rows,
                google::protobuf::RepeatedPtrField<Message>& to) {
  auto first = to.size();
  if (auto read = append_plain(reader, channel, std::move(rows), to); !read) return read;
  broadcast_roots roots(reader, channel);
  for (auto at = first; at < to.size(); ++at)
    if (auto added = roots.add_to(*to.Mutable(at)); !added) return added;
  return done;
}

}  // namespace

result<stored_channel> read_channel(store_reader& reader, channel_id channel, std::size_t newest_max) {
  stored_channel all;
  auto end = read_end(reader, channel);
  if (!end) return end.failure();
  all.end = *end;
  auto row = reader.channel(channel);
  if (!row && row.code() == errc::not_found) return all;
  if (!row) return row.failure();
  if (!all.data.ParseFromString(row->data))
    return error{errc::internal_error, "the row of " + to_text(channel) + " is unreadable"};
  all.exists = true;
  for (user_id last{};;) {
    auto page = reader.members(channel, last, members_read_at_once);
    if (!page) return page.failure();
    for (const auto& member : *page) all.members.push_back(member.user);
    if (page->size() < members_read_at_once) break;
    last = page->back().user;
  }
  store_reader::message_range range;
  range.with_hidden_replies = range.with_deleted = true;
  range.count_max = newest_max;
  auto newest = reader.messages(channel, range);
  if (!newest) return newest.failure();
  all.newest = std::move(*newest);
  return all;
}

result<store_reader::stream_end> read_end(store_reader& reader, channel_id channel) {
  return reader.end_of(key_of(channel));
}

result<Message> read_message(store_reader& reader, channel_id channel, message_ts ts) {
  auto row = find_row(reader, channel, ts, errc::message_not_found);
  if (!row) return row.failure();
  if (row->is_deleted) return errc::message_not_found;
  google::protobuf::RepeatedPtrField<Message> one;
  std::vector<message_record> rows;
  rows.push_back(std::move(*row));
  if (auto read = append(reader, channel, std::move(rows), one); !read) return read.failure();
  return std::move(one[0]);
}

result<Message> read_latest(store_reader& reader, channel_id channel) {
  store_reader::message_range range;
  range.count_max = 1;
  auto rows = reader.messages(channel, range);
  if (!rows) return rows.failure();
  if (rows->empty()) return errc::message_not_found;
  return to_message(std::move(rows->front()));
}

result<thread_root> read_root(store_reader& reader, channel_id channel, message_ts ts, bool with_post) {
  auto row = find_row(reader, channel, ts, errc::thread_not_found);
  if (!row) return row.failure();
  if (row->is_deleted) return errc::cannot_reply_to_message;
  if (row->thread_ts) row = find_row(reader, channel, row->thread_ts, errc::thread_not_found);
  if (!row) return row.failure();
  if (row->is_deleted) return errc::cannot_reply_to_message;
  thread_root root{row->ts, row->user, nullptr};
  if (!with_post) return root;
  auto post = read_message(reader, channel, root.ts);
  if (!post) return post.failure();
  root.post = std::make_shared<const Message>(std::move(*post));
  return root;
}

result<HistoryReply> read_history(store_reader& reader, channel_id channel, store_reader::message_range range) {
  auto size = range.count_max++;
  auto rows = reader.messages(channel, range);
  if (!rows) return rows.failure();
  HistoryReply page;
  page.set_has_more(rows->size() > size);
  if (page.has_more()) rows->resize(size);
  if (!range.newest_first) std::ranges::reverse(*rows);
  if (auto read = append(reader, channel, std::move(*rows), *page.mutable_messages()); !read) return read.failure();
  return page;
}

result<HistoryReply> read_replies(store_reader& reader, channel_id channel, message_ts ts,
                                  store_reader::message_range range) {
  auto row = find_row(reader, channel, ts, errc::thread_not_found);
  if (!row) return row.failure();
  auto root = row->thread_ts ? find_row(reader, channel, row->thread_ts, errc::thread_not_found) : std::move(row);
  if (!root) return root.failure();
  auto root_ts = root->ts;
  auto is_deleted = root->is_deleted;

  HistoryReply page;
  std::vector<message_record> rows;
  rows.push_back(std::move(*root));
  if (auto read = append(reader, channel, std::move(rows), *page.mutable_messages()); !read) return read.failure();
  // A deleted root is shown as long as somebody's reply hangs on it.
  if (is_deleted && !page.messages(0).has_thread()) return errc::thread_not_found;

  auto size = range.count_max++;
  auto replies = reader.replies(channel, root_ts, range);
  if (!replies) return replies.failure();
  page.set_has_more(replies->size() > size);
  if (page.has_more()) replies->resize(size);
  if (auto read = append(reader, channel, std::move(*replies), *page.mutable_messages()); !read) return read.failure();
  return page;
}

result<PinsReply> read_pins(store_reader& reader, channel_id channel, std::vector<Pin> pins) {
  PinsReply reply;
  for (auto& pin : pins) {
    auto message = read_message(reader, channel, {pin.ts()});
    if (!message && message.code() == errc::message_not_found) continue;  // deleted since we were asked
    if (!message) return message.failure();
    auto& item = *reply.add_items();
    *item.mutable_pin() = std::move(pin);
    *item.mutable_message() = std::move(*message);
  }
  return reply;
}

result<ReplayReply> read_events(store_reader& reader, channel_id channel, seq_t after, seq_t end,
                                std::size_t count_max) {
  auto rows_max = count_max + newer_rows_max;
  auto posts = reader.messages_after(channel, after, rows_max);
  if (!posts) return posts.failure();
  auto events = reader.events_after(key_of(channel), after, rows_max);
  if (!events) return events.failure();

  ReplayReply reply;
  broadcast_roots roots(reader, channel);
  auto seq = after;
  for (std::size_t post = 0, event = 0;; ++seq) {
    // The two reads are not of one moment, so the end may be ragged: what is dense counts.
    NumberedEvent next;
    next.set_seq(seq + 1);
    if (post < posts->size() && (*posts)[post].seq == seq + 1) {
      auto message = to_message(std::move((*posts)[post++]));
      if (!message) return message.failure();
      if (auto added = roots.add_to(*message); !added) return added.failure();
      next.mutable_event()->set_at(message->ts());
      *next.mutable_event()->mutable_message() = std::move(*message);
    } else if (event < events->size() && (*events)[event].seq == seq + 1) {
      if (!next.mutable_event()->ParseFromString((*events)[event++].data))
        return error{errc::internal_error,
                     "event " + std::to_string(seq + 1) + " of " + to_text(channel) + " is unreadable"};
    } else {
      break;
    }
    if (static_cast<std::size_t>(reply.events_size()) == count_max) break;
    *reply.add_events() = std::move(next);
  }
  if (seq < end) return errc::too_old;
  reply.set_end_seq(seq);
  return reply;
}

}  // namespace throng
