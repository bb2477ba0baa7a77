// SPDX-License-Identifier: Apache-2.0
// PROVISIONING, by the admin token: workspaces, people, apps and tokens. Slack's names where Slack has one.
#include <algorithm>
#include <iterator>

#include "net/api/cursor.hpp"
#include "net/api/methods/app_manifest.hpp"
#include "net/api/methods/conversations.hpp"
#include "net/api/scopes.hpp"
#include "net/api/token_secret.hpp"

namespace throng {

namespace {

// -- workspaces ------------------------------------------------------------------------------------------------------

task<result<>> teams_create(api_call& call) {
  const team_id id{random_id()};
  CreateWorkspaceRequest request;
  request.set_domain(call.args.string("team_domain"));
  request.set_name(call.args.string("team_name"));
  request.set_description(call.args.string("team_description"));
  auto made = co_await call.ask(key_of(id), std::move(request));
  if (!made) co_return made.failure();
  call.reply.member("team", to_text(id));
  co_return done;
}

/// Each shard has its own workspaces by id, so the first of them all are among the first of each.
std::vector<workspace_record> merge_pages(std::vector<std::vector<workspace_record>> pages) {
  std::vector<workspace_record> rows;
  for (auto& page : pages) rows.insert(rows.end(), std::move_iterator(page.begin()), std::move_iterator(page.end()));
  std::sort(rows.begin(), rows.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
  return rows;
}

task<result<>> teams_list(api_call& call) {
  auto start = parse_cursor("team", call.args.text("cursor"));
  if (!start) co_return start.failure();
  const auto size = page_limit(call, 100);
  std::function<result<std::vector<workspace_record>>(store_reader&)> query =
      [after = *start, size](store_reader& from) { return from.workspaces(team_id{after}, size + 1); };
  auto pages = co_await call.read_everywhere<std::vector<workspace_record>>(std::move(query));
  if (!pages) co_return pages.failure();
  auto rows = merge_pages(std::move(*pages));
  const bool has_more = rows.size() > size;
  if (has_more) rows.resize(size);
  call.reply.key("teams").begin_array();
  for (const auto& row : rows) {
    WorkspaceData team;
    if (!team.ParseFromString(row.data)) co_return error{errc::internal_error, "a workspace's row can't be read"};
    call.reply.begin_object().member("id", to_text(row.id)).member("name", team.name()).member("domain", row.domain);
    call.reply.member("discoverability", "unlisted").member("team_url", call.client.base_url + "/");
    if (team.primary_owner())
      call.reply.key("primary_owner")
          .begin_object()
          .member("user_id", to_text(user_id{team.primary_owner()}))
          .end_object();
    call.reply.end_object();
  }
  call.reply.end_array();
  call.end_page(has_more ? make_cursor("team", rows.back().id.value) : std::string());
  co_return done;
}

// -- people ----------------------------------------------------------------------------------------------------------

/// A person of the workspace that `team_id` names.
task<result<UserData>> find_member(api_call& call) {
  const auto id = call.args.user("user_id");
  FindUsersRequest request;
  request.add_ids(id.value);
  auto found = co_await call.ask(key_of(call.args.team("team_id")), std::move(request));
  if (!found) co_return found.failure();
  if ((*found)->users().empty()) co_return errc::user_not_found;
  co_return (*found)->users(0);
}

/// Clients show USLACKBOT's direct message from the start. If this fails it is made when it is first opened.
task<> make_slackbot_direct(api_call& call, team_id team, user_id user) {
  const auto id = im_channel(team, user, slackbot);
  CreateChannelRequest request;
  request.mutable_caller()->set_team(team.value);
  request.mutable_caller()->set_user(user.value);
  auto& channel = *request.mutable_channel();
  channel.set_id(id.value);
  channel.set_team(team.value);
  channel.set_is_private(true);
  channel.set_creator(user.value);
  channel.set_created(seconds_of(call.wall()));
  for (auto member : {std::min(user, slackbot), std::max(user, slackbot)}) {
    channel.add_direct_users(member.value);
    request.add_members(member.value);
  }
  (void)co_await call.ask(key_of(id), std::move(request));
}

task<result<>> users_invite(api_call& call) {
  const auto team = call.args.team("team_id");
  // Better no guest than one whom nothing keeps out.
  for (const std::string_view kind : {"is_restricted", "is_ultra_restricted"})
    if (call.args.boolean(kind))
      co_return error{errc::invalid_arguments, "guests are not built yet [json-pointer:/" + std::string(kind) + "]"};
  CreateMemberRequest request;
  request.set_email(call.args.string("email"));
  request.set_real_name(call.args.string("real_name"));
  request.set_name(call.args.string("name"));
  for (auto channel : call.args.channels("channel_ids")) request.add_channels(channel.value);
  auto made = co_await call.ask(key_of(team), std::move(request));
  if (!made) co_return made.failure();
  const user_id user{(*made)->user().id()};
  co_await make_slackbot_direct(call, team, user);
  call.reply.member("user_id", to_text(user)).member("name", (*made)->user().name());
  co_return done;
}

task<result<>> users_list(api_call& call) {
  auto start = parse_cursor("user", call.args.text("cursor"));
  if (!start) co_return start.failure();
  UsersRequest request;
  request.set_after(*start);
  request.set_limit(page_limit(call, 100));
  auto page = co_await call.ask(key_of(call.args.team("team_id")), std::move(request));
  if (!page) co_return page.failure();
  const auto& users = (*page)->users();
  call.reply.key("users").begin_array();
  for (const auto& user : users) {
    call.reply.begin_object().member("id", to_text(user_id{user.id()})).member("email", user.profile().email());
    call.reply.member("username", user.name()).member("full_name", user.profile().real_name());
    call.reply.member("is_admin", user.is_admin()).member("is_owner", user.is_owner());
    call.reply.member("is_primary_owner", user.is_primary_owner()).member("is_bot", user.is_bot());
    call.reply.member("is_restricted", user.is_restricted()).member("is_ultra_restricted", user.is_ultra_restricted());
    call.reply.member("is_active", !user.is_deleted()).end_object();
  }
  call.reply.end_array();
  call.end_page((*page)->has_more() && !users.empty() ? make_cursor("user", users[users.size() - 1].id())
                                                      : std::string());
  co_return done;
}

task<result<>> set_role(api_call& call, SetRoleRequest::Role role) {
  auto member = co_await find_member(call);
  if (!member) co_return member.failure();
  const user_id user{member->id()};
  SetRoleRequest request;
  request.set_role(role);
  auto changed = co_await call.ask(key_of(user), std::move(request));
  // Also when it failed: a timed-out change may have happened.
  call.services.tokens.cache().forget_user(user);
  if (!changed) co_return changed.failure();
  co_return done;
}

task<result<>> set_admin(api_call& call) { return set_role(call, SetRoleRequest::ADMIN); }
task<result<>> set_regular(api_call& call) { return set_role(call, SetRoleRequest::REGULAR); }
task<result<>> set_owner(api_call& call) { return set_role(call, SetRoleRequest::OWNER); }
task<result<>> users_remove(api_call& call) { return set_role(call, SetRoleRequest::DEACTIVATED); }

// -- tokens and apps -------------------------------------------------------------------------------------------------

struct token_wish {
  token_type type = token_type::user;
  team_id team;
  user_id user;
  app_id app;
  std::optional<std::string> scopes;  // normal, and exactly these; none: all of the type
  std::int64_t expires_in_s = 0;
};

task<result<std::string>> issue_token(api_call& call, token_wish wish) {
  auto token = make_token(wish.type);
  token_record row;
  row.hash = hash_token(token);
  row.type = wish.type;
  row.team = wish.team;
  row.user = wish.user;
  row.app = wish.app;
  row.scopes = wish.scopes ? std::move(*wish.scopes) : std::string(all_scopes(wish.type));
  row.created = call.wall();
  if (wish.expires_in_s > 0) row.expires = call.wall() + std::chrono::seconds(wish.expires_in_s);
  write_op op = put_token{std::move(row)};
  auto committed = co_await call.commit(std::move(op));
  if (!committed) co_return committed.failure();
  co_return token;
}

task<result<>> tokens_issue(api_call& call) {
  auto member = co_await find_member(call);
  if (!member) co_return member.failure();
  if (member->is_deleted()) co_return errc::account_inactive;
  token_wish wish;
  const auto type = call.args.text("type");
  if (type != "user" && type != "bot") co_return error{errc::invalid_token_type, "type must be user or bot"};
  wish.type = type == "bot" ? token_type::bot : token_type::user;
  if ((wish.type == token_type::bot) != member->is_bot())
    co_return error{errc::invalid_token_type, member->is_bot() ? "this is a bot's user" : "this is no bot's user"};
  wish.team = call.args.team("team_id");
  wish.user = user_id{member->id()};
  wish.app = app_id{member->app()};
  if (call.args.is_given("scopes")) {
    const auto listed = parse_list(call.args.text("scopes"));
    if (!listed) co_return error{errc::invalid_scope, "must be a list of scopes [json-pointer:/scopes]"};
    std::string asked;
    for (const auto& scope : *listed) asked += scope + ",";
    auto scopes = normal_scopes(asked);
    if (!scopes) co_return scopes.failure();
    wish.scopes = std::move(*scopes);
  }
  wish.expires_in_s = call.args.integer("expires_in", 0, 0, 1'000'000'000);
  auto token = co_await issue_token(call, std::move(wish));
  if (!token) co_return token.failure();
  call.reply.member("token", *token).member("team_id", call.args.text("team_id"));
  call.reply.member("user_id", call.args.text("user_id"));
  co_return done;
}

task<result<>> manifest_create(api_call& call) {
  auto app = parse_manifest(call.args.json("manifest"));
  if (!app) co_return app.failure();
  const app_id id{random_id()};
  app->set_id(id.value);
  app->set_client_id(std::to_string(random_id() % 1'000'000'000'000) + "." +
                     std::to_string(random_id() % 1'000'000'000'000));
  app->set_client_secret(random_hex(32));
  app->set_signing_secret(random_hex(32));
  app->set_verification_token(random_text(24));
  app->set_created(seconds_of(call.wall()));
  write_op op = put_app{{id, app->SerializeAsString()}};
  auto committed = co_await call.commit(std::move(op));
  if (!committed) co_return committed;
  call.reply.member("app_id", to_text(id)).key("credentials").begin_object();
  call.reply.member("client_id", app->client_id()).member("client_secret", app->client_secret());
  call.reply.member("verification_token", app->verification_token()).member("signing_secret", app->signing_secret());
  call.reply.end_object();
  co_return done;
}

task<result<>> apps_install(api_call& call) {
  const auto id = call.args.app("app_id");
  const auto team = call.args.team("team_id");
  std::function<result<app_record>(store_reader&)> query = [id](store_reader& from) { return from.app(id); };
  auto row = co_await call.read<app_record>(keyspace_id(id.value), std::move(query));
  if (!row) co_return row.code() == errc::not_found ? error{errc::invalid_app_id, {}} : row.failure();
  AppData app;
  if (!app.ParseFromString(row->data)) co_return error{errc::internal_error, "an app's row can't be read"};

  InstallAppRequest request;
  request.set_app(id.value);
  request.set_name(app.name());
  request.set_bot_name(app.bot_display_name());
  auto installed = co_await call.ask(key_of(team), std::move(request));
  if (!installed) co_return installed.failure();
  const auto& bot = (*installed)->app();

  token_wish wish;
  wish.type = token_type::bot;
  wish.team = team;
  wish.user = user_id{bot.bot_user()};
  wish.app = id;
  // Exactly what the manifest asks for; nothing, if it asks for nothing.
  std::string asked;
  for (const auto& scope : app.bot_scopes()) asked += scope + ",";
  auto scopes = normal_scopes(asked);
  if (!scopes) co_return scopes.failure();
  wish.scopes = std::move(*scopes);
  auto token = co_await issue_token(call, std::move(wish));
  if (!token) co_return token.failure();
  call.reply.member("app_id", to_text(id)).member("team_id", to_text(team));
  call.reply.member("bot_user_id", to_text(user_id{bot.bot_user()})).member("bot_id", to_text(bot_id{bot.bot()}));
  call.reply.member("bot_token", *token);
  co_return done;
}

task<result<>> ratelimits_set(api_call& call) {
  const auto* method = find_method(call.args.text("method"));
  if (!method) co_return error{errc::invalid_arguments, "is no method [json-pointer:/method]"};
  const auto limit = call.args.integer("limit", 0, 0, 1'000'000'000);
  const auto window = call.args.integer("window_s", 60, 1, 86'400);
  if (!call.services.rates.set_override(call.args.team("team_id"), method->name, static_cast<std::uint64_t>(limit),
                                        std::chrono::seconds(window)))
    co_return error{errc::invalid_arguments, "there are too many overrides already"};
  co_return done;
}

}  // namespace

std::span<const api_method> provisioning_methods() {
  using enum argument_kind;
  constexpr auto required = presence_rule::required;
  constexpr auto optional = presence_rule::optional;
  constexpr auto none = errc::invalid_arguments;
  constexpr auto tier = rate_tier::none;
  static const argument_spec one_team{"team_id", team, required};
  static const argument_spec one_user{"user_id", user, required};
  static const argument_spec one_app{"app_id", app, required};
  static const std::vector<api_method> methods{
      {"admin.teams.create",
       tier,
       only_admin,
       {},
       {{"team_domain", text, required, errc::invalid_team_domain},
        {"team_name", text, required, errc::team_name_required},
        {"team_description"}},
       teams_create},
      {"admin.teams.list", tier, only_admin, {}, {{"limit", limit}, {"cursor"}}, teams_list},
      {"admin.users.invite",
       tier,
       only_admin,
       {},
       {one_team,
        {"email", text, required, errc::invalid_email},
        {"real_name"},
        {"name"},
        {"channel_ids", channels},
        {"is_restricted", boolean},
        {"is_ultra_restricted", boolean}},
       users_invite},
      {"admin.users.list", tier, only_admin, {}, {one_team, {"limit", limit}, {"cursor"}}, users_list},
      {"admin.users.setAdmin", tier, only_admin, {}, {one_team, one_user}, set_admin},
      {"admin.users.setRegular", tier, only_admin, {}, {one_team, one_user}, set_regular},
      {"admin.users.setOwner", tier, only_admin, {}, {one_team, one_user}, set_owner},
      {"admin.users.remove", tier, only_admin, {}, {one_team, one_user}, users_remove},
      {"apps.manifest.create",
       tier,
       only_admin,
       {},
       {{"manifest", json_object, required, errc::invalid_manifest, errc::invalid_manifest}},
       manifest_create},
      {"throng.apps.install", tier, only_admin, {}, {one_app, one_team}, apps_install},
      {"throng.tokens.issue",
       tier,
       only_admin,
       {},
       {one_team,
        one_user,
        {"type", text, required, errc::invalid_token_type},
        {"scopes", any},
        {"expires_in", integer}},
       tokens_issue},
      {"throng.ratelimits.set",
       tier,
       only_admin,
       {},
       {one_team, {"method", text, required}, {"limit", integer, required, none}, {"window_s", integer, optional}},
       ratelimits_set},
  };
  return methods;
}

}  // namespace throng
