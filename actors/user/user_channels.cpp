// SPDX-License-Identifier: Apache-2.0
// The USER's list of channels.
#include <algorithm>

#include "actors/user/user.hpp"

namespace throng {

namespace {

Event shown_event(channel_id channel, bool is_open) {
  Event event;
  event.mutable_direct_shown()->set_channel(channel.value);
  event.mutable_direct_shown()->set_is_open(is_open);
  return event;
}

}  // namespace

result<UserChannelsReply> user::channels(const UserChannelsRequest& request, const envelope&) {
  if (auto exists = check_exists(); !exists) return exists.failure();
  auto count_max = options_.channels_page_max;
  if (request.limit() != 0) count_max = std::min<std::size_t>(count_max, request.limit());
  UserChannelsReply reply;
  auto at = channels_.upper_bound(channel_id{request.after()});
  for (; at != channels_.end() && static_cast<std::size_t>(reply.channels_size()) < count_max; ++at) {
    auto& each = *reply.add_channels();
    each.set_channel(at->first.value);
    each.set_last_read(at->second.last_read);
    each.set_is_open(at->second.is_open);
    each.set_is_private(at->second.is_private);
  }
  reply.set_has_more(at != channels_.end());
  reply.set_seq(stream_.end());
  return reply;
}

// What others made and never wrote to is counted by itself: nobody can fill the list of somebody else with it.
bool user::is_list_full(bool is_listed) const {
  if (channels_.size() < options_.channels_max) return false;
  auto count = std::ranges::count_if(channels_, [&](const auto& each) { return each.second.is_listed == is_listed; });
  return static_cast<std::size_t>(count) >= options_.channels_max;
}

task<result<Nothing>> user::add_channel(const AddChannelRequest& request, const envelope&) {
  if (auto exists = check_exists(); !exists) co_return exists.failure();
  channel_id channel{request.channel().id()};
  auto known = channels_.find(channel);
  bool is_new = known == channels_.end();
  bool is_shown = !request.is_quiet();
  if (!is_new && (known->second.is_open || !is_shown)) {
    if (auto settled = co_await stream_.settled(); !settled) co_return settled.failure();
    co_return Nothing{};
  }
  if (is_new && is_list_full(is_shown))
    co_return error{errc::restricted_action, to_text(id()) + " is in as many channels as a person can be"};
  // What was said before she came isn't unread, but for a direct message, which is there because of it.
  bool is_direct = kind_of(channel) != channel_kind::channel;
  if (is_new) {
    auto last_read = is_direct ? 0 : self().wall().time_since_epoch().count();
    known =
        channels_.emplace(channel, listed_channel{last_read, is_shown, false, request.channel().is_private()}).first;
  }
  auto& here = known->second;
  here.is_open = is_shown;
  std::vector<Event> events;
  if (is_shown && here.is_listed) {  // she had closed it
    events.push_back(shown_event(channel, true));
  } else if (is_shown) {
    here.is_listed = true;
    auto& listed = *events.emplace_back().mutable_channel_listed();
    *listed.mutable_channel() = request.channel();
    listed.set_seq(request.seq());
    if (is_direct) events.push_back(shown_event(channel, true));
  }
  std::vector<write_op> ops{row(channel, here)};
  if (auto stored = co_await stream_.commit(std::move(ops), std::move(events)); !stored) co_return stored.failure();
  co_return Nothing{};
}

task<result<Nothing>> user::remove_channel(const RemoveChannelRequest& request, const envelope&) {
  channel_id channel{request.channel()};
  std::vector<write_op> ops;
  std::vector<Event> events;
  if (channels_.erase(channel) != 0) {
    ops.push_back(erase_membership{id(), channel});
    auto& unlisted = *events.emplace_back().mutable_channel_unlisted();
    unlisted.set_channel(channel.value);
    unlisted.set_is_private(request.is_private());
    unlisted.set_actor(request.actor());
  }
  if (auto stored = co_await stream_.commit(std::move(ops), std::move(events)); !stored) co_return stored.failure();
  co_return Nothing{};
}

task<result<Nothing>> user::mark(const MarkRequest& request, const envelope&) {
  if (auto exists = check_exists(); !exists) co_return exists.failure();
  channel_id channel{request.channel()};
  auto known = channels_.find(channel);
  if (known == channels_.end()) co_return errc::not_in_channel;
  if (request.ts() < 0) co_return errc::invalid_timestamp;
  std::vector<write_op> ops;
  std::vector<Event> events;
  // Backwards is fine: "mark as unread".
  if (std::exchange(known->second.last_read, request.ts()) != request.ts()) {
    ops.push_back(row(channel, known->second));
    auto& marked = *events.emplace_back().mutable_channel_marked();
    marked.set_channel(channel.value);
    marked.set_ts(request.ts());
    marked.set_is_private(known->second.is_private);
  }
  if (auto stored = co_await stream_.commit(std::move(ops), std::move(events)); !stored) co_return stored.failure();
  co_return Nothing{};
}

task<result<ShowDirectReply>> user::show_direct(const ShowDirectRequest& request, const envelope&) {
  if (auto exists = check_exists(); !exists) co_return exists.failure();
  channel_id channel{request.channel()};
  auto known = channels_.find(channel);
  bool is_direct = kind_of(channel) != channel_kind::channel;
  if (known == channels_.end() || !is_direct) co_return errc::channel_not_found;
  ShowDirectReply reply;
  reply.set_was_open(std::exchange(known->second.is_open, request.is_open()));
  std::vector<write_op> ops;
  std::vector<Event> events;
  if (reply.was_open() != request.is_open()) {
    ops.push_back(row(channel, known->second));
    events.push_back(shown_event(channel, request.is_open()));
  }
  if (auto stored = co_await stream_.commit(std::move(ops), std::move(events)); !stored) co_return stored.failure();
  co_return reply;
}

}  // namespace throng
