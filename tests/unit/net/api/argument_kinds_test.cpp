// SPDX-License-Identifier: Apache-2.0
#include "net/api/argument_kinds.hpp"

#include <doctest/doctest.h>

using namespace throng;

namespace {

using kind_t = argument::kind_t;

result<> check(argument_kind kind, std::string value, kind_t sent = kind_t::text) {
  arguments given;
  given.set({"x", std::move(value), sent});
  const argument_spec specs[] = {{"x", kind}};
  return check_arguments(given, specs);
}

}  // namespace

TEST_CASE("argument kinds: what fits and what doesn't") {
  struct row {
    argument_kind kind;
    std::string value;
    kind_t sent;
    errc expected;  // internal_error: it fits
  };
  constexpr errc fits = errc::internal_error;
  const row table[] = {
      {argument_kind::text, "anything", kind_t::text, fits},
      {argument_kind::text, "12", kind_t::number, fits},
      {argument_kind::text, "true", kind_t::boolean, errc::invalid_arguments},
      {argument_kind::text, "[]", kind_t::json, errc::invalid_arguments},
      {argument_kind::text, "bytes", kind_t::file, errc::invalid_arguments},
      {argument_kind::boolean, "True", kind_t::text, fits},
      {argument_kind::boolean, "1", kind_t::number, fits},
      {argument_kind::boolean, "yes", kind_t::text, errc::invalid_arguments},
      {argument_kind::integer, "-5", kind_t::text, fits},
      {argument_kind::integer, "99999999999999999999999", kind_t::text, fits},
      {argument_kind::integer, "5x", kind_t::text, errc::invalid_arguments},
      {argument_kind::integer, "1.5", kind_t::number, errc::invalid_arguments},
      {argument_kind::limit, "5000", kind_t::text, fits},
      {argument_kind::limit, "-1", kind_t::text, errc::invalid_limit},
      {argument_kind::channel, "C1A", kind_t::text, errc::channel_not_found},  // a G or D by its kind bits
      {argument_kind::channel, "c1", kind_t::text, errc::channel_not_found},
      {argument_kind::channel, "{}", kind_t::json, errc::invalid_arguments},
      {argument_kind::user, "U1A", kind_t::text, fits},
      {argument_kind::user, "nobody", kind_t::text, errc::user_not_found},
      {argument_kind::users, "U1A, U2B", kind_t::text, fits},
      {argument_kind::users, R"(["U1A","U2B"])", kind_t::json, fits},
      {argument_kind::users, R"(["U1A","U2B"])", kind_t::text, fits},
      {argument_kind::users, R"([1])", kind_t::json, errc::invalid_arguments},
      {argument_kind::users, R"({"a":1})", kind_t::json, errc::invalid_arguments},
      {argument_kind::users, "U1A,x", kind_t::text, errc::user_not_found},
      {argument_kind::ts, "1700000000.000100", kind_t::text, fits},
      {argument_kind::ts, "1700000000", kind_t::text, errc::invalid_timestamp},
      {argument_kind::loose_ts, "1700000000", kind_t::number, fits},
      {argument_kind::loose_ts, "soon", kind_t::text, errc::invalid_timestamp},
      {argument_kind::json_array, "[1]", kind_t::text, fits},
      {argument_kind::json_array, "[1]", kind_t::json, fits},
      {argument_kind::json_array, "{}", kind_t::json, errc::invalid_arguments},
      {argument_kind::json_array, "[", kind_t::text, errc::invalid_arguments},
      {argument_kind::json_object, "[]", kind_t::json, errc::invalid_arguments},
      {argument_kind::json_object, R"({"a":1})", kind_t::text, fits},
  };
  for (const auto& each : table) {
    CAPTURE(each.value);
    CAPTURE(static_cast<int>(each.kind));
    auto checked = check(each.kind, each.value, each.sent);
    if (each.expected == fits) {
      // The channel row that fits is checked below, where its id is made.
      CHECK(checked.ok());
    } else if (each.kind == argument_kind::channel && checked.ok()) {
      CHECK(parse_id<channel_id>(each.value).has_value());
    } else {
      REQUIRE_FALSE(checked.ok());
      CHECK(to_string(checked.code()) == to_string(each.expected));
      CHECK(checked.failure().detail.find("/x]") != std::string::npos);
    }
  }
  CHECK(check(argument_kind::channel, to_text(make_channel_id(4096, channel_kind::channel))).ok());
  CHECK(check(argument_kind::channel, to_text(make_channel_id(4096, channel_kind::im))).ok());
}

TEST_CASE("argument kinds: what is required must be there, and says so with its method's code") {
  const argument_spec specs[] = {{"channel", argument_kind::channel, presence_rule::required},
                                 {"topic", argument_kind::text, presence_rule::required_empty, errc::no_text}};
  arguments given;
  auto checked = check_arguments(given, specs);
  REQUIRE_FALSE(checked.ok());
  CHECK(checked.code() == errc::invalid_arguments);
  CHECK(checked.failure().detail == "missing required field: channel");

  given.set({"channel", to_text(make_channel_id(4096, channel_kind::channel)), kind_t::text});
  CHECK(check_arguments(given, specs).code() == errc::no_text);
  given.set({"topic", "", kind_t::text});
  CHECK(check_arguments(given, specs).ok());
  given.set({"channel", "", kind_t::text});
  CHECK_FALSE(check_arguments(given, specs).ok());
  given.set({"unknown", "[[[", kind_t::json});
  CHECK(check_arguments(given, specs).code() == errc::invalid_arguments);
}

TEST_CASE("argument kinds: values are read once they are checked") {
  arguments given;
  given.set({"limit", "5000", kind_t::text});
  given.set({"flag", "True", kind_t::text});
  given.set({"users", "U1A,U2B,U1A", kind_t::text});
  given.set({"blocks", "[\n {\"a\" :1}]", kind_t::text});
  given.set({"plain", "[ {\"a\" :1}]", kind_t::text});
  given.set({"oldest", "1700000000", kind_t::text});
  const typed_arguments args(given);
  CHECK(args.integer("limit", 100, 1, 1000) == 1000);
  CHECK(args.integer("absent", 100, 1, 1000) == 100);
  CHECK(args.boolean("flag"));
  CHECK(args.boolean("absent", true));
  CHECK(args.users("users").size() == 2);
  CHECK(args.json("blocks") == R"([{"a":1}])");
  CHECK(args.json("plain") == "[ {\"a\" :1}]");
  CHECK(args.ts("oldest").micros == 1700000000000000);
  CHECK_FALSE(args.ts("absent"));
}
