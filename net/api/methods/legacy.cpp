// SPDX-License-Identifier: Apache-2.0
// What Slack called things before conversations.*, as far as clients that are still in use call it: libpurple,
// wee-slack, localslackirc, old bots. Nothing here does what a newer method doesn't.
#include "net/api/methods/conversation_list.hpp"
#include "net/api/methods/conversations.hpp"

namespace throng {

namespace {

task<result<>> list_as(api_call& call, conversation_types types, std::string_view name) {
  conversation_filter filter;
  filter.types = types;
  filter.exclude_archived = call.args.boolean("exclude_archived");
  auto cursor = call.args.string("cursor");
  // These had no pages: as much as one may hold.
  const auto most = static_cast<std::uint32_t>(call.options().page_items_max);
  auto page = co_await list_conversations(call, filter, page_limit(call, most), std::move(cursor));
  if (!page) co_return page.failure();
  call.reply.key(name).begin_array();
  for (const auto& channel : page->channels) render_listed(call.reply, channel, *page, call.user());
  call.reply.end_array();
  call.end_page(page->next_cursor);
  co_return done;
}

task<result<>> channels_list(api_call& call) { return list_as(call, {.with_public = true}, "channels"); }
task<result<>> groups_list(api_call& call) { return list_as(call, {.with_private = true}, "groups"); }
task<result<>> mpim_list(api_call& call) { return list_as(call, {.with_mpim = true}, "groups"); }
task<result<>> im_list(api_call& call) { return list_as(call, {.with_im = true}, "ims"); }

task<result<>> open_with(api_call& call, std::vector<user_id> others, std::string_view name) {
  auto opened = co_await open_direct(call, std::move(others));
  if (!opened) co_return opened.failure();
  const auto id = to_text(channel_id{opened->channel.id()});
  call.reply.member("no_op", !opened->is_new_on_list).member("already_open", !opened->is_new_on_list);
  if (!call.args.boolean("return_im") && name == "channel") {
    call.reply.key(name).begin_object().member("id", id).end_object();
    co_return done;
  }
  std::vector<ChannelData> channels{opened->channel};
  auto known = co_await people_of(call, channels);
  conversation_page page;
  // It is open by now; what it is called is only for show.
  if (known) page.people = std::move(*known);
  UserChannel mine;
  mine.set_is_open(true);
  page.mine.emplace(opened->channel.id(), std::move(mine));
  call.reply.key(name);
  render_listed(call.reply, opened->channel, page, call.user());
  co_return done;
}

task<result<>> im_open(api_call& call) { return open_with(call, {call.args.user("user")}, "channel"); }
task<result<>> mpim_open(api_call& call) { return open_with(call, call.args.users("users"), "group"); }

/// By name, as one types it; a name that nobody has yet makes the channel.
task<result<>> channels_join(api_call& call) {
  auto name = call.args.string("name");
  if (name.starts_with('#')) name.erase(0, 1);
  FindChannelsRequest request;
  request.add_names(name);
  auto found = co_await call.ask(key_of(call.team()), std::move(request));
  if (!found) co_return found.failure();
  const auto by_id = parse_id<channel_id>(name);
  if (by_id && kind_of(*by_id) != channel_kind::channel) co_return errc::channel_not_found;
  if ((*found)->channels().empty() && !by_id) {
    // To join is not yet to make one.
    if (auto allowed = need_scope(call, public_write_scopes); !allowed) co_return allowed;
    NewChannelRequest create;
    *create.mutable_caller() = call.caller();
    create.set_name(name);
    auto made = co_await call.ask(key_of(call.team()), std::move(create));
    if (!made) co_return made.failure();
    co_return co_await write_changed_channel(call, **made);
  }
  const auto id = (*found)->channels().empty() ? *by_id : channel_id{(*found)->channels(0).id()};
  JoinRequest join;
  *join.mutable_caller() = call.caller();
  auto joined = co_await call.ask(key_of(id), std::move(join));
  if (!joined) co_return joined.failure();
  if ((*joined)->was_member()) call.reply.member("already_in_channel", true);
  co_return co_await write_changed_channel(call, **joined);
}

task<result<>> prefs_get(api_call& call) {
  GetUserRequest request;
  auto found = co_await call.ask(key_of(call.user()), std::move(request));
  if (!found) co_return found.failure();
  const auto& prefs = (*found)->user().prefs();
  call.reply.key("prefs").begin_object();
  // What clients read without looking whether it is there.
  for (std::string_view name : {"muted_channels", "highlight_words"})
    if (!prefs.contains(std::string(name))) call.reply.member(name, "");
  for (const auto& [name, json] : prefs) call.reply.text_key(name).raw(json);
  call.reply.end_object();
  co_return done;
}

task<result<>> prefs_set(api_call& call) {
  constexpr std::size_t name_bytes_max = 100, value_bytes_max = 8'192;
  const auto* value = call.given.find("value");
  SetPrefRequest request;
  request.set_name(call.args.string("name"));
  if (value->kind == argument::kind_t::text)
    append_json_string(*request.mutable_value_json(), value->value);
  else
    request.set_value_json(value->value);
  if (request.name().size() > name_bytes_max || request.value_json().size() > value_bytes_max)
    co_return error{errc::invalid_arguments, "is too long [json-pointer:/value]"};
  auto changed = co_await call.ask(key_of(call.user()), std::move(request));
  if (!changed) co_return changed.failure();
  co_return done;
}

/// Each family is for its own kind of conversation; another one isn't there under its name.
template <channel_kind Kind, task<result<>> (*Handler)(api_call&)>
task<result<>> of_kind(api_call& call) {
  if (kind_of(call.args.channel("channel")) != Kind) co_return errc::channel_not_found;
  co_return co_await Handler(call);
}
template <task<result<>> (*Handler)(api_call&)>
constexpr auto of_channel = of_kind<channel_kind::channel, Handler>;
template <task<result<>> (*Handler)(api_call&)>
constexpr auto of_im = of_kind<channel_kind::im, Handler>;
template <task<result<>> (*Handler)(api_call&)>
constexpr auto of_mpim = of_kind<channel_kind::mpim, Handler>;

std::vector<api_method> make_methods() {
  using enum argument_kind;
  constexpr auto required = presence_rule::required;
  const argument_spec one_channel{"channel", channel, required};
  const std::vector<argument_spec> listing{
      {"exclude_archived", boolean}, {"exclude_members", boolean}, {"limit", limit}, {"cursor"}};
  const std::vector<argument_spec> marking{one_channel, {"ts", ts, required}};
  const std::vector<argument_spec> guest{one_channel, {"user", user, required}};
  const std::vector<argument_spec> opening{{"user", user, required}, {"return_im", boolean}};
  constexpr auto tier2 = rate_tier::tier2, tier3 = rate_tier::tier3;
  return {
      {"channels.list", tier2, people, "channels:read", listing, channels_list},
      {"channels.info", tier3, people, "channels:read", {one_channel}, of_channel<conversation_info>},
      {"channels.history", tier3, people, "channels:history", history_arguments(), of_channel<conversation_history>},
      {"channels.mark", tier3, people, "channels:write,channels:manage", marking, of_channel<conversation_mark>},
      {"channels.join",
       tier3,
       people,
       "channels:join,channels:write",
       {{"name", text, required, errc::no_channel}},
       channels_join},
      {"channels.leave",
       tier3,
       people,
       "channels:write,channels:manage",
       {one_channel},
       of_channel<conversation_leave>},
      {"channels.invite", tier3, people, "channels:write,channels:manage", guest, of_channel<conversation_invite>},
      {"channels.kick", tier3, people, "channels:write,channels:manage", guest, of_channel<conversation_kick>},
      {"groups.list", tier2, people, "groups:read", listing, groups_list},
      {"groups.history", tier3, people, "groups:history", history_arguments(), of_channel<conversation_history>},
      {"groups.mark", tier3, people, "groups:write", marking, of_channel<conversation_mark>},
      {"groups.leave", tier3, people, "groups:write", {one_channel}, of_channel<conversation_leave>},
      {"groups.invite", tier3, people, "groups:write", guest, of_channel<conversation_invite>},
      {"groups.kick", tier3, people, "groups:write", guest, of_channel<conversation_kick>},
      {"im.list", tier2, people, "im:read", listing, im_list},
      {"im.open", rate_tier::tier4, people, "im:write", opening, im_open},
      {"im.close", tier2, people, "im:write", {one_channel}, of_im<conversation_close>},
      {"im.history", rate_tier::tier4, people, "im:history", history_arguments(), of_im<conversation_history>},
      {"im.mark", rate_tier::tier4, people, "im:write", marking, of_im<conversation_mark>},
      {"mpim.list", tier2, people, "mpim:read", listing, mpim_list},
      {"mpim.open", tier3, people, "mpim:write", {{"users", users, required}}, mpim_open},
      {"mpim.close", tier2, people, "mpim:write", {one_channel}, of_mpim<conversation_close>},
      {"mpim.history", tier3, people, "mpim:history", history_arguments(), of_mpim<conversation_history>},
      {"mpim.mark", tier3, people, "mpim:write", marking, of_mpim<conversation_mark>},
      {"users.prefs.get", tier3, people, {}, {}, prefs_get},
      {"users.prefs.set",
       tier3,
       people,
       "users:write",
       {{"name", text, required}, {"value", any, presence_rule::required_empty}},
       prefs_set},
  };
}

}  // namespace

std::span<const api_method> legacy_methods() {
  static const auto methods = make_methods();
  return methods;
}

}  // namespace throng
