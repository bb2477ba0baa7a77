// SPDX-License-Identifier: Apache-2.0
// conversations.*: what changes them.
#include <algorithm>

#include "net/api/escaping.hpp"
#include "net/api/methods/conversations.hpp"

namespace throng {

namespace {

task<result<>> create(api_call& call) {
  const bool is_private = call.args.boolean("is_private");
  if (auto allowed = need_scope(call, is_private ? private_write_scopes : public_write_scopes); !allowed)
    co_return allowed;
  NewChannelRequest request;
  *request.mutable_caller() = call.caller();
  request.set_name(call.args.string("name"));
  request.set_is_private(is_private);
  auto made = co_await call.ask(key_of(call.team()), std::move(request));
  if (!made) co_return made.failure();
  auto written = co_await write_changed_channel(call, **made);
  co_return written;
}

task<result<>> open(api_call& call) {
  std::vector<user_id> others;
  if (call.args.has("channel")) {
    // An id that is there already: its people say who is meant.
    const auto id = call.args.channel("channel");
    ChannelInfoRequest request;
    *request.mutable_caller() = call.caller();
    auto found = co_await call.ask(key_of(id), std::move(request));
    if (!found) co_return found.failure();
    if (kind_of(id) == channel_kind::channel) co_return errc::method_not_supported_for_channel_type;
    for (auto user : (*found)->channel().direct_users()) others.push_back(user_id{user});
  } else {
    others = call.args.users("users");
    if (others.empty()) co_return errc::users_list_not_supplied;
  }
  std::erase(others, call.user());

  if (call.args.boolean("prevent_creation")) {
    const auto id = direct_id(call.team(), call.user(), others);
    auto listed = co_await listed_channel(call, id);
    if (!listed) co_return listed.failure();
    if (!*listed) co_return errc::channel_not_found;
  }
  auto opened = co_await open_direct(call, std::move(others));
  if (!opened) co_return opened.failure();
  call.reply.member("no_op", !opened->is_new_on_list).member("already_open", !opened->is_new_on_list);
  if (!call.args.boolean("return_im")) {
    call.reply.key("channel").begin_object().member("id", to_text(channel_id{opened->channel.id()})).end_object();
    co_return done;
  }
  ChannelReply found;
  *found.mutable_channel() = std::move(opened->channel);
  found.set_is_member(true);
  auto written = co_await write_changed_channel(call, found);
  co_return written;
}

task<result<>> rename(api_call& call) {
  const auto id = call.args.channel("channel");
  if (kind_of(id) != channel_kind::channel) {
    // The WORKSPACE, which has the names, knows no direct messages. Who may not see it doesn't hear what it is.
    ChannelInfoRequest info;
    *info.mutable_caller() = call.caller();
    auto found = co_await call.ask(key_of(id), std::move(info));
    if (!found) co_return found.failure();
    co_return errc::method_not_supported_for_channel_type;
  }
  auto allowed = co_await check_privacy_scope(call, "write");
  if (!allowed) co_return allowed;
  RenameInWorkspaceRequest request;
  *request.mutable_caller() = call.caller();
  request.set_channel(id.value);
  request.set_name(call.args.string("name"));
  auto renamed = co_await call.ask(key_of(call.team()), std::move(request));
  if (!renamed) co_return renamed.failure();
  auto written = co_await write_changed_channel(call, **renamed);
  co_return written;
}

task<result<std::shared_ptr<const ChannelReply>>> set_topic(api_call& call, std::string_view argument) {
  auto allowed = co_await check_privacy_scope(call, "write");
  if (!allowed) co_return allowed.failure();
  SetTopicRequest request;
  *request.mutable_caller() = call.caller();
  request.set_is_purpose(argument == "purpose");
  request.set_value(escape_text(call.args.text(argument)));
  co_return co_await call.ask(key_of(call.args.channel("channel")), std::move(request));
}

task<result<>> set_channel_topic(api_call& call) {
  auto changed = co_await set_topic(call, "topic");
  if (!changed) co_return changed.failure();
  call.reply.member("topic", (*changed)->channel().topic().value());
  auto written = co_await write_changed_channel(call, **changed);
  co_return written;
}

task<result<>> set_channel_purpose(api_call& call) {
  auto changed = co_await set_topic(call, "purpose");
  if (!changed) co_return changed.failure();
  call.reply.member("purpose", (*changed)->channel().purpose().value());
  auto written = co_await write_changed_channel(call, **changed);
  co_return written;
}

task<result<>> set_archived(api_call& call, bool is_archived) {
  auto allowed = co_await check_privacy_scope(call, "write");
  if (!allowed) co_return allowed;
  ArchiveRequest request;
  *request.mutable_caller() = call.caller();
  request.set_is_archived(is_archived);
  auto changed = co_await call.ask(key_of(call.args.channel("channel")), std::move(request));
  if (!changed) co_return changed.failure();
  co_return done;
}

/// People who are gone stay known, and no one invites them.
task<result<std::unordered_set<std::uint64_t>>> deactivated_of(api_call& call, std::vector<user_id> ids) {
  auto found = co_await find_users(call, std::move(ids));
  if (!found) co_return found.failure();
  std::unordered_set<std::uint64_t> gone;
  for (const auto& user : *found)
    if (user.is_deleted()) gone.insert(user.id());
  co_return gone;
}

task<result<>> archive(api_call& call) { return set_archived(call, true); }
task<result<>> unarchive(api_call& call) { return set_archived(call, false); }

}  // namespace

task<result<>> conversation_join(api_call& call) {
  const auto id = call.args.channel("channel");
  JoinRequest request;
  *request.mutable_caller() = call.caller();
  auto joined = co_await call.ask(key_of(id), std::move(request));
  if (!joined) co_return joined.failure();
  if ((*joined)->was_member()) call.warning = "already_in_channel";
  auto written = co_await write_changed_channel(call, **joined);
  co_return written;
}

task<result<>> conversation_leave(api_call& call) {
  auto allowed = co_await check_privacy_scope(call, "write");
  if (!allowed) co_return allowed;
  LeaveRequest request;
  *request.mutable_caller() = call.caller();
  auto left = co_await call.ask(key_of(call.args.channel("channel")), std::move(request));
  if (!left) co_return left.failure();
  if (!(*left)->was_member()) call.reply.member("not_in_channel", true);
  co_return done;
}

task<result<>> conversation_invite(api_call& call) {
  auto guests = call.args.users(call.args.has("users") ? "users" : "user");
  if (guests.empty()) co_return errc::no_user;
  auto allowed = co_await check_privacy_scope(call, "write");
  if (!allowed) co_return allowed;
  auto known = co_await check_users(call, guests);
  if (!known) co_return known.failure();
  auto gone = co_await deactivated_of(call, guests);
  if (!gone) co_return gone.failure();
  const auto is_gone = [&](user_id id) { return gone->contains(id.value); };
  if (std::all_of(guests.begin(), guests.end(), is_gone)) co_return errc::cant_invite;
  InviteRequest request;
  *request.mutable_caller() = call.caller();
  for (auto guest : guests)
    if (!is_gone(guest)) request.add_users(guest.value);
  auto invited = co_await call.ask(key_of(call.args.channel("channel")), std::move(request));
  if (!invited) co_return invited.failure();
  auto failures = (*invited)->failures();
  for (auto guest : guests) {
    if (!is_gone(guest)) continue;
    auto& failure = *failures.Add();
    failure.set_user(guest.value);
    failure.set_code(static_cast<std::uint32_t>(errc::cant_invite));
  }
  const bool all_failed = static_cast<std::size_t>(failures.size()) == guests.size();
  if (!failures.empty() && (all_failed || !call.args.boolean("force"))) {
    const auto code = errc_of(static_cast<std::uint16_t>(failures[0].code())).value_or(errc::cant_invite);
    // Of several people some may be members by now; which of them is said beside the code.
    for (const auto& each : failures)
      call.messages.push_back(
          "[ERROR] " + to_text(user_id{each.user()}) + ": " +
          std::string(to_string(errc_of(static_cast<std::uint16_t>(each.code())).value_or(errc::cant_invite))));
    co_return code;
  }
  if (!failures.empty()) {
    call.reply.key("errors").begin_array();
    for (const auto& each : failures) {
      const auto code = errc_of(static_cast<std::uint16_t>(each.code())).value_or(errc::cant_invite);
      call.reply.begin_object().member("user", to_text(user_id{each.user()})).member("ok", false);
      call.reply.member("error", to_string(code)).end_object();
    }
    call.reply.end_array();
  }
  ChannelReply found;
  *found.mutable_channel() = (*invited)->channel();
  found.set_is_member((*invited)->is_member());
  auto written = co_await write_changed_channel(call, found);
  co_return written;
}

task<result<>> conversation_kick(api_call& call) {
  auto allowed = co_await check_privacy_scope(call, "write");
  if (!allowed) co_return allowed;
  KickRequest request;
  *request.mutable_caller() = call.caller();
  request.set_user(call.args.user("user").value);
  auto kicked = co_await call.ask(key_of(call.args.channel("channel")), std::move(request));
  if (!kicked) co_return kicked.failure();
  call.reply.key("errors").begin_object().end_object();
  co_return done;
}

task<result<>> conversation_mark(api_call& call) {
  const auto id = call.args.channel("channel");
  // Who may not see the channel hears that it isn't there, not that she isn't in it.
  ChannelInfoRequest info;
  *info.mutable_caller() = call.caller();
  auto found = co_await call.ask(key_of(id), std::move(info));
  if (!found) co_return found.failure();
  if (kind_of(id) == channel_kind::channel) {
    const bool is_private = (*found)->channel().is_private();
    if (auto allowed = need_scope(call, is_private ? private_write_scopes : public_write_scopes); !allowed)
      co_return allowed;
  }
  MarkRequest request;
  request.set_channel(id.value);
  request.set_ts(call.args.ts("ts").micros);
  auto marked = co_await call.ask(key_of(call.user()), std::move(request));
  if (!marked) co_return marked.failure();
  co_return done;
}

task<result<>> conversation_close(api_call& call) {
  const auto id = call.args.channel("channel");
  if (kind_of(id) == channel_kind::channel) co_return errc::method_not_supported_for_channel_type;
  auto listed = co_await listed_channel(call, id);
  if (!listed) co_return listed.failure();
  if (!*listed) co_return errc::channel_not_found;
  ShowDirectRequest request;
  request.set_channel(id.value);
  request.set_is_open(false);
  auto closed = co_await call.ask(key_of(call.user()), std::move(request));
  if (!closed) co_return closed.failure();
  if (!(*closed)->was_open()) call.reply.member("no_op", true).member("already_closed", true);
  co_return done;
}

std::span<const api_method> conversation_write_methods() {
  using enum argument_kind;
  constexpr auto required = presence_rule::required;
  constexpr auto required_empty = presence_rule::required_empty;
  static const argument_spec one_channel{"channel", channel, required};
  static const std::vector<api_method> methods{
      {"conversations.create",
       rate_tier::tier2,
       people,
       "channels:manage,channels:write,groups:write",
       {{"name", text, required, errc::invalid_name_required}, {"is_private", boolean}, {"team_id", team}},
       create},
      {"conversations.join",
       rate_tier::tier3,
       people,
       "channels:join,channels:write",
       {one_channel},
       conversation_join},
      {"conversations.leave", rate_tier::tier3, people, write_scopes, {one_channel}, conversation_leave},
      {"conversations.invite",
       rate_tier::tier3,
       people,
       write_scopes,
       {one_channel, {"users", users, required, errc::no_user}, {"force", boolean}},
       conversation_invite},
      {"conversations.kick",
       rate_tier::tier3,
       people,
       write_scopes,
       {one_channel, {"user", user, required}},
       conversation_kick},
      {"conversations.open",
       rate_tier::tier3,
       people,
       write_scopes,
       {{"channel", channel}, {"users", users}, {"return_im", boolean}, {"prevent_creation", boolean}},
       open},
      {"conversations.close", rate_tier::tier2, people, write_scopes, {one_channel}, conversation_close},
      {"conversations.mark",
       rate_tier::tier3,
       people,
       write_scopes,
       {one_channel, {"ts", ts, required}},
       conversation_mark},
      {"conversations.rename",
       rate_tier::tier2,
       people,
       write_scopes,
       {one_channel, {"name", text, required, errc::invalid_name_required}},
       rename},
      {"conversations.setTopic",
       rate_tier::tier2,
       people,
       write_scopes,
       {one_channel, {"topic", text, required_empty}},
       set_channel_topic},
      {"conversations.setPurpose",
       rate_tier::tier2,
       people,
       write_scopes,
       {one_channel, {"purpose", text, required_empty}},
       set_channel_purpose},
      {"conversations.archive", rate_tier::tier2, people, write_scopes, {one_channel}, archive},
      {"conversations.unarchive", rate_tier::tier2, people, write_scopes, {one_channel}, unarchive},
  };
  return methods;
}

}  // namespace throng
