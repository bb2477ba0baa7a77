// SPDX-License-Identifier: Apache-2.0
// users.profile.*
#include <array>
#include <utility>

#include "net/api/methods/lookup.hpp"
#include "net/api/scopes.hpp"
#include "net/render/user.hpp"

namespace throng {

namespace {

using text_setter = void (*)(Profile&, std::string);

/// What people may set, by its name in Slack's profile object, which is its name in Profile too.
constexpr std::array<std::pair<std::string_view, text_setter>, 12> text_fields{{
    {"real_name", [](Profile& p, std::string v) { p.set_real_name(std::move(v)); }},
    {"display_name", [](Profile& p, std::string v) { p.set_display_name(std::move(v)); }},
    {"first_name", [](Profile& p, std::string v) { p.set_first_name(std::move(v)); }},
    {"last_name", [](Profile& p, std::string v) { p.set_last_name(std::move(v)); }},
    {"email", [](Profile& p, std::string v) { p.set_email(std::move(v)); }},
    {"title", [](Profile& p, std::string v) { p.set_title(std::move(v)); }},
    {"phone", [](Profile& p, std::string v) { p.set_phone(std::move(v)); }},
    {"pronouns", [](Profile& p, std::string v) { p.set_pronouns(std::move(v)); }},
    {"status_text", [](Profile& p, std::string v) { p.set_status_text(std::move(v)); }},
    {"status_emoji", [](Profile& p, std::string v) { p.set_status_emoji(std::move(v)); }},
    {"skype", [](Profile& p, std::string v) { p.set_skype(std::move(v)); }},
    {"start_date", [](Profile& p, std::string v) { p.set_start_date(std::move(v)); }},
}};

result<> set_field(SetProfileRequest& request, std::string_view name, json_value value) {
  const auto invalid = [&](std::string_view wanted) {
    return error{errc::invalid_profile,
                 "must be " + std::string(wanted) + " [json-pointer:/profile/" + std::string(name) + "]"};
  };
  if (name == "status_expiration") {
    auto seconds = value.as_int();
    if (const auto text = value.as_string()) seconds = parse_integer(*text);
    if (!seconds || *seconds < 0) return invalid("a time");
    request.mutable_profile()->set_status_expiration(*seconds);
    request.add_fields("status_expiration");
    return done;
  }
  for (const auto& [known, set] : text_fields) {
    if (name != known) continue;
    const auto text = value.is_null() ? std::optional<std::string_view>("") : value.as_string();
    if (!text) return invalid("a string");
    set(*request.mutable_profile(), std::string(*text));
    request.add_fields(std::string(name));
    return done;
  }
  return done;  // Slack has more fields than we; clients send back all they were shown.
}

user_view view_of(const api_call& call) { return {.with_email = has_any_scope(call.who->scopes, "users:read.email")}; }

task<result<>> get(api_call& call) {
  const auto id = call.args.has("user") ? call.args.user("user") : call.user();
  auto user = co_await find_user(call, id);
  if (!user) co_return user.failure();
  call.reply.key("profile");
  render_profile(call.reply, *user, view_of(call));
  co_return done;
}

task<result<>> set(api_call& call) {
  const auto id = call.args.has("user") ? call.args.user("user") : call.user();
  if (id != call.user()) {
    if (!call.who->is_admin) co_return errc::not_an_admin;
    auto known = co_await find_user(call, id);
    if (!known) co_return known.failure();
  }
  SetProfileRequest request;
  std::string single;
  if (!call.args.has("profile")) {
    if (!call.args.has("name")) co_return error{errc::invalid_profile, "missing required field: profile"};
    json_writer(single).begin_object().text_key(call.args.text("name")).value(call.args.text("value")).end_object();
  }
  {
    const std::string_view json = single.empty() ? call.args.text("profile") : std::string_view(single);
    auto document = parse_json(json);
    if (!document) co_return error{errc::invalid_profile, document.failure().detail};
    result<> outcome = done;
    document->root().for_each_member([&](std::string_view name, json_value value) {
      if (outcome) outcome = set_field(request, name, value);
    });
    if (!outcome) co_return outcome;
  }
  if (request.fields().empty()) co_return errc::profile_set_failed;
  auto changed = co_await call.ask(key_of(id), std::move(request));
  if (!changed) co_return changed.failure();
  const auto& user = (*changed)->user();
  call.reply.member("username", user.name()).key("profile");
  render_profile(call.reply, user, view_of(call));
  co_return done;
}

}  // namespace

std::span<const api_method> profile_methods() {
  using enum argument_kind;
  constexpr auto optional = presence_rule::optional;
  static const std::vector<api_method> methods{
      {"users.profile.get",
       rate_tier::tier4,
       people,
       "users.profile:read,users:read",
       {{"user", user}, {"include_labels", boolean}},
       get},
      {"users.profile.set",
       rate_tier::tier3,
       people,
       "users.profile:write",
       {{"profile", json_object, optional, errc::invalid_arguments, errc::invalid_profile},
        {"user", user},
        {"name"},
        {"value"}},
       set},
  };
  return methods;
}

}  // namespace throng
