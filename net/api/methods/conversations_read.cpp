// SPDX-License-Identifier: Apache-2.0
// conversations.*: what is only read.
#include <limits>

#include "net/api/cursor.hpp"
#include "net/api/methods/conversation_list.hpp"
#include "net/api/methods/conversations.hpp"
#include "net/api/scopes.hpp"

namespace throng {

namespace {

constexpr std::uint32_t history_page_max = 999;  // Slack's
constexpr std::string_view older_cursor = "next_ts";
constexpr std::string_view newer_cursor = "after_ts";

task<result<>> list(api_call& call) {
  auto types = parse_types(call.args.text("types"));
  if (!types) co_return types.failure();
  if (auto allowed = check_type_scopes(*types, call.who->scopes); !allowed) co_return allowed;
  conversation_filter filter;
  filter.types = *types;
  filter.exclude_archived = call.args.boolean("exclude_archived");
  auto cursor = call.args.string("cursor");
  auto page = co_await list_conversations(call, filter, page_limit(call, 100), std::move(cursor));
  if (!page) co_return page.failure();
  call.reply.key("channels").begin_array();
  for (const auto& channel : page->channels) render_listed(call.reply, channel, *page, call.user());
  call.reply.end_array();
  call.end_page(page->next_cursor);
  co_return done;
}

void render_page(api_call& call, const HistoryReply& page, message_ts skipped_root) {
  call.reply.key("messages").begin_array();
  for (const auto& message : page.messages())
    if (message.ts() != skipped_root.micros) render_message(call.reply, message, call.view());
  call.reply.end_array();
  call.reply.member("has_more", page.has_more());
}

/// Where a cursor of posts points to; none without one. Clients can make cursors up: on both sides of the position
/// there must be room for a step.
result<message_ts> parse_edge(std::string_view kind, std::string_view cursor) {
  auto position = parse_cursor(kind, cursor);
  if (!position) return position.failure();
  if (cursor.empty()) return message_ts{};
  constexpr auto end = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  if (*position == 0 || *position >= end)
    return error{errc::invalid_cursor, "is not a cursor of this method [json-pointer:/cursor]"};
  return message_ts{static_cast<std::int64_t>(*position)};
}

message_ts before(message_ts ts, bool inclusive) { return {inclusive ? ts.micros - 1 : ts.micros}; }
message_ts after(message_ts ts, bool inclusive) { return {inclusive ? ts.micros + 1 : ts.micros}; }

/// Members ask with `channel`; `reply` is "channel", as all of the newer calls have it.
task<result<>> members(api_call& call) {
  auto start = parse_cursor("user", call.args.text("cursor"));
  if (!start) co_return start.failure();
  auto allowed = co_await check_privacy_scope(call, "read");
  if (!allowed) co_return allowed;
  MembersRequest request;
  *request.mutable_caller() = call.caller();
  request.set_after(*start);
  request.set_limit(page_limit(call, 100));
  auto page = co_await call.ask(key_of(call.args.channel("channel")), std::move(request));
  if (!page) co_return page.failure();
  call.reply.key("members").begin_array();
  for (auto id : (*page)->users()) call.reply.value(to_text(user_id{id}));
  call.reply.end_array();
  const auto& users = (*page)->users();
  call.end_page((*page)->has_more() && !users.empty() ? make_cursor("user", users[users.size() - 1]) : std::string());
  co_return done;
}

/// `is_committed`: an answer that fails would deny what has happened.
task<result<>> write_seen_channel(api_call& call, const ChannelReply& found, bool with_members, bool is_committed) {
  std::vector<ChannelData> channels{found.channel()};
  const bool is_direct = kind_of(channel_id{found.channel().id()}) != channel_kind::channel;
  direct_people people;
  if (!found.channel().direct_users().empty()) {
    auto known = co_await people_of(call, channels);
    if (!known && !is_committed) co_return known.failure();
    if (known) people = std::move(*known);
  }
  const auto name = people.mpim_name(found.channel());
  channel_view view;
  view.viewer = call.user();
  view.is_member = found.is_member();
  view.direct_name = name;
  view.is_user_deleted = people.is_deleted(direct_partner(found.channel(), call.user()));
  view.with_locale = call.args.boolean("include_locale");
  if (with_members) view.num_members = found.channel().member_count();
  if (found.has_latest() && found.latest().has_message()) view.latest = &found.latest().message();
  if (found.is_member()) {
    auto listed = co_await listed_channel(call, channel_id{found.channel().id()});
    if (!listed && !is_committed) co_return listed.failure();
    const bool is_listed = listed && *listed;
    view.last_read = message_ts{is_listed ? (*listed)->last_read() : 0};
    // Who has just changed a direct message has it open.
    if (is_direct) view.is_open = listed ? is_listed && (*listed)->is_open() : true;
  }
  call.reply.key("channel");
  render_channel(call.reply, found.channel(), view);
  co_return done;
}

}  // namespace

result<> need_scope(api_call& call, std::string_view accepted) {
  if (has_any_scope(call.who->scopes, accepted)) return done;
  call.needed_scopes = accepted;
  return errc::missing_scope;
}

task<result<>> check_privacy_scope(api_call& call, std::string_view what) {
  const auto id = call.args.channel("channel");
  const auto& granted = call.who->scopes;
  if (kind_of(id) != channel_kind::channel) co_return done;
  const bool is_write = what == "write";
  const auto for_public = is_write ? std::string(public_write_scopes) : std::string("channels:").append(what);
  const auto for_private = is_write ? std::string(private_write_scopes) : std::string("groups:").append(what);
  if (has_any_scope(granted, for_public) && has_any_scope(granted, for_private)) co_return done;
  ChannelInfoRequest request;
  *request.mutable_caller() = call.caller();
  auto found = co_await call.ask(key_of(id), std::move(request));
  if (!found) co_return found.failure();
  co_return need_scope(call, (*found)->channel().is_private() ? for_private : for_public);
}

std::uint32_t page_limit(const api_call& call, std::uint32_t otherwise) {
  return call.limit(otherwise, static_cast<std::uint32_t>(call.options().page_items_max));
}

task<result<>> conversation_info(api_call& call) {
  const auto id = call.args.channel("channel");
  auto allowed = co_await check_privacy_scope(call, "read");
  if (!allowed) co_return allowed;
  ChannelInfoRequest request;
  *request.mutable_caller() = call.caller();
  auto found = co_await call.ask(key_of(id), std::move(request));
  if (!found) co_return found.failure();
  auto written = co_await write_channel(call, **found, call.args.boolean("include_num_members"));
  co_return written;
}

task<result<>> write_channel(api_call& call, const ChannelReply& found, bool with_members) {
  co_return co_await write_seen_channel(call, found, with_members, false);
}

task<result<>> write_changed_channel(api_call& call, const ChannelReply& changed) {
  co_return co_await write_seen_channel(call, changed, false, true);
}

task<result<>> conversation_history(api_call& call) {
  const auto inclusive = call.args.boolean("inclusive");
  auto oldest = call.args.ts("oldest");
  auto latest = call.args.ts("latest");
  const bool is_forward = oldest && !latest;
  const auto cursor = call.args.text("cursor");
  auto edge = parse_edge(is_forward ? newer_cursor : older_cursor, cursor);
  if (!edge) co_return edge.failure();
  if (*edge) (is_forward ? oldest : latest) = is_forward ? after(*edge, inclusive) : before(*edge, inclusive);
  auto allowed = co_await check_privacy_scope(call, "history");
  if (!allowed) co_return allowed;
  HistoryRequest request;
  *request.mutable_caller() = call.caller();
  request.set_oldest(oldest.micros);
  request.set_latest(latest.micros);
  request.set_inclusive(inclusive);
  request.set_limit(
      call.limit(static_cast<std::uint32_t>(call.args.integer("count", 100, 1, history_page_max)), history_page_max));
  request.set_oldest_first(is_forward);
  auto page = co_await call.ask(key_of(call.args.channel("channel")), std::move(request));
  if (!page) co_return page.failure();
  const auto& messages = (*page)->messages();
  if (call.args.has("latest")) call.reply.member("latest", call.args.text("latest"));
  if (call.args.has("oldest")) call.reply.member("oldest", call.args.text("oldest"));
  render_page(call, **page, {});
  call.reply.member("pin_count", (*page)->pin_count()).member("channel_actions_count", 0);
  call.reply.key("channel_actions_ts").null();
  std::string next;
  if ((*page)->has_more() && !messages.empty()) {
    // Newest first, whichever way one reads.
    const auto last = is_forward ? messages[0].ts() : messages[messages.size() - 1].ts();
    next = make_cursor(is_forward ? newer_cursor : older_cursor, static_cast<std::uint64_t>(last));
  }
  call.end_page(std::move(next));
  co_return done;
}

task<result<>> conversation_replies(api_call& call) {
  const auto inclusive = call.args.boolean("inclusive");
  auto oldest = call.args.ts("oldest");
  auto edge = parse_edge(newer_cursor, call.args.text("cursor"));
  if (!edge) co_return edge.failure();
  if (*edge) oldest = after(*edge, inclusive);
  auto allowed = co_await check_privacy_scope(call, "history");
  if (!allowed) co_return allowed;
  RepliesRequest request;
  *request.mutable_caller() = call.caller();
  request.set_ts(call.args.ts("ts").micros);
  request.set_oldest(oldest.micros);
  request.set_latest(call.args.ts("latest").micros);
  request.set_inclusive(inclusive);
  request.set_limit(call.limit(history_page_max, history_page_max));
  auto page = co_await call.ask(key_of(call.args.channel("channel")), std::move(request));
  if (!page) co_return page.failure();
  const auto& messages = (*page)->messages();
  // The root leads the first page only, so that pages put together are the thread.
  const message_ts root{messages.empty() ? 0 : messages[0].ts()};
  render_page(call, **page, *edge ? root : message_ts{});
  std::string next;
  if ((*page)->has_more() && messages.size() > 1)
    next = make_cursor(newer_cursor, static_cast<std::uint64_t>(messages[messages.size() - 1].ts()));
  call.end_page(std::move(next));
  co_return done;
}

std::vector<argument_spec> history_arguments() {
  using enum argument_kind;
  return {{"channel", channel, presence_rule::required},
          {"limit", limit},
          {"count", limit},
          {"cursor"},
          {"oldest", loose_ts, presence_rule::optional, errc::invalid_arguments, errc::invalid_ts_oldest},
          {"latest", loose_ts, presence_rule::optional, errc::invalid_arguments, errc::invalid_ts_latest},
          {"inclusive", boolean},
          {"include_all_metadata", boolean}};
}

std::span<const api_method> conversation_read_methods() {
  using enum argument_kind;
  constexpr auto required = presence_rule::required;
  static const auto replies_arguments = [] {
    auto specs = history_arguments();
    specs.push_back({"ts", ts, required, errc::invalid_arguments, errc::thread_not_found});
    return specs;
  }();
  static const std::vector<api_method> methods{
      {"conversations.list",
       rate_tier::tier2,
       people,
       read_scopes,
       {{"types"}, {"exclude_archived", boolean}, {"limit", limit}, {"cursor"}, {"team_id", team}},
       list},
      {"conversations.info",
       rate_tier::tier3,
       people,
       read_scopes,
       {{"channel", channel, required}, {"include_num_members", boolean}, {"include_locale", boolean}},
       conversation_info},
      {"conversations.history", rate_tier::tier4, people, history_scopes, history_arguments(), conversation_history},
      {"conversations.replies", rate_tier::tier4, people, history_scopes, replies_arguments, conversation_replies},
      {"conversations.members",
       rate_tier::tier4,
       people,
       read_scopes,
       {{"channel", channel, required}, {"limit", limit}, {"cursor"}},
       members},
  };
  return methods;
}

}  // namespace throng
