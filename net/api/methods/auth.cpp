// SPDX-License-Identifier: Apache-2.0
// auth.*: whose token this is, and its end.
#include "net/api/methods/lookup.hpp"

namespace throng {

namespace {

task<result<>> test(api_call& call) {
  auto& w = call.reply;
  if (call.who->kind == caller_kind::admin) {
    w.member("url", call.client.base_url + "/").member("is_admin_token", true);
    co_return done;
  }
  auto team = co_await find_workspace(call);
  if (!team) co_return team.failure();
  w.member("url", call.client.base_url + "/").member("team", team->name());
  if (call.user()) {
    auto user = co_await find_user(call, call.user());
    if (!user) co_return user.failure();
    w.member("user", user->name());
  }
  w.member("team_id", to_text(call.team()));
  if (call.user()) w.member("user_id", to_text(call.user()));
  if (call.who->bot) w.member("bot_id", to_text(call.who->bot));
  if (call.who->app) w.member("app_id", to_text(call.who->app));
  if (call.who->expires != wall_time{}) w.member("expires_in", seconds_of(call.who->expires) - seconds_of(call.wall()));
  w.member("is_enterprise_install", false);
  co_return done;
}

task<result<>> revoke(api_call& call) {
  if (call.args.boolean("test")) {
    call.reply.member("revoked", false);
    co_return done;
  }
  const auto hash = call.who->hash;
  std::function<result<token_record>(store_reader&)> query = [hash](store_reader& reader) {
    return reader.token(hash);
  };
  auto row = co_await call.read<token_record>(keyspace_id(hash), std::move(query));
  if (!row) co_return row.failure();
  row->is_revoked = true;
  write_op op = put_token{*row};
  auto committed = co_await call.commit(std::move(op));
  if (!committed) co_return committed;
  call.services.tokens.cache().forget(hash);
  if (call.user()) {
    SignedOut request;
    request.add_token_hashes(hash.data(), hash.size());
    // The token is dead already: a session that this doesn't reach finds out when it next looks at its token.
    (void)co_await call.ask(key_of(call.user()), std::move(request));
  }
  call.reply.member("revoked", true);
  co_return done;
}

task<result<>> teams_list(api_call& call) {
  auto team = co_await find_workspace(call);
  if (!team) co_return team.failure();
  call.reply.key("teams").begin_array().begin_object();
  call.reply.member("id", to_text(call.team())).member("name", team->name()).end_object().end_array();
  call.end_page({});
  co_return done;
}

}  // namespace

std::span<const api_method> auth_methods() {
  using enum argument_kind;
  constexpr auto anybody = static_cast<caller_set>(people | only_admin | static_cast<caller_set>(caller_kind::app));
  static const std::vector<api_method> methods{
      {"auth.test", rate_tier::tier4, anybody, {}, {}, test},
      {"auth.revoke", rate_tier::tier3, people, {}, {{"test", boolean}}, revoke},
      {"auth.teams.list",
       rate_tier::tier2,
       people,
       {},
       {{"limit", limit}, {"cursor"}, {"include_icon", boolean}},
       teams_list},
  };
  return methods;
}

}  // namespace throng
