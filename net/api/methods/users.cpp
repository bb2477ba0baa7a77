// SPDX-License-Identifier: Apache-2.0
// users.*: people and their conversations.
#include "net/api/cursor.hpp"
#include "net/api/methods/conversation_list.hpp"
#include "net/api/methods/conversations.hpp"
#include "net/api/scopes.hpp"
#include "net/render/user.hpp"

namespace throng {

namespace {

user_view view_of(const api_call& call) {
  return {.with_email = has_any_scope(call.who->scopes, "users:read.email"),
          .with_locale = call.args.boolean("include_locale")};
}

task<result<>> info(api_call& call) {
  const auto id = call.args.user("user");
  if (id == slackbot) {
    call.reply.key("user");
    render_slackbot(call.reply, call.team().value);
    co_return done;
  }
  auto user = co_await find_user(call, id);
  if (!user) co_return user.failure();
  call.reply.key("user");
  render_user(call.reply, *user, view_of(call));
  co_return done;
}

task<result<>> list(api_call& call) {
  auto start = parse_cursor("user", call.args.text("cursor"));
  if (!start) co_return start.failure();
  // Without a limit clients expect everybody: as much of it as a page may hold.
  const auto size = page_limit(call, static_cast<std::uint32_t>(call.options().page_items_max));
  // USLACKBOT is in no directory; it takes the first place of the first page.
  const bool is_first = *start == 0;
  UsersRequest request;
  request.set_after(*start);
  request.set_limit(is_first ? std::max(1u, size - 1) : size);
  auto page = co_await call.ask(key_of(call.team()), std::move(request));
  if (!page) co_return page.failure();
  if (is_first && size == 1) {
    call.reply.key("members").begin_array();
    render_slackbot(call.reply, call.team().value);
    call.reply.end_array().member("cache_ts", (*page)->updated()).member("offset", "");
    // Behind 1, which is nobody's id, everybody is still to come.
    call.end_page((*page)->users().empty() ? std::string() : make_cursor("user", 1));
    co_return done;
  }
  const auto& users = (*page)->users();
  const bool with_presence = call.args.boolean("presence");
  std::vector<user_id> ids;
  if (with_presence)
    for (const auto& user : users) ids.push_back(user_id{user.id()});
  const auto active = co_await active_users(call, std::move(ids));
  call.reply.key("members").begin_array();
  if (is_first) render_slackbot(call.reply, call.team().value);
  for (const auto& user : users) {
    auto view = view_of(call);
    if (with_presence) view.presence = active.contains(user.id()) ? "active" : "away";
    render_user(call.reply, user, view);
  }
  call.reply.end_array().member("cache_ts", (*page)->updated()).member("offset", "");
  call.end_page((*page)->has_more() && !users.empty() ? make_cursor("user", users[users.size() - 1].id())
                                                      : std::string());
  co_return done;
}

task<result<>> lookup_by_email(api_call& call) {
  FindUsersRequest request;
  request.set_email(call.args.string("email"));
  auto found = co_await call.ask(key_of(call.team()), std::move(request));
  if (!found) co_return found.failure();
  if ((*found)->users().empty() || (*found)->users(0).is_deleted()) co_return errc::users_not_found;
  call.reply.key("user");
  render_user(call.reply, (*found)->users(0), view_of(call));
  co_return done;
}

task<result<>> conversations(api_call& call) {
  auto types = parse_types(call.args.text("types"));
  if (!types) co_return types.failure();
  if (auto allowed = check_type_scopes(*types, call.who->scopes); !allowed) co_return allowed;
  conversation_filter filter;
  filter.types = *types;
  filter.exclude_archived = call.args.boolean("exclude_archived");
  filter.member = call.args.has("user") ? call.args.user("user") : call.user();
  if (filter.member != call.user()) {
    auto person = co_await find_user(call, filter.member);
    if (!person) co_return person.failure();
  }
  auto cursor = call.args.string("cursor");
  auto page = co_await list_conversations(call, filter, page_limit(call, 100), std::move(cursor));
  if (!page) co_return page.failure();
  call.reply.key("channels").begin_array();
  for (const auto& channel : page->channels) render_listed(call.reply, channel, *page, call.user());
  call.reply.end_array();
  call.end_page(page->next_cursor);
  co_return done;
}

}  // namespace

std::span<const api_method> user_methods() {
  using enum argument_kind;
  constexpr auto required = presence_rule::required;
  static const std::vector<api_method> methods{
      {"users.info",
       rate_tier::tier4,
       people,
       "users:read",
       {{"user", user, required}, {"include_locale", boolean}},
       info},
      {"users.list",
       rate_tier::tier2,
       people,
       "users:read",
       {{"limit", limit}, {"cursor"}, {"include_locale", boolean}, {"presence", boolean}, {"team_id", team}},
       list},
      {"users.lookupByEmail",
       rate_tier::tier3,
       people,
       "users:read.email",
       {{"email", text, required}},
       lookup_by_email},
      {"users.conversations",
       rate_tier::tier3,
       people,
       read_scopes,
       {{"user", user}, {"types"}, {"exclude_archived", boolean}, {"limit", limit}, {"cursor"}, {"team_id", team}},
       conversations},
  };
  return methods;
}

}  // namespace throng
