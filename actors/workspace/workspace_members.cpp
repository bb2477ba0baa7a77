// SPDX-License-Identifier: Apache-2.0
// The WORKSPACE makes people and bot users, and follows what USERs say of themselves.
#include <algorithm>
#include <array>

#include "actors/user/profile_rules.hpp"
#include "actors/utf8.hpp"
#include "actors/workspace/name_rules.hpp"
#include "actors/workspace/workspace.hpp"

namespace throng {

namespace {

/// Slack gives each person one of a few colours; clients paint names with it.
std::string color_of(user_id user) {
  constexpr std::array<const char*, 16> colors{"9f69e7", "4bbe2e", "e7392d", "3c989f", "674b1b", "e96699",
                                               "e0a729", "684b6c", "5b89d5", "2b6836", "99a949", "df3dc0",
                                               "4cc091", "9b3b45", "d58247", "bb86b7"};
  return colors[keyspace_id(user.value) % colors.size()];
}

UserData new_user(user_id id, team_id team, std::string handle, std::int64_t now_s) {
  UserData user;
  user.set_id(id.value);
  user.set_team(team.value);
  user.set_name(std::move(handle));
  user.set_tz("Etc/UTC");
  user.set_tz_label("Coordinated Universal Time");
  user.set_locale("en-US");
  user.set_color(color_of(id));
  user.set_updated(now_s);
  user.set_is_pending(true);
  return user;
}

/// Sets the real name with its parts. Error: invalid_arguments.
result<> set_real_name(UserData& user, const std::string& name, std::int64_t now_s) {
  Profile wanted;
  wanted.set_real_name(name);
  google::protobuf::RepeatedPtrField<std::string> fields;
  *fields.Add() = "real_name";
  auto set = apply_profile(*user.mutable_profile(), wanted, fields, now_s);
  if (!set) return error{errc::invalid_arguments, set.failure().detail};
  return done;
}

bool is_unfinished(const UserData& user) { return user.is_pending() || user.joining_size() != 0; }

}  // namespace

// -- making a member
// ---------------------------------------------------------------------------------------------------

task<result<MemberReply>> workspace::create_member(const CreateMemberRequest& request, const envelope&) {
  if (auto exists = check_exists(); !exists) co_return exists.failure();
  if (auto checked = check_email(request.email()); !checked) co_return checked.failure();
  if (const auto* known = directory_.find_user_by_email(request.email())) {
    // The same again, while it isn't done: whoever asks may have heard of a failure, or nothing.
    if (!is_unfinished(*known)) co_return errc::already_in_team;
    user_id user{known->id()};
    co_return co_await in_turn(user.value, make_member(user));
  }

  bool is_guest = request.is_restricted() || request.is_ultra_restricted();
  if (request.is_ultra_restricted() && request.channels_size() > 1) co_return errc::ura_max_channels;
  if (static_cast<std::size_t>(request.channels_size()) > options_.joined_at_once_max)
    co_return error{errc::invalid_arguments, "too many channels at once"};
  for (auto channel : request.channels())
    if (!directory_.channel({channel})) co_return errc::channel_not_found;
  auto handle = request.name();
  if (handle.empty()) {
    handle = directory_.free_handle(handle_from_email(request.email()));
  } else {
    if (auto checked = check_handle(handle); !checked) co_return checked.failure();
    if (!directory_.is_handle_free(handle, {})) co_return errc::name_taken;
  }

  user_id id = options_.ids->next_user();
  auto now_s = seconds_of(self().wall());
  auto user = new_user(id, this->id(), handle, now_s);
  user.mutable_profile()->set_email(request.email());
  auto real_name = request.real_name().empty() ? handle : request.real_name();
  if (auto set = set_real_name(user, real_name, now_s); !set) co_return set.failure();
  user.set_is_restricted(is_guest);
  user.set_is_ultra_restricted(request.is_ultra_restricted());
  if (!is_guest && !directory_.has_people()) {
    user.set_is_primary_owner(true);
    user.set_is_owner(true);
    user.set_is_admin(true);
  }
  if (!is_guest) user.add_joining(data_.general_channel());
  for (auto channel : request.channels())
    if (std::ranges::find(user.joining(), channel) == user.joining().end()) user.add_joining(channel);
  if (auto reserved = co_await reserve_member(std::move(user)); !reserved) co_return reserved.failure();
  co_return co_await in_turn(id.value, make_member(id));
}

task<result<>> workspace::reserve_member(UserData user) {
  if (directory_.user_rows() >= options_.users_max)
    co_return error{errc::restricted_action, "the workspace has as many members as it can have"};
  std::vector<write_op> ops{row(user)};
  directory_.put_user(std::move(user));
  co_return co_await stream_.commit(std::move(ops));
}

task<result<MemberReply>> workspace::make_member(user_id user) {
  const auto* row = directory_.find_user(user);
  if (row && row->is_pending()) {
    CreateUserRequest request;
    *request.mutable_user() = public_part(*row);
    auto made = co_await self().ask(key_of(user), std::move(request), options_.ask_timeout);
    if (!made) {
      retry_soon();
      co_return made.failure();
    }
    if (auto confirmed = co_await confirm_member(user); !confirmed) co_return confirmed.failure();
  }
  if (auto joined = co_await join_channels(user); !joined) co_return joined.failure();
  MemberReply reply;
  *reply.mutable_user() = public_part(*directory_.find_user(user));
  co_return reply;
}

task<result<>> workspace::confirm_member(user_id user) {
  auto next = *directory_.find_user(user);
  next.clear_is_pending();
  std::vector<write_op> ops{row(next)};
  std::vector<Event> events;
  *events.emplace_back().mutable_team_join() = public_part(next);
  if (next.is_primary_owner()) {
    data_.set_primary_owner(user.value);
    ops.push_back(row());
  }
  if (next.app() != 0) {
    auto app = app_of(next);
    ops.push_back(row(app));
    *events.emplace_back().mutable_bot_added() = app;
    directory_.put_app(std::move(app));
  }
  directory_.put_user(std::move(next));
  co_return co_await stream_.commit(std::move(ops), std::move(events));
}

task<result<>> workspace::join_channels(user_id user) {
  std::vector<std::uint64_t> joining(directory_.find_user(user)->joining().begin(),
                                     directory_.find_user(user)->joining().end());
  if (joining.empty()) co_return co_await stream_.settled();
  result<> outcome = done;
  std::vector<std::uint64_t> left;
  for (auto channel : joining) {
    auto joined = co_await join_channel(user, {channel});
    if (joined || !is_uncertain(joined.code())) continue;  // archived or gone since: nothing to wait for
    left.push_back(channel);
    outcome = joined;
  }
  auto next = *directory_.find_user(user);
  next.mutable_joining()->Assign(left.begin(), left.end());
  std::vector<write_op> ops{row(next)};
  directory_.put_user(std::move(next));
  if (auto stored = co_await stream_.commit(std::move(ops)); !stored) co_return stored;
  if (!outcome) retry_soon();
  co_return outcome;
}

task<result<>> workspace::join_channel(user_id user, channel_id channel) {
  const auto* row = directory_.channel(channel);
  if (row && row->is_private()) {
    // On behalf of who made it.
    InviteRequest request;
    *request.mutable_caller() = as_creator(*row);
    request.add_users(user.value);
    auto invited = co_await self().ask(key_of(channel), std::move(request), options_.ask_timeout);
    if (!invited) co_return invited.failure();
    for (const auto& failure : (*invited)->failures())
      if (auto code = errc_of(static_cast<std::uint16_t>(failure.code())); code && is_uncertain(*code)) co_return *code;
    co_return done;
  }
  JoinRequest request;
  request.mutable_caller()->set_team(id().value);
  request.mutable_caller()->set_user(user.value);
  auto joined = co_await self().ask(key_of(channel), std::move(request), options_.ask_timeout);
  if (!joined) co_return joined.failure();
  co_return done;
}

// -- apps
// --------------------------------------------------------------------------------------------------------------

task<result<InstallAppReply>> workspace::install_app(const InstallAppRequest& request, const envelope&) {
  if (auto exists = check_exists(); !exists) co_return exists.failure();
  app_id app{request.app()};
  if (!app) co_return errc::invalid_app_id;
  if (!directory_.app(app)) {
    user_id bot_user;
    for (auto each : directory_.unfinished_users())
      if (directory_.find_user(each)->app() == app.value) bot_user = each;
    if (!bot_user) {
      bot_user = options_.ids->next_user();
      auto now_s = seconds_of(self().wall());
      auto wanted = request.bot_name().empty() ? request.name() : request.bot_name();
      std::ranges::replace(wanted, ' ', '_');
      auto user = new_user(bot_user, id(), directory_.free_handle(make_handle(wanted, "bot")), now_s);
      auto real_name = request.name().empty() ? user.name() : request.name();
      if (auto set = set_real_name(user, real_name, now_s); !set) co_return set.failure();
      user.set_is_bot(true);
      user.set_app(app.value);
      user.set_bot(options_.ids->next_bot().value);
      if (auto reserved = co_await reserve_member(std::move(user)); !reserved) co_return reserved.failure();
    }
    auto made = co_await in_turn(bot_user.value, make_member(bot_user));
    if (!made) co_return made.failure();
  } else if (auto settled = co_await stream_.settled(); !settled) {
    co_return settled.failure();
  }
  InstallAppReply reply;
  *reply.mutable_app() = *directory_.app(app);
  co_return reply;
}

InstalledApp workspace::app_of(const UserData& bot_user) const {
  InstalledApp app;
  app.set_app(bot_user.app());
  app.set_bot(bot_user.bot());
  app.set_bot_user(bot_user.id());
  app.set_name(bot_user.profile().real_name());
  app.set_updated(bot_user.updated());
  return app;
}

// -- what USERs tell
// ---------------------------------------------------------------------------------------------------

task<result<Nothing>> workspace::user_changed(const UserChangedRequest& request, const envelope&) {
  if (auto exists = check_exists(); !exists) co_return exists.failure();
  user_id user{request.user().id()};
  const auto* before = directory_.find_user(user);
  if (!before) co_return errc::user_not_found;
  auto next = public_part(request.user());
  // What the WORKSPACE answers for: unique names, and who is being made.
  next.set_name(before->name());
  next.mutable_profile()->set_email(before->profile().email());
  next.set_is_pending(before->is_pending());
  *next.mutable_joining() = before->joining();

  std::vector<write_op> ops;
  std::vector<Event> events;
  bool is_shown = !before->is_pending();  // else team_join will tell
  if (next.SerializeAsString() != before->SerializeAsString()) {
    ops.push_back(row(next));
    if (is_shown) *events.emplace_back().mutable_user_change() = public_part(next);
    directory_.put_user(std::move(next));
  }
  // The directory doesn't keep dnd: a USER names it when it has changed.
  if (request.user().has_dnd() && is_shown) {
    auto& changed = *events.emplace_back().mutable_user_dnd();
    changed.set_user(user.value);
    *changed.mutable_dnd() = request.user().dnd();
  }
  if (auto stored = co_await stream_.commit(std::move(ops), std::move(events)); !stored) co_return stored.failure();
  co_return Nothing{};
}

}  // namespace throng
