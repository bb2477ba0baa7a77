// SPDX-License-Identifier: Apache-2.0
// Every method of the table against every wrong value of every argument it names: no crash, one answer, ok:false with
// a stable code, and no entity was asked to change anything.
#include <doctest/doctest.h>

#include "tests/unit/net/api/fake_services.hpp"

using namespace throng;
using namespace throng::testing;

namespace {

std::string token_for(fake_api& api, const api_method& method) {
  if (method.callers == only_admin) return std::string(fake_api::admin_token);
  if (includes(method.callers, caller_kind::user)) return api.token(caller_kind::user);
  if (includes(method.callers, caller_kind::bot)) return api.token(caller_kind::bot);
  return {};
}

/// A value that fits, as JSON.
std::string good_value(const argument_spec& spec) {
  switch (spec.kind) {
    case argument_kind::text:
      return R"("auto")";
    case argument_kind::any:
      return R"("x")";
    case argument_kind::boolean:
      return "true";
    case argument_kind::integer:
    case argument_kind::limit:
      return "1";
    case argument_kind::team:
      return '"' + to_text(fake_api::team) + '"';
    case argument_kind::channel:
    case argument_kind::channels:
      return '"' + to_text(make_channel_id(4096, channel_kind::channel)) + '"';
    case argument_kind::user:
    case argument_kind::users:
      return '"' + to_text(user_id{77}) + '"';
    case argument_kind::bot:
      return '"' + to_text(bot_id{78}) + '"';
    case argument_kind::app:
      return '"' + to_text(app_id{79}) + '"';
    case argument_kind::ts:
    case argument_kind::loose_ts:
      return R"("1700000000.000100")";
    case argument_kind::json_array:
      return "[]";
    case argument_kind::json_object:
      return R"({"display_information":{"name":"x"}})";
  }
  return "null";
}

std::vector<std::string> wrong_values(const argument_spec& spec) {
  switch (spec.kind) {
    case argument_kind::text:
      return {"[]", "{}", "true", R"([{"a":["b"]}])"};
    case argument_kind::any:
      return {};
    case argument_kind::boolean:
      return {"[]", "{}", "2", R"("maybe")", "-1.5"};
    case argument_kind::integer:
    case argument_kind::limit:
      return {"[]", "{}", "true", R"("many")", "1.5", R"("0x10")", "1e400"};
    case argument_kind::team:
    case argument_kind::channel:
    case argument_kind::user:
    case argument_kind::bot:
    case argument_kind::app:
      return {"[]", "{}", "true", "12", R"("nonsense")", R"("c1\u0000")", R"("X9999999999999999999")"};
    case argument_kind::users:
    case argument_kind::channels:
      return {"{}", "true", "[1]", "[[]]", R"(["nonsense"])", R"("a,b")"};
    case argument_kind::ts:
      return {"[]", "{}", "true", R"("yesterday")", R"("1.2.3")", "1700000000"};
    case argument_kind::loose_ts:
      return {"[]", "{}", "true", R"("yesterday")", R"("1.2.3")", R"("-5")"};
    case argument_kind::json_array:
      return {"{}", "true", "1", R"("[")", R"("{}")", R"("text")"};
    case argument_kind::json_object:
      return {"[]", "true", "1", R"("{")", R"("[]")", R"("text")"};
  }
  return {};
}

std::string body_of(const api_method& method, const argument_spec* wrong, const std::string& value) {
  std::string body = "{";
  for (const auto& spec : method.arguments) {
    if (body.size() > 1) body += ',';
    body += '"' + std::string(spec.name) + "\":" + (&spec == wrong ? value : good_value(spec));
  }
  return body + "}";
}

bool is_code(std::string_view text) {
  return !text.empty() && text.find_first_not_of("abcdefghijklmnopqrstuvwxyz_0123456789") == std::string_view::npos;
}

}  // namespace

TEST_CASE("methods: a wrong value of any argument of any method is refused, and nothing is asked of any entity") {
  api_options options;
  options.rates.enabled = false;
  fake_api api(options);
  for (const auto* method : all_methods()) {
    const auto token = token_for(api, *method);
    for (const auto& spec : method->arguments)
      for (const auto& value : wrong_values(spec)) {
        CAPTURE(method->name);
        CAPTURE(spec.name);
        CAPTURE(value);
        api.entities.asked.clear();
        const auto seen = api.post(method->name, token, body_of(*method, &spec, value), "application/json");
        CHECK(seen.count == 1);
        CHECK(seen.response.status == 200);
        CHECK_FALSE(seen.is_ok());
        CHECK(is_code(seen.error()));
        CHECK(seen.error() != "internal_error");
        CHECK(api.entities.asked.empty());
        CHECK(api.commits.units.empty());
      }
  }
}

TEST_CASE("methods: what is required is required") {
  api_options options;
  options.rates.enabled = false;
  fake_api api(options);
  for (const auto* method : all_methods()) {
    const auto token = token_for(api, *method);
    for (const auto& spec : method->arguments) {
      if (spec.rule == presence_rule::optional) continue;
      CAPTURE(method->name);
      CAPTURE(spec.name);
      api.entities.asked.clear();
      const auto seen = api.post(method->name, token, body_of(*method, &spec, "null"), "application/json");
      CHECK_FALSE(seen.is_ok());
      CHECK(seen.error() == to_string(spec.missing));
      CHECK(seen.body().find("missing required field: " + std::string(spec.name)) != std::string::npos);
      CHECK(api.entities.asked.empty());
    }
  }
}

TEST_CASE("methods: when entities don't answer, it is said so, with 200") {
  api_options options;
  options.rates.enabled = false;
  fake_api api(options);
  for (const auto* method : all_methods()) {
    if (method->callers == 0) continue;
    CAPTURE(method->name);
    const auto seen =
        api.post(method->name, token_for(api, *method), body_of(*method, nullptr, {}), "application/json");
    CHECK(seen.count == 1);
    CHECK(seen.response.status == 200);
    CHECK((seen.is_ok() || is_code(seen.error())));
    CHECK(seen.error() != "internal_error");
    CHECK(parse_json(seen.body()).ok());
  }
}

TEST_CASE("methods: each needs its kind of token, and its scope") {
  api_options options;
  options.rates.enabled = false;
  fake_api api(options);
  const auto unscoped = api.token(caller_kind::user, "identify");
  const auto unscoped_bot = api.token(caller_kind::bot, "identify");
  for (const auto* method : all_methods()) {
    CAPTURE(method->name);
    const auto nobody = api.post(method->name, {}, {});
    if (method->callers == 0) {
      CHECK(nobody.is_ok());
      continue;
    }
    CHECK(nobody.error() == "not_authed");
    CHECK(api.post(method->name, "nonsense", {}).error() == "invalid_auth");
    if (method->callers == only_admin) {
      CHECK(api.post(method->name, unscoped, {}).error() == "not_an_admin");
      CHECK(api.post(method->name, unscoped_bot, {}).error() == "not_allowed_token_type");
    } else if (!method->scopes.empty()) {
      const bool for_user = includes(method->callers, caller_kind::user);
      const auto seen = api.post(method->name, for_user ? unscoped : unscoped_bot, {});
      CHECK(seen.error() == "missing_scope");
      CHECK(seen.header("x-oauth-scopes") == "identify");
      CHECK_FALSE(seen.header("x-accepted-oauth-scopes").empty());
      CHECK(seen.body().find(R"("provided":"identify")") != std::string::npos);
    }
  }
}

TEST_CASE("methods: the table has what the first issue promises") {
  for (std::string_view name : {"api.test",
                                "auth.test",
                                "auth.revoke",
                                "auth.teams.list",
                                "rtm.connect",
                                "rtm.start",
                                "conversations.list",
                                "conversations.info",
                                "conversations.history",
                                "conversations.replies",
                                "conversations.members",
                                "conversations.create",
                                "conversations.join",
                                "conversations.leave",
                                "conversations.invite",
                                "conversations.kick",
                                "conversations.open",
                                "conversations.close",
                                "conversations.mark",
                                "conversations.rename",
                                "conversations.setTopic",
                                "conversations.setPurpose",
                                "conversations.archive",
                                "conversations.unarchive",
                                "chat.postMessage",
                                "chat.update",
                                "chat.delete",
                                "chat.postEphemeral",
                                "chat.meMessage",
                                "chat.getPermalink",
                                "users.info",
                                "users.list",
                                "users.lookupByEmail",
                                "users.conversations",
                                "users.getPresence",
                                "users.setPresence",
                                "users.profile.get",
                                "users.profile.set",
                                "reactions.add",
                                "reactions.remove",
                                "reactions.get",
                                "reactions.list",
                                "pins.add",
                                "pins.remove",
                                "pins.list",
                                "bots.info",
                                "team.info",
                                "emoji.list",
                                "dnd.info",
                                "dnd.teamInfo",
                                "dnd.setSnooze",
                                "dnd.endSnooze",
                                "dnd.endDnd",
                                "users.prefs.get",
                                "im.open",
                                "im.list",
                                "im.mark",
                                "channels.list",
                                "channels.mark",
                                "groups.list",
                                "groups.mark",
                                "mpim.list",
                                "admin.teams.create",
                                "admin.teams.list",
                                "admin.users.invite",
                                "admin.users.list",
                                "admin.users.setAdmin",
                                "admin.users.setRegular",
                                "admin.users.setOwner",
                                "admin.users.remove",
                                "apps.manifest.create",
                                "throng.tokens.issue",
                                "throng.apps.install",
                                "throng.ratelimits.set"}) {
    CAPTURE(name);
    CHECK(find_method(name) != nullptr);
  }
  CHECK(find_method("chat.scheduleMessage") == nullptr);
  CHECK(find_method("") == nullptr);
}
