// SPDX-License-Identifier: Apache-2.0
// What a channel is called, what it is about, and whether it is still open for posts.
#include "actors/channel/channel.hpp"

namespace throng {

namespace {

std::string mention(const Caller& caller) { return "<@" + to_text(user_id{caller.user()}) + ">"; }

}  // namespace

void channel::write_row(channel_change& change) const {
  const auto& data = state_.data();
  change.write(put_channel{{id(), {data.team()}, data.SerializeAsString()}});
}

void channel::announce_settings(channel_change& change, ChannelChanged::Kind kind, const Caller& caller) const {
  if (!state_.data().is_private()) return;
  auto event = std::make_shared<Event>();
  auto& changed = *event->mutable_channel_changed();
  changed.set_kind(kind);
  *changed.mutable_channel() = state_.described();
  changed.set_user(caller.user());
  change.announce(std::move(event));
}

task<result<ChannelReply>> channel::commit_settings(channel_change change, const Caller& caller) {
  user_id by{caller.user()};
  write_row(change);
  auto committed = co_await commit_change(std::move(change));
  if (!committed) co_return committed.failure();
  co_await update_directory(by);
  co_return describe(caller);
}

task<result<ChannelReply>> channel::rename(const RenameChannelRequest& request, const envelope&) {
  const auto& caller = request.caller();
  if (auto may = state_.may_rename(caller); !may) co_return may.failure();
  user_id by{caller.user()};
  auto old_name = state_.data().name();
  if (request.name() == old_name) {
    if (auto committed = co_await settled(); !committed) co_return committed.failure();
    co_await update_directory(by);
    co_return describe(caller);
  }
  state_.rename(request.name(), self().wall());
  auto change = begin();
  MessageData data;
  data.set_name(request.name());
  data.set_old_name(old_name);
  auto text = mention(caller) + " has renamed the channel from \"" + old_name + "\" to \"" + request.name() + "\"";
  change.system_post(by, "channel_name", std::move(text), std::move(data));
  announce_settings(change, ChannelChanged::RENAMED, caller);
  co_return co_await commit_settings(std::move(change), caller);
}

task<result<ChannelReply>> channel::set_topic(const SetTopicRequest& request, const envelope&) {
  const auto& caller = request.caller();
  if (auto may = state_.may_describe(caller, request.value()); !may) co_return may.failure();
  user_id by{caller.user()};
  const auto& current = request.is_purpose() ? state_.data().purpose() : state_.data().topic();
  if (current.value() == request.value()) {
    if (auto committed = co_await settled(); !committed) co_return committed.failure();
    co_await update_directory(by);
    co_return describe(caller);
  }
  state_.describe(request.is_purpose(), request.value(), by, self().wall());
  auto change = begin();
  MessageData data;
  std::string what = request.is_purpose() ? "purpose" : "topic";
  request.is_purpose() ? data.set_purpose(request.value()) : data.set_topic(request.value());
  auto text = mention(caller) + (request.value().empty() ? " cleared the channel " + what
                                                         : " set the channel " + what + ": " + request.value());
  change.system_post(by, "channel_" + what, std::move(text), std::move(data));
  co_return co_await commit_settings(std::move(change), caller);
}

task<result<ChannelReply>> channel::archive(const ArchiveRequest& request, const envelope&) {
  const auto& caller = request.caller();
  user_id by{caller.user()};
  auto may = state_.may_archive(caller, request.is_archived());
  if (!may && (may.code() == errc::already_archived || may.code() == errc::not_archived)) {
    if (auto committed = co_await settled(); !committed) co_return committed.failure();
    co_await update_directory(by);
  }
  if (!may) co_return may.failure();
  state_.archive(request.is_archived(), self().wall());
  auto change = begin();
  auto text = mention(caller) + (request.is_archived() ? " archived the channel" : " un-archived the channel");
  change.system_post(by, request.is_archived() ? "channel_archive" : "channel_unarchive", std::move(text));
  announce_settings(change, request.is_archived() ? ChannelChanged::ARCHIVED : ChannelChanged::UNARCHIVED, caller);
  co_return co_await commit_settings(std::move(change), caller);
}

}  // namespace throng
