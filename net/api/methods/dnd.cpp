// SPDX-License-Identifier: Apache-2.0
// dnd.*: when people don't want to be disturbed.
#include "net/api/methods/lookup.hpp"
#include "net/render/user.hpp"

namespace throng {

namespace {

constexpr std::size_t team_info_users_max = 50;  // Slack's

task<result<>> info(api_call& call) {
  const auto id = call.args.has("user") ? call.args.user("user") : call.user();
  if (id != call.user()) {
    auto person = co_await find_user(call, id);
    if (!person) co_return person.failure();
  }
  GetUserRequest request;
  auto found = co_await call.ask(key_of(id), std::move(request));
  if (!found) co_return found.failure();
  render_dnd_members(call.reply, (*found)->user().dnd(), seconds_of(call.wall()), id == call.user());
  co_return done;
}

task<result<>> team_info(api_call& call) {
  const auto named = parse_list(call.args.text("users"));
  if (!named || named->size() > team_info_users_max) co_return errc::too_many_users;
  auto ids = call.args.users("users");
  auto known = co_await find_users(call, std::move(ids));
  if (!known) co_return known.failure();
  std::vector<std::pair<entity_key, GetUserRequest>> requests;
  for (const auto& user : *known) requests.emplace_back(key_of(user_id{user.id()}), GetUserRequest());
  auto found = co_await call.ask_all(std::move(requests));
  call.reply.key("users").begin_object();
  for (const auto& each : found) {
    if (!each) co_return each.failure();
    const auto& user = (*each)->user();
    call.reply.key(to_text(user_id{user.id()})).begin_object();
    render_dnd_members(call.reply, user.dnd(), seconds_of(call.wall()), false);
    call.reply.end_object();
  }
  call.reply.end_object();
  co_return done;
}

task<result<std::shared_ptr<const DndReply>>> set_dnd(api_call& call, SetDndRequest::Action action,
                                                      std::int64_t minutes) {
  SetDndRequest request;
  request.set_action(action);
  request.set_minutes(minutes);
  co_return co_await call.ask(key_of(call.user()), std::move(request));
}

task<result<>> set_snooze(api_call& call) {
  const auto minutes = call.args.integer("num_minutes", 0, 0, 1'000'000'000);
  auto changed = co_await set_dnd(call, SetDndRequest::SNOOZE, minutes);
  if (!changed) co_return changed.failure();
  const auto until = (*changed)->dnd().snooze_until();
  call.reply.member("snooze_enabled", true).member("snooze_endtime", until);
  call.reply.member("snooze_remaining", until - seconds_of(call.wall())).member("snooze_is_indefinite", false);
  co_return done;
}

task<result<>> end_snooze(api_call& call) {
  auto changed = co_await set_dnd(call, SetDndRequest::END_SNOOZE, 0);
  if (!changed) co_return changed.failure();
  render_dnd_members(call.reply, (*changed)->dnd(), seconds_of(call.wall()), true);
  co_return done;
}

task<result<>> end_dnd(api_call& call) {
  auto changed = co_await set_dnd(call, SetDndRequest::END_DND, 0);
  if (!changed) co_return changed.failure();
  co_return done;
}

}  // namespace

std::span<const api_method> dnd_methods() {
  using enum argument_kind;
  constexpr auto required = presence_rule::required;
  constexpr auto user_only = static_cast<caller_set>(caller_kind::user);
  static const std::vector<api_method> methods{
      {"dnd.info", rate_tier::tier3, people, "dnd:read", {{"user", user}, {"team_id", team}}, info},
      {"dnd.teamInfo",
       rate_tier::tier2,
       people,
       "dnd:read",
       {{"users", users, required}, {"team_id", team}},
       team_info},
      {"dnd.setSnooze",
       rate_tier::tier2,
       user_only,
       "dnd:write",
       {{"num_minutes", integer, required, errc::missing_duration}},
       set_snooze},
      {"dnd.endSnooze", rate_tier::tier2, user_only, "dnd:write", {}, end_snooze},
      {"dnd.endDnd", rate_tier::tier2, user_only, "dnd:write", {}, end_dnd},
  };
  return methods;
}

}  // namespace throng
