// SPDX-License-Identifier: Apache-2.0
#include "net/api/methods/app_manifest.hpp"

#include "net/api/scopes.hpp"
#include "net/api/utf8.hpp"
#include "storage/json/json.hpp"

namespace throng {

namespace {

constexpr std::size_t name_chars_max = 35;      // Slack's
constexpr std::size_t bot_name_chars_max = 80;  // Slack's
constexpr std::size_t manifest_bytes_max = 64 * 1024;

error wrong(std::string_view what, std::string_view pointer) {
  return {errc::invalid_manifest, std::string(what) + " [json-pointer:" + std::string(pointer) + "]"};
}

result<> add_scopes(google::protobuf::RepeatedPtrField<std::string>& to, json_value list, std::string_view pointer) {
  if (!list || list.is_null()) return done;
  if (!list.is_array()) return wrong("must be an array", pointer);
  result<> outcome = done;
  list.for_each_element([&](json_value each) {
    const auto scope = each.as_string();
    if (!outcome) return;
    if (!scope)
      outcome = wrong("must be strings", pointer);
    else if (auto known = normal_scopes(*scope); !known)
      outcome = wrong(known.failure().detail, pointer);
    else if (!known->empty())
      *to.Add() = std::move(*known);
  });
  return outcome;
}

}  // namespace

result<AppData> parse_manifest(std::string_view json) {
  if (json.size() > manifest_bytes_max) return wrong("is too large", "/");
  auto document = parse_json(json);
  if (!document) return wrong(document.failure().detail, "/");
  const auto root = document->root();
  const auto name = root.find("display_information").find("name").as_string();
  if (!name || name->empty() || character_count(*name) > name_chars_max)
    return wrong("must be 1 to 35 characters", "/display_information/name");
  AppData app;
  app.set_name(std::string(*name));
  const auto bot_name = root.find("features").find("bot_user").find("display_name");
  if (bot_name && !bot_name.is_string()) return wrong("must be a string", "/features/bot_user/display_name");
  app.set_bot_display_name(std::string(first_characters(bot_name.as_string().value_or(*name), bot_name_chars_max)));
  const auto scopes = root.find("oauth_config").find("scopes");
  if (auto added = add_scopes(*app.mutable_bot_scopes(), scopes.find("bot"), "/oauth_config/scopes/bot"); !added)
    return added.failure();
  if (auto added = add_scopes(*app.mutable_user_scopes(), scopes.find("user"), "/oauth_config/scopes/user"); !added)
    return added.failure();
  app.set_manifest_json(std::string(json));
  return app;
}

}  // namespace throng
