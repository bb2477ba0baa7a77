// SPDX-License-Identifier: Apache-2.0
// users.getPresence, users.setPresence
#include "net/api/methods/lookup.hpp"

namespace throng {

namespace {

task<result<>> get_presence(api_call& call) {
  const auto id = call.args.has("user") ? call.args.user("user") : call.user();
  if (id == slackbot) {
    call.reply.member("presence", "active").member("online", true);
    co_return done;
  }
  if (id != call.user()) {
    auto person = co_await find_user(call, id);
    if (!person) co_return person.failure();
  }
  PresenceQuery query;
  query.add_users(id.value);
  auto answer = co_await call.ask(key_of(presence_bucket_of(id)), std::move(query));
  if (!answer) co_return answer.failure();
  PresenceReply::State state;
  for (const auto& each : (*answer)->states())
    if (each.user() == id.value) state = each;
  call.reply.member("presence", state.is_active() ? "active" : "away").member("online", state.is_online());
  if (id == call.user()) {  // the rest is nobody else's business
    call.reply.member("auto_away", state.is_auto_away()).member("manual_away", state.is_manually_away());
    call.reply.member("connection_count", state.connection_count()).member("last_activity", state.last_activity());
  }
  co_return done;
}

task<result<>> set_presence(api_call& call) {
  const auto wanted = call.args.text("presence");
  if (wanted != "auto" && wanted != "away" && wanted != "active") co_return errc::invalid_presence;
  SetManualPresenceRequest request;
  request.set_is_away(wanted == "away");
  auto changed = co_await call.ask(key_of(call.user()), std::move(request));
  if (!changed) co_return changed.failure();
  co_return done;
}

}  // namespace

std::span<const api_method> presence_methods() {
  using enum argument_kind;
  static const std::vector<api_method> methods{
      {"users.getPresence", rate_tier::tier3, people, "users:read", {{"user", user}}, get_presence},
      {"users.setPresence",
       rate_tier::tier2,
       people,
       "users:write",
       {{"presence", text, presence_rule::required, errc::invalid_presence}},
       set_presence},
      {"presence.set",
       rate_tier::tier2,
       people,
       "users:write",  // what old clients call it
       {{"presence", text, presence_rule::required, errc::invalid_presence}},
       set_presence},
  };
  return methods;
}

}  // namespace throng
