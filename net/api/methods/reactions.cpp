// SPDX-License-Identifier: Apache-2.0
// reactions.*
#include <algorithm>

#include "net/api/cursor.hpp"
#include "net/api/methods/lookup.hpp"

namespace throng {

namespace {

/// ":thumbsup:" is what people copy out of a client.
std::string reaction_name(std::string_view text) {
  if (text.size() > 2 && text.starts_with(':') && text.ends_with(':')) text = text.substr(1, text.size() - 2);
  return std::string(text);
}

task<result<>> react(api_call& call, bool is_added) {
  ReactRequest request;
  *request.mutable_caller() = call.caller();
  request.set_ts(call.args.ts("timestamp").micros);
  request.set_name(reaction_name(call.args.text("name")));
  request.set_is_added(is_added);
  auto changed = co_await call.ask(key_of(call.args.channel("channel")), std::move(request));
  if (!changed) co_return changed.failure();
  co_return done;
}

task<result<>> add(api_call& call) { return react(call, true); }
task<result<>> remove(api_call& call) { return react(call, false); }

void write_item(api_call& call, const Message& message) {
  call.reply.member("type", "message").member("channel", to_text(channel_id{message.channel()})).key("message");
  render_message(call.reply, message, call.view());
}

task<result<>> get(api_call& call) {
  GetMessageRequest request;
  *request.mutable_caller() = call.caller();
  request.set_ts(call.args.ts("timestamp").micros);
  auto found = co_await call.ask(key_of(call.args.channel("channel")), std::move(request));
  if (!found) co_return found.failure();
  write_item(call, (*found)->message());
  co_return done;
}

/// Those in channels that the caller may see: what is hidden from her isn't counted either.
task<result<std::vector<ReactedItem>>> visible_of(api_call& call, std::vector<ReactedItem> items) {
  std::vector<std::uint64_t> ids;
  for (const auto& item : items) ids.push_back(item.channel());
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  std::vector<std::pair<entity_key, ChannelInfoRequest>> requests;
  for (const auto id : ids)
    *requests.emplace_back(key_of(channel_id{id}), ChannelInfoRequest()).second.mutable_caller() = call.caller();
  auto answers = co_await call.ask_all(std::move(requests));
  std::unordered_set<std::uint64_t> visible;
  for (std::size_t i = 0; i < ids.size(); ++i)
    if (answers[i]) visible.insert(ids[i]);
  std::erase_if(items, [&](const ReactedItem& item) { return !visible.contains(item.channel()); });
  co_return items;
}

/// Newest first. What was deleted since, or what the caller may not see, is left out.
task<result<>> list(api_call& call) {
  const auto whose = call.args.has("user") ? call.args.user("user") : call.user();
  auto person = co_await find_user(call, whose);
  if (!person) co_return person.failure();
  GetUserRequest about;
  auto known = co_await call.ask(key_of(whose), std::move(about));
  if (!known) co_return known.failure();
  std::vector<ReactedItem> reacted((*known)->user().reacted().begin(), (*known)->user().reacted().end());
  if (whose != call.user()) {
    auto visible = co_await visible_of(call, std::move(reacted));
    if (!visible) co_return visible.failure();
    reacted = std::move(*visible);
  }
  const auto total = reacted.size();

  auto start = parse_cursor("reaction", call.args.text("cursor"));
  if (!start) co_return start.failure();
  const auto most = static_cast<std::int64_t>(call.options().page_items_max);
  const auto count = static_cast<std::size_t>(call.args.has("limit")
                                                  ? std::max<std::int64_t>(1, call.args.integer("limit", 100, 0, most))
                                                  : call.args.integer("count", 100, 1, most));
  const auto page = static_cast<std::size_t>(call.args.integer("page", 1, 1, 1'000'000));
  const auto begin = std::min<std::size_t>(total, *start ? *start : (page - 1) * count);
  const auto end = std::min(total, begin + count);

  std::vector<std::pair<entity_key, GetMessageRequest>> requests;
  for (auto i = begin; i < end; ++i) {
    const auto& item = reacted[total - 1 - i];
    auto& request = requests.emplace_back(key_of(channel_id{item.channel()}), GetMessageRequest()).second;
    *request.mutable_caller() = call.caller();
    request.set_ts(item.ts());
  }
  auto messages = co_await call.ask_all(std::move(requests));
  call.reply.key("items").begin_array();
  for (const auto& each : messages) {
    if (!each) continue;
    call.reply.begin_object();
    write_item(call, (*each)->message());
    call.reply.end_object();
  }
  call.reply.end_array();
  call.reply.key("paging")
      .begin_object()
      .member("count", count)
      .member("total", total)
      .member("page", begin / count + 1);
  call.reply.member("pages", (total + count - 1) / count).end_object();
  call.end_page(end < total ? make_cursor("reaction", end) : std::string());
  co_return done;
}

}  // namespace

std::span<const api_method> reaction_methods() {
  using enum argument_kind;
  constexpr auto required = presence_rule::required;
  static const argument_spec one_channel{"channel", channel, required, errc::no_item_specified};
  static const argument_spec message{"timestamp", ts, required, errc::no_item_specified, errc::bad_timestamp};
  static const argument_spec name{"name", text, required, errc::invalid_name};
  static const std::vector<api_method> methods{
      {"reactions.add", rate_tier::tier3, people, "reactions:write", {name, one_channel, message}, add},
      {"reactions.remove", rate_tier::tier2, people, "reactions:write", {name, one_channel, message}, remove},
      {"reactions.get", rate_tier::tier3, people, "reactions:read", {one_channel, message, {"full", boolean}}, get},
      {"reactions.list",
       rate_tier::tier2,
       people,
       "reactions:read",
       {{"user", user}, {"full", boolean}, {"count", integer}, {"page", integer}, {"limit", limit}, {"cursor"}},
       list},
  };
  return methods;
}

}  // namespace throng
