// SPDX-License-Identifier: Apache-2.0
#include "storage/json/json.hpp"

#include <limits>
#include <random>

#include <doctest/doctest.h>

using namespace throng;

namespace {

std::string quoted(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

/// What a parser reads back.
std::string read_back(std::string_view text) {
  const auto json = quoted(text);
  const auto document = parse_json(json);
  REQUIRE(document);
  return std::string(*document->root().as_string());
}

errc refusal_of(std::string_view text, const json_limits& limits = {}) {
  const auto document = parse_json(text, limits);
  return document ? errc{} : document.code();
}

}  // namespace

TEST_CASE("json_writer: commas, nesting and numbers") {
  std::string out;
  json_writer w(out);
  w.begin_object().member("a", 1).member("b", true).key("c").begin_array().value("x").value(2).begin_object();
  w.end_object().end_array().raw_member("d", "[null]").key("e").null();
  w.member("min", std::numeric_limits<std::int64_t>::min()).member("max", std::numeric_limits<std::uint64_t>::max());
  w.text_key("q\"").value(std::string("s")).end_object();
  CHECK(
      out ==
      R"({"a":1,"b":true,"c":["x",2,{}],"d":[null],"e":null,"min":-9223372036854775808,"max":18446744073709551615,"q\"":"s"})");
}

TEST_CASE("json_writer: what JSON needs escaped is escaped, wherever it stands in the text") {
  const std::string_view special("\"\\\b\f\n\r\t\x01\x1f\x7f", 10);
  CHECK(quoted(special) == "\"\\\"\\\\\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\"");
  for (const char c : {'"', '\\', '\n', '\x01', '\0'})
    for (std::size_t at = 0; at < 40; ++at) {
      std::string text(40, 'a');
      text[at] = c;
      if (read_back(text) != text) FAIL("character " << static_cast<int>(c) << " at " << at);
    }
}

TEST_CASE("json_writer: UTF-8 passes, what isn't UTF-8 becomes U+FFFD") {
  const std::string good = "é € 😀 \xF4\x8F\xBF\xBF end";
  CHECK(read_back(good) == good);
  CHECK(read_back("a\xFF"
                  "b") ==
        "a\xEF\xBF\xBD"
        "b");
  CHECK(read_back("\xC3") == "\xEF\xBF\xBD");                                  // cut short
  CHECK(read_back("\xC0\x80") == "\xEF\xBF\xBD\xEF\xBF\xBD");                  // overlong
  CHECK(read_back("\xED\xA0\x80") == "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");  // a surrogate
  CHECK(read_back("\xF4\x90\x80\x80").find("\xEF\xBF\xBD") == 0);              // beyond U+10FFFF
  CHECK(read_back("1234567\xE2\x82\xAC"
                  "90") == "1234567€90");
}

TEST_CASE("json_writer: whatever the bytes, the result is JSON that parses") {
  std::mt19937 random(1);
  for (int i = 0; i < 20'000; ++i) {
    std::string text(random() % 24, '\0');
    for (auto& c : text) c = static_cast<char>(random() % 4 ? random() % 128 : random() % 256);
    const auto json = quoted(text);
    if (!parse_json(json)) FAIL("not JSON: " << json);
  }
}

TEST_CASE("parse_json: values are found, typed, and kept as written") {
  const std::string_view text = R"( {"s":"a\u00e9\n","plain":"x","i": -12 ,"f":1.50e2,"t":true,"n":null,)"
                                R"("a":[1, "two" ,{"deep":[]}],"o":{"k":7},"s2":""} )";
  const auto document = parse_json(text);
  REQUIRE(document);
  const auto root = document->root();
  CHECK(root.is_object());
  CHECK(root.size() == 9);
  CHECK(root.find("s").as_string() == "aé\n");
  CHECK(root.find("s").raw() == R"("a\u00e9\n")");
  CHECK(root.find("plain").as_string() == "x");
  CHECK(root.find("s2").as_string() == "");
  CHECK(root.find("i").as_int() == -12);
  CHECK(root.find("i").raw() == "-12");
  CHECK(root.find("f").raw() == "1.50e2");
  CHECK_FALSE(root.find("f").as_int());
  CHECK(root.find("f").as_number() == 150.0);
  CHECK(root.find("t").as_bool() == true);
  CHECK(root.find("n").is_null());
  CHECK(root.find("a").raw() == R"([1, "two" ,{"deep":[]}])");
  CHECK(root.find("a").size() == 3);
  CHECK(root.find("o").find("k").as_int() == 7);
  CHECK(root.find("missing").is_missing());
  CHECK(root.find("missing").find("x").raw().empty());
  CHECK_FALSE(root.find("s").as_int());
  CHECK_FALSE(root.find("i").as_string());
  std::string names;
  root.for_each_member([&](std::string_view name, json_value) { names += std::string(name) + " "; });
  CHECK(names == "s plain i f t n a o s2 ");
  std::size_t count = 0;
  root.find("a").for_each_element([&](json_value) { ++count; });
  CHECK(count == 3);
}

TEST_CASE("parse_json: of members with the same name the last counts") {
  const auto document = parse_json(R"({"a":1,"b":2,"a":{"x":3},"\u0061":4})");
  REQUIRE(document);
  CHECK(document->root().find("a").as_int() == 4);
}

TEST_CASE("parse_json: numbers that don't fit are no integers") {
  const auto document = parse_json("[9223372036854775807,9223372036854775808,-9223372036854775808,0,1.0]");
  REQUIRE(document);
  std::vector<std::optional<std::int64_t>> values;
  document->root().for_each_element([&](json_value each) { values.push_back(each.as_int()); });
  CHECK(values == std::vector<std::optional<std::int64_t>>{INT64_MAX, std::nullopt, INT64_MIN, 0, std::nullopt});
  CHECK(refusal_of("1e400") == errc::invalid_json);  // beyond a double
}

TEST_CASE("parse_json: what isn't JSON is refused with the place") {
  for (const std::string_view text :
       {"",        " ",   "{",     "[1,]", "{\"a\" 1}", "{a:1}", "nul",         "01",     "1.",  "+1",
        "\"\\x\"", "\"a", "[1] 2", "{}x",  "'a'",       "[1}",   "\"\\ud800\"", "\"\t\"", "NaN", "// c\n1"})
    CHECK_MESSAGE(refusal_of(text) == errc::invalid_json, text);
  CHECK(refusal_of("\"\xFF\"") == errc::invalid_json);
  CHECK(refusal_of(std::string_view("{}\0{}", 5)) == errc::invalid_json);
  CHECK(parse_json("[1 2]").failure().detail.find("byte 3") != std::string::npos);
}

TEST_CASE("parse_json: size, depth and number of values are bounded") {
  const json_limits limits{.bytes_max = 1'000, .depth_max = 5, .values_max = 10};
  CHECK(refusal_of(std::string(1'001, ' '), limits) == errc::request_too_large);
  CHECK(parse_json("[[[[[1]]]]]", limits).ok());
  CHECK(refusal_of("[[[[[[1]]]]]]", limits) == errc::request_too_large);
  CHECK(parse_json("[1,2,3,4,5,6,7,8,9]", limits).ok());
  CHECK(refusal_of("[1,2,3,4,5,6,7,8,9,10]", limits) == errc::request_too_large);
  CHECK(refusal_of(std::string(500'000, '['), {}) == errc::request_too_large);
}
