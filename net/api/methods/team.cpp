// SPDX-License-Identifier: Apache-2.0
// team.*, bots.*, emoji.*: what a workspace has.
#include "net/render/team.hpp"

#include "net/api/methods/lookup.hpp"

namespace throng {

namespace {

task<result<>> team_info(api_call& call) {
  // No token reaches another workspace, so no other can be looked up.
  if (call.args.has("team") && call.args.team("team") != call.team()) co_return errc::team_not_found;
  auto team = co_await find_workspace(call);
  if (!team) co_return team.failure();
  if (call.args.has("domain") && call.args.text("domain") != team->domain()) co_return errc::team_not_found;
  call.reply.key("team");
  render_team(call.reply, *team, call.client.base_url + "/");
  co_return done;
}

task<result<>> bots_info(api_call& call) {
  const auto id = call.args.has("bot") ? call.args.bot("bot") : call.who->bot;
  if (!id) co_return errc::bot_not_found;
  FindBotRequest request;
  request.set_bot(id.value);
  auto found = co_await call.ask(key_of(call.team()), std::move(request));
  if (!found) co_return found.failure();
  call.reply.key("bot");
  render_bot(call.reply, (*found)->app());
  co_return done;
}

task<result<>> emoji_list(api_call& call) {
  auto team = co_await find_workspace(call);
  if (!team) co_return team.failure();
  call.reply.key("emoji");
  render_emoji(call.reply, *team);
  call.reply.member("cache_ts", std::to_string(team->emoji_updated()));
  if (call.args.boolean("include_categories"))
    call.reply.key("categories").begin_array().end_array().member("categories_version", "1");
  co_return done;
}

}  // namespace

std::span<const api_method> team_methods() {
  using enum argument_kind;
  static const std::vector<api_method> methods{
      {"team.info", rate_tier::tier3, people, "team:read", {{"team", team}, {"domain"}}, team_info},
      {"bots.info", rate_tier::tier3, people, "users:read", {{"bot", bot}, {"team_id", team}}, bots_info},
      {"emoji.list", rate_tier::tier2, people, "emoji:read", {{"include_categories", boolean}}, emoji_list},
  };
  return methods;
}

}  // namespace throng
