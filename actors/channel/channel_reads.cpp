// SPDX-License-Identifier: Apache-2.0
// What is read: committed rows, on reader threads; the newest events from the ring.
#include <algorithm>

#include "actors/channel/channel.hpp"
#include "actors/stream/replay_since.hpp"

namespace throng {

result<MembersReply> channel::members(const MembersRequest& request, const envelope&) {
  if (auto sees = state_.may_see(request.caller()); !sees) return sees.failure();
  auto size =
      request.limit() == 0 ? options_.page_default : std::min<std::size_t>(request.limit(), options_.members_page_max);
  auto page = state_.members().page({request.after()}, size + 1);
  MembersReply reply;
  reply.set_has_more(page.size() > size);
  for (auto user : page.first(std::min(size, page.size()))) reply.add_users(user.value);
  return reply;
}

store_reader::message_range channel::page_range(std::int64_t oldest, std::int64_t latest, bool inclusive,
                                                std::uint32_t limit) const {
  store_reader::message_range range;
  range.oldest = {oldest};
  range.latest = {latest};
  range.inclusive = inclusive;
  range.count_max = limit == 0 ? options_.page_default : std::min<std::size_t>(limit, options_.page_max);
  return range;
}

task<result<HistoryReply>> channel::history(const HistoryRequest& request, const envelope&) {
  if (auto may = state_.may_read(request.caller()); !may) co_return may.failure();
  auto range = page_range(request.oldest(), request.latest(), request.inclusive(), request.limit());
  range.newest_first = !request.oldest_first();
  auto page = co_await query<HistoryReply>(&read_history, range);
  if (page) page->set_pin_count(static_cast<std::uint32_t>(state_.data().pins_size()));
  co_return page;
}

task<result<HistoryReply>> channel::replies(const RepliesRequest& request, const envelope&) {
  if (auto may = state_.may_read(request.caller()); !may) co_return may.failure();
  auto range = page_range(request.oldest(), request.latest(), request.inclusive(), request.limit());
  message_ts ts{request.ts()};
  co_return co_await query<HistoryReply>(&read_replies, ts, range);
}

task<result<PostReply>> channel::message(const GetMessageRequest& request, const envelope&) {
  if (auto may = state_.may_read(request.caller()); !may) co_return may.failure();
  message_ts ts{request.ts()};
  auto found = co_await query<Message>(&read_message, ts);
  if (!found) co_return found.failure();
  PostReply reply;
  *reply.mutable_message() = std::move(*found);
  co_return reply;
}

task<result<PinsReply>> channel::pins(const PinsRequest& request, const envelope&) {
  if (auto may = state_.may_read(request.caller()); !may) co_return may.failure();
  std::vector<Pin> pinned(state_.data().pins().begin(), state_.data().pins().end());
  co_return co_await query<PinsReply>(&read_pins, std::move(pinned));
}

void channel::typing(const TypingNotice& notice, const envelope&) {
  if (!state_.may_post(notice.caller())) return;
  auto event = std::make_shared<Event>();
  event->set_at(self().wall().time_since_epoch().count());
  event->mutable_typing()->set_user(notice.caller().user());
  event->mutable_typing()->set_thread_ts(notice.thread_ts());
  publish_unnumbered(std::move(event), delivery_class::typing, notice.caller().connection());
}

// Nothing is published before it is committed, so positions are the same in every epoch, and one beyond the end is
// from a life that never was.
task<result<ReplayReply>> channel::replay(const ReplayRequest& request, const envelope& from) {
  user_id reader{request.user()};
  if (!state_.members().contains(reader)) co_return errc::channel_not_found;
  if (request.since() != 0) {
    const auto by_position = [this, &from](const ReplayRequest& each) { return replay(each, from); };
    co_return co_await replay_since(request, ring_.end(), by_position);
  }
  auto after = request.after_seq();
  auto end = ring_.end();
  std::size_t count_max = request.count_max();
  if (after > end || end - after > count_max) co_return errc::too_old;
  ReplayReply newest;
  if (ring_.replay(after, newest)) {
    newest.set_epoch(self().epoch());
    newest.set_end_seq(end);
    co_return newest;
  }
  auto reply = co_await query<ReplayReply>(&read_events, after, end, count_max);
  if (reply) reply->set_epoch(self().epoch());
  co_return reply;
}

}  // namespace throng
