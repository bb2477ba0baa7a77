// SPDX-License-Identifier: Apache-2.0
// The WORKSPACE makes and renames channels, and follows what they say of themselves.
#include "actors/workspace/name_rules.hpp"
#include "actors/workspace/workspace.hpp"

namespace throng {

namespace {

/// What everyone of the workspace hears of a public channel; nothing of a private one, whose members hear it from the
/// channel. `before` is null or pending if it is new.
std::vector<Event> announcement(const ChannelData* before, const ChannelData& after, user_id by) {
  std::vector<Event> events;
  if (after.is_private()) return events;
  if (!before || before->is_pending()) {
    *events.emplace_back().mutable_channel_created() = after;
    return events;
  }
  auto changed = [&](ChannelChanged::Kind kind) {
    auto& change = *events.emplace_back().mutable_public_channel_changed();
    change.set_kind(kind);
    *change.mutable_channel() = after;
    change.set_user(by.value);
  };
  if (before->name() != after.name()) changed(ChannelChanged::RENAMED);
  if (before->is_archived() != after.is_archived())
    changed(after.is_archived() ? ChannelChanged::ARCHIVED : ChannelChanged::UNARCHIVED);
  return events;
}

}  // namespace

Caller workspace::as_creator(const ChannelData& channel) const {
  Caller caller;
  caller.set_team(id().value);
  caller.set_user(channel.creator());
  caller.set_is_admin(true);
  return caller;
}

// -- making a channel
// --------------------------------------------------------------------------------------------------

task<result<ChannelReply>> workspace::create_channel(const NewChannelRequest& request, const envelope&) {
  if (auto exists = check_exists(); !exists) co_return exists.failure();
  user_id creator{request.caller().user()};
  const auto* person = directory_.user(creator);
  if (!person) co_return errc::user_not_found;
  if (person->is_ultra_restricted() || person->is_restricted())
    co_return error{errc::restricted_action, "guests can't make channels"};
  if (auto checked = check_channel_name(request.name()); !checked) co_return checked.failure();

  channel_id channel;
  if (const auto* known = directory_.find_channel_by_name(request.name())) {
    // The same again by the same person, while it isn't done: she may not have heard, or have heard of a failure.
    bool is_same = known->is_pending() && known->name() == request.name() && known->creator() == creator.value &&
                   known->is_private() == request.is_private();
    if (!is_same) co_return errc::name_taken;
    channel = {known->id()};
  } else {
    if (directory_.channel_rows() >= options_.channels_max)
      co_return error{errc::restricted_action, "the workspace has as many channels as it can have"};
    channel = options_.ids->next_channel();
    ChannelData data;
    data.set_id(channel.value);
    data.set_team(id().value);
    data.set_name(request.name());
    data.set_is_private(request.is_private());
    data.set_creator(creator.value);
    data.set_created(seconds_of(self().wall()));
    data.set_is_pending(true);
    std::vector<write_op> ops{row(data)};
    directory_.put_channel(std::move(data));
    if (auto stored = co_await stream_.commit(std::move(ops)); !stored) co_return stored.failure();
  }
  co_return co_await in_turn(channel.value, make_channel(channel, request.caller()));
}

task<result<ChannelReply>> workspace::make_channel(channel_id channel, Caller caller) {
  const auto* row = directory_.find_channel(channel);
  if (!row) co_return errc::channel_not_found;  // given up meanwhile
  if (!row->is_pending()) {
    ChannelInfoRequest question;
    *question.mutable_caller() = std::move(caller);
    auto answer = co_await self().ask(key_of(channel), std::move(question), options_.ask_timeout);
    if (!answer) co_return answer.failure();
    co_return **answer;
  }
  user_id creator{row->creator()};
  CreateChannelRequest request;
  *request.mutable_caller() = std::move(caller);
  *request.mutable_channel() = public_part(*row);
  if (creator) request.add_members(creator.value);
  auto made = co_await self().ask(key_of(channel), std::move(request), options_.ask_timeout);
  if (!made) {
    if (is_uncertain(made.code()))
      retry_soon();
    else if (auto given_up = co_await give_up(channel); !given_up)
      co_return given_up.failure();
    co_return made.failure();
  }
  if (auto listed = co_await apply_channel((*made)->channel(), creator); !listed) co_return listed.failure();
  co_return **made;
}

/// The name is free again. A row can't be erased, as events may speak of it: it loses its name.
task<result<>> workspace::give_up(channel_id channel) {
  const auto* row = directory_.find_channel(channel);
  if (!row) co_return done;
  auto next = *row;
  if (next.is_pending())
    next.clear_name();
  else
    next.clear_reserved_name();
  std::vector<write_op> ops{this->row(next)};
  directory_.put_channel(std::move(next));
  co_return co_await stream_.commit(std::move(ops));
}

// -- renaming
// ----------------------------------------------------------------------------------------------------------

task<result<ChannelReply>> workspace::rename_channel(const RenameInWorkspaceRequest& request, const envelope&) {
  if (auto exists = check_exists(); !exists) co_return exists.failure();
  if (auto checked = check_channel_name(request.name()); !checked) co_return checked.failure();
  co_return co_await in_turn(request.channel(), rename_now(request));
}

task<result<ChannelReply>> workspace::rename_now(const RenameInWorkspaceRequest& request) {
  channel_id channel{request.channel()};
  const auto* row = directory_.channel(channel);
  if (!row) co_return errc::channel_not_found;
  if (!directory_.is_name_free(request.name(), channel)) co_return errc::name_taken;
  if (row->name() == request.name()) {
    ChannelInfoRequest question;
    *question.mutable_caller() = request.caller();
    auto answer = co_await self().ask(key_of(channel), std::move(question), options_.ask_timeout);
    if (!answer) co_return answer.failure();
    co_return **answer;
  }
  auto reserved = *row;
  reserved.set_reserved_name(request.name());
  std::vector<write_op> ops{this->row(reserved)};
  directory_.put_channel(std::move(reserved));
  if (auto stored = co_await stream_.commit(std::move(ops)); !stored) co_return stored.failure();

  RenameChannelRequest order;
  *order.mutable_caller() = request.caller();
  order.set_name(request.name());
  auto renamed = co_await self().ask(key_of(channel), std::move(order), options_.ask_timeout);
  if (!renamed) {
    if (is_uncertain(renamed.code()))
      retry_soon();
    else if (auto given_up = co_await give_up(channel); !given_up)
      co_return given_up.failure();
    co_return renamed.failure();
  }
  auto listed = co_await apply_channel((*renamed)->channel(), {request.caller().user()});
  if (!listed) co_return listed.failure();
  co_return **renamed;
}

/// Nobody waits for it any more: the channel itself says whether it took the new name.
task<result<ChannelReply>> workspace::finish_rename(channel_id channel) {
  const auto* row = directory_.find_channel(channel);
  if (!row || row->is_pending() || row->reserved_name().empty()) co_return errc::channel_not_found;
  ChannelInfoRequest question;
  *question.mutable_caller() = as_creator(*row);
  auto answer = co_await self().ask(key_of(channel), std::move(question), options_.ask_timeout);
  if (!answer && is_uncertain(answer.code())) {
    retry_soon();
    co_return answer.failure();
  }
  if (answer)
    if (auto listed = co_await apply_channel((*answer)->channel(), {}); !listed) co_return listed.failure();
  // Whatever it is called: no rename is on its way any more.
  if (auto given_up = co_await give_up(channel); !given_up) co_return given_up.failure();
  if (!answer) co_return answer.failure();
  co_return **answer;
}

// -- what CHANNELs tell
// ------------------------------------------------------------------------------------------------

task<result<Nothing>> workspace::channel_updated(const ChannelUpdatedRequest& request, const envelope&) {
  if (auto exists = check_exists(); !exists) co_return exists.failure();
  if (auto applied = co_await apply_channel(request.channel(), {request.user()}); !applied) co_return applied.failure();
  co_return Nothing{};
}

result<Nothing> workspace::count_members(const MemberCountNotice& notice, const envelope&) {
  if (auto exists = check_exists(); !exists) return exists.failure();
  directory_.count_members({notice.channel()}, notice.member_count());
  return Nothing{};
}

task<result<>> workspace::apply_channel(ChannelData channel, user_id by) {
  channel_id id{channel.id()};
  if (channel.team() != this->id().value || !id || channel.name().empty())
    co_return error{errc::invalid_channel, "it isn't a channel of " + to_text(this->id())};
  const auto* before = directory_.find_channel(id);
  bool is_known = before && !before->is_pending();
  if (is_known && channel.updated() < before->updated()) co_return co_await stream_.settled();  // overtaken
  channel.clear_is_pending();
  channel.clear_pins();  // the channel's own business, and long
  channel.clear_reserved_name();
  if (before && before->reserved_name() != channel.name()) channel.set_reserved_name(before->reserved_name());
  auto member_count = channel.member_count();
  if (is_known && channel.SerializeAsString() == before->SerializeAsString()) {
    directory_.count_members(id, member_count);
    co_return co_await stream_.settled();
  }
  if (!directory_.is_name_free(channel.name(), id))
    co_return error{errc::conflict, "#" + channel.name() + " is another channel of " + to_text(this->id())};

  auto events = announcement(before, public_part(channel), by);
  std::vector<write_op> ops{row(channel)};
  directory_.put_channel(std::move(channel));
  directory_.count_members(id, member_count);
  co_return co_await stream_.commit(std::move(ops), std::move(events));
}

}  // namespace throng
