// SPDX-License-Identifier: Apache-2.0
#include "net/api/methods/message_content.hpp"

#include "net/api/escaping.hpp"
#include "net/api/utf8.hpp"

namespace throng {

namespace {

constexpr std::size_t linked_names_max = 50;
constexpr std::size_t username_chars_max = 80;
constexpr std::size_t icon_bytes_max = 2'000;

/// link_names=1 and parse=full make links of "@name".
task<result<std::string>> linked_text(api_call& call, std::string text) {
  const auto parse = call.args.text("parse");
  if (!call.args.boolean("link_names") && parse != "full") co_return text;
  FindUsersRequest request;
  for (auto& name : mentioned_names(text, linked_names_max)) request.add_names(std::move(name));
  std::vector<std::pair<std::string, std::string>> known;
  if (!request.names().empty()) {
    auto found = co_await call.ask(key_of(call.team()), std::move(request));
    if (!found) co_return found.failure();
    for (const auto& user : (*found)->users()) known.emplace_back(user.name(), to_text(user_id{user.id()}));
  }
  co_return link_names(text, known);
}

/// A bot's posts carry its bot_profile from the first one on: whoever renders them finds its card. A WORKSPACE that
/// doesn't answer costs the profile, not the post.
task<> await_bot_card(api_call& call) {
  const auto* bots = call.services.bots;
  const auto bot = call.who->bot;
  if (!bots || !bot || bots->find_bot(call.team(), bot)) co_return;
  (void)co_await await_callback<bool>(call.where, [&](std::function<void(bool)> answer) {
    bots->when_known(call.team(), bot, [answer = std::move(answer)] { answer(true); });
  });
}

/// Empty lists are no content.
bool is_filled(std::string_view json) { return json.find_first_not_of(" []{}") != std::string_view::npos; }

void set_author(const api_call& call, MessageData& data) {
  if (call.who->kind != caller_kind::bot) return;
  data.set_bot(call.who->bot.value);
  data.set_app(call.who->app.value);
  // A person posts as herself; only apps may dress up.
  data.set_username(std::string(first_characters(call.args.text("username"), username_chars_max)));
  if (call.args.text("icon_emoji").size() <= icon_bytes_max) data.set_icon_emoji(call.args.string("icon_emoji"));
  if (call.args.text("icon_url").size() <= icon_bytes_max) data.set_icon_url(call.args.string("icon_url"));
  if (!data.username().empty()) data.set_subtype("bot_message");
}

}  // namespace

result<> check_blocks(std::string_view json, const api_options& options) {
  if (json.size() > options.blocks_bytes_max) return errc::msg_blocks_too_long;
  auto document = parse_json(json);
  if (!document) return error{errc::invalid_blocks_format, document.failure().detail};
  const auto root = document->root();
  if (!root.is_array()) return error{errc::invalid_blocks_format, "blocks must be an array"};
  if (root.size() > options.blocks_max)
    return error{errc::invalid_blocks,
                 "no more than " + std::to_string(options.blocks_max) + " items allowed [json-pointer:/blocks]"};
  result<> outcome = done;
  std::size_t index = 0;
  root.for_each_element([&](json_value block) {
    const auto pointer = " [json-pointer:/blocks/" + std::to_string(index++) + "]";
    const auto type = block.find("type").as_string();
    if (outcome && (!type || type->empty()))
      outcome = error{errc::invalid_blocks, "missing required field: type" + pointer};
  });
  return outcome;
}

result<> check_attachments(std::string_view json, const api_options& options) {
  if (json.size() > options.attachments_bytes_max)
    return error{errc::invalid_attachments,
                 "attachments are larger than " + std::to_string(options.attachments_bytes_max) + " bytes"};
  auto document = parse_json(json);
  if (!document || !document->root().is_array())
    return error{errc::invalid_attachments, "must be an array [json-pointer:/attachments]"};
  if (document->root().size() > options.attachments_max) return errc::too_many_attachments;
  bool are_objects = true;
  document->root().for_each_element([&](json_value each) { are_objects = are_objects && each.is_object(); });
  if (!are_objects) return error{errc::invalid_attachments, "must be objects [json-pointer:/attachments]"};
  return done;
}

result<> check_metadata(std::string_view json, const api_options& options) {
  if (json.size() > options.metadata_bytes_max) return errc::metadata_too_large;
  auto document = parse_json(json);
  if (!document || !document->root().is_object())
    return error{errc::invalid_metadata, "must be an object [json-pointer:/metadata]"};
  const auto root = document->root();
  if (root.size() == 0) return done;
  const auto type = root.find("event_type").as_string();
  if (!type || type->empty() || !root.find("event_payload").is_object())
    return error{errc::invalid_metadata, "event_type and event_payload are required [json-pointer:/metadata]"};
  return done;
}

std::vector<argument_spec> content_arguments() {
  using enum argument_kind;
  constexpr auto optional = presence_rule::optional;
  constexpr auto none = errc::invalid_arguments;
  return {{"text"},
          {"markdown_text"},
          {"blocks", json_array, optional, none, errc::invalid_blocks_format},
          {"attachments", json_array, optional, none, errc::invalid_attachments},
          {"metadata", json_object, optional, none, errc::invalid_metadata},
          {"parse"},
          {"link_names", boolean},
          {"as_user", boolean},
          {"username"},
          {"icon_emoji"},
          {"icon_url"},
          {"mrkdwn", boolean},
          {"unfurl_links", boolean},
          {"unfurl_media", boolean}};
}

task<result<MessageData>> message_content(api_call& call, bool may_be_empty) {
  MessageData data;
  auto text = call.args.string(call.args.has("text") ? "text" : "markdown_text");
  if (character_count(text) > call.options().message_chars_max) co_return errc::msg_too_long;
  auto linked = co_await linked_text(call, std::move(text));
  if (!linked) co_return linked.failure();
  data.set_text(escape_text(*linked));

  auto blocks = call.args.json("blocks");
  if (!blocks.empty())
    if (auto checked = check_blocks(blocks, call.options()); !checked) co_return checked.failure();
  auto attachments = call.args.json("attachments");
  if (!attachments.empty())
    if (auto checked = check_attachments(attachments, call.options()); !checked) co_return checked.failure();
  auto metadata = call.args.json("metadata");
  if (!metadata.empty())
    if (auto checked = check_metadata(metadata, call.options()); !checked) co_return checked.failure();

  const bool has_content = !data.text().empty() || is_filled(blocks) || is_filled(attachments);
  if (!has_content && !may_be_empty) co_return errc::no_text;
  if (is_filled(blocks)) data.set_blocks_json(std::move(blocks));
  if (is_filled(attachments)) data.set_attachments_json(std::move(attachments));
  if (is_filled(metadata)) data.set_metadata_json(std::move(metadata));
  set_author(call, data);
  co_await await_bot_card(call);
  co_return data;
}

}  // namespace throng
