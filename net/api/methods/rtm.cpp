// SPDX-License-Identifier: Apache-2.0
// rtm.*: opens a SESSION and says where its websocket is. The address holds the session and a ticket that is good once.
//
// Throng's own arguments, for a client that comes back: `session` as it was told, and `cursors`, what it has seen:
// {"C1":[epoch,seq],…}. The answer says `resumed`: the socket brings what came after the cursors, or says `gap`. A
// session that died with its node goes on under its id; for one that has ended, `session` names a new one, which starts
// at the cursors. Without cursors only a session that lives is resumed; if `resumed` is false, the client reads history
// instead.
#include "net/api/methods/conversation_list.hpp"
#include "net/api/scopes.hpp"
#include "net/api/token_secret.hpp"
#include "net/render/team.hpp"
#include "net/render/user.hpp"
#include "net/transport/base_url.hpp"

namespace throng {

namespace {

constexpr std::size_t cursors_max = 20'000;
constexpr std::size_t cursor_values_max = cursors_max * 4 + 1;  // each a name, an array, two numbers

std::string to_hex(std::string_view bytes) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  for (const char c : bytes) {
    text += digits[static_cast<unsigned char>(c) >> 4];
    text += digits[static_cast<unsigned char>(c) & 15];
  }
  return text;
}

std::optional<entity_key> stream_of(std::string_view name) {
  if (auto channel = parse_id<channel_id>(name)) return key_of(*channel);
  if (auto team = parse_id<team_id>(name)) return key_of(*team);
  if (auto user = parse_id<user_id>(name)) return key_of(*user);
  return std::nullopt;
}

/// {"C1":[epoch,seq]}; what isn't that is refused as a whole: a client that resumes wrongly must hear it.
result<> add_cursors(OpenSessionRequest& request, std::string_view json) {
  if (json.empty()) return done;
  auto document = parse_json(json, {.values_max = cursor_values_max});
  if (!document) return error{errc::invalid_arguments, "must be an object [json-pointer:/cursors]"};
  result<> outcome = done;
  document->root().for_each_member([&](std::string_view name, json_value position) {
    const auto stream = stream_of(name);
    std::vector<std::int64_t> numbers;
    position.for_each_element([&](json_value each) { numbers.push_back(each.as_int().value_or(-1)); });
    if (!stream || numbers.size() != 2 || numbers[0] < 0 || numbers[1] < 0) {
      outcome = error{errc::invalid_arguments, "must be [epoch,seq] of a stream [json-pointer:/cursors]"};
      return;
    }
    auto& cursor = *request.add_cursors();
    cursor.set_kind(static_cast<std::uint32_t>(stream->kind));
    cursor.set_id(stream->id);
    cursor.set_epoch(static_cast<std::uint64_t>(numbers[0]));
    cursor.set_seq(static_cast<std::uint64_t>(numbers[1]));
  });
  return outcome;
}

struct opened_session {
  session_id id;
  std::string url;
  bool is_resumed = false;
};

task<result<opened_session>> open_session(api_call& call) {
  OpenSessionRequest request;
  *request.mutable_caller() = call.caller();
  request.set_token_hash(call.who->hash.data(), call.who->hash.size());
  request.set_has_presence_sub(call.args.boolean("presence_sub"));
  request.set_has_presence_batches(call.args.boolean("batch_presence_aware"));
  request.set_may_post(has_any_scope(call.who->scopes, "chat:write,chat:write:user,chat:write:bot"));
  if (call.who->expires != wall_time{}) request.set_token_expires(seconds_of(call.who->expires));
  request.set_user_agent(call.client.user_agent);
  request.set_ticket_ttl_ms(call.options().ticket_ttl.count());
  auto base_url = as_websocket_url(call.client.base_url);
  if (call.services.websocket_place) base_url = call.services.websocket_place(std::move(base_url));
  request.set_base_url(base_url);

  if (auto added = add_cursors(request, call.args.text("cursors")); !added) co_return added.failure();

  opened_session opened;
  result<std::shared_ptr<const OpenSessionReply>> answer = errc::not_found;
  if (auto known = parse_id<session_id>(call.args.text("session"))) {
    auto resume = request;
    resume.set_is_resume(true);
    opened.id = *known;
    answer = co_await call.ask(key_of(*known), std::move(resume));
    if (!answer && answer.code() != errc::not_found) co_return answer.failure();
  }
  if (!answer) {
    opened.id = session_id{random_id()};
    answer = co_await call.ask(key_of(opened.id), std::move(request));
    if (!answer) co_return answer.failure();
  }
  opened.is_resumed = (*answer)->is_resumed();
  opened.url = base_url + "/rtm/" + to_text(opened.id) + "." + to_hex((*answer)->ticket());
  co_return opened;
}

void write_session(api_call& call, const opened_session& opened) {
  call.reply.member("url", opened.url).member("session", to_text(opened.id));
  if (call.args.has("session") || call.args.has("cursors")) call.reply.member("resumed", opened.is_resumed);
}

void write_team(api_call& call, const WorkspaceData& team) {
  call.reply.key("team").begin_object().member("id", to_text(call.team())).member("name", team.name());
  call.reply.member("domain", team.domain()).end_object();
}

task<result<>> connect(api_call& call) {
  auto team = co_await find_workspace(call);
  if (!team) co_return team.failure();
  auto self = co_await find_user(call, call.user());
  if (!self) co_return self.failure();
  auto opened = co_await open_session(call);
  if (!opened) co_return opened.failure();
  write_session(call, *opened);
  call.reply.key("self").begin_object().member("id", to_text(call.user())).member("name", self->name()).end_object();
  write_team(call, *team);
  call.reply.key("context").begin_object().member("team_id", to_text(call.team())).end_object();
  co_return done;
}

void write_people(api_call& call, const UsersReply& users, const std::unordered_set<std::uint64_t>& active) {
  call.reply.key("users").begin_array();
  render_slackbot(call.reply, call.team().value);
  const auto with_email = has_any_scope(call.who->scopes, "users:read.email");
  for (const auto& user : users.users())
    render_user(call.reply, user,
                {.with_email = with_email, .presence = active.contains(user.id()) ? "active" : "away"});
  call.reply.end_array();
  call.reply.key("bots").begin_array();
  for (const auto& user : users.users()) {
    if (!user.is_bot() || user.bot() == 0) continue;
    InstalledApp app;
    app.set_app(user.app());
    app.set_bot(user.bot());
    app.set_bot_user(user.id());
    app.set_name(user.profile().real_name());
    app.set_updated(user.updated());
    render_bot(call.reply, app);
  }
  call.reply.end_array();
}

void write_conversations(api_call& call, const conversation_page& page) {
  const auto write = [&](std::string_view name, auto is_wanted) {
    call.reply.key(name).begin_array();
    for (const auto& channel : page.channels)
      if (is_wanted(channel)) render_listed(call.reply, channel, page, call.user());
    call.reply.end_array();
  };
  const auto kind = [](const ChannelData& channel) { return kind_of(channel_id{channel.id()}); };
  write("channels", [&](const auto& c) { return kind(c) == channel_kind::channel && !c.is_private(); });
  write("groups", [&](const auto& c) { return kind(c) == channel_kind::channel && c.is_private(); });
  write("mpims", [&](const auto& c) { return kind(c) == channel_kind::mpim; });
  write("ims", [&](const auto& c) { return kind(c) == channel_kind::im; });
}

/// The whole workspace at once, as clients of before 2017 want it; for a large one what rtm.connect answers.
task<result<>> start(api_call& call) {
  const auto most = static_cast<std::uint32_t>(call.options().boot_items_max);
  UsersRequest everybody;
  everybody.set_limit(most);
  auto users = co_await call.ask(key_of(call.team()), std::move(everybody));
  if (!users) co_return users.failure();
  conversation_filter filter;
  filter.types = {true, true, true, true};
  filter.exclude_archived = true;
  auto page = co_await list_conversations(call, filter, most, std::string());
  if (!page) co_return page.failure();
  const bool is_small = !(*users)->has_more() && page->next_cursor.empty();
  std::vector<user_id> ids;
  if (is_small)
    for (const auto& user : (*users)->users()) ids.push_back(user_id{user.id()});
  auto active = co_await active_users(call, std::move(ids));
  auto connected = co_await connect(call);
  if (!connected || !is_small) co_return connected;
  write_people(call, **users, active);
  write_conversations(call, *page);
  call.reply.member("cache_ts", seconds_of(call.wall()))
      .member("latest_event_ts", to_text(message_ts{call.wall().time_since_epoch().count()}));
  call.reply.key("subteams").begin_object().key("self").begin_array().end_array().key("all").begin_array().end_array();
  call.reply.end_object();
  co_return done;
}

}  // namespace

std::span<const api_method> rtm_methods() {
  using enum argument_kind;
  static const std::vector<argument_spec> arguments{{"batch_presence_aware", boolean},
                                                    {"presence_sub", boolean},
                                                    {"session"},
                                                    {"cursors", json_object, presence_rule::optional,
                                                     errc::invalid_arguments, errc::internal_error, cursor_values_max},
                                                    {"simple_latest", boolean},
                                                    {"no_latest", boolean},
                                                    {"no_unreads", boolean},
                                                    {"mpim_aware", boolean}};
  static const std::vector<api_method> methods{
      {"rtm.connect", rate_tier::tier1, people, "rtm:stream", arguments, connect},
      {"rtm.start", rate_tier::tier1, people, "rtm:stream", arguments, start},
  };
  return methods;
}

}  // namespace throng
