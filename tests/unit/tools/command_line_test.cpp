// SPDX-License-Identifier: Apache-2.0
#include "tools/common/command_line.hpp"

#include <array>

#include <doctest/doctest.h>

using namespace throng;

namespace {

constexpr std::array known{option_spec{"--url", "URL", "where", "http://a"},
                           option_spec{"--count", "N", "how many", "3"}, option_spec{"-c", "COMMAND", "what"},
                           option_spec{"--json", "", "bare"}};

result<command_line> parse(std::vector<std::string> words) {
  std::vector<char*> arguments;
  for (auto& each : words) arguments.push_back(each.data());
  return parse_command_line(arguments, known);
}

}  // namespace

TEST_CASE("command line: options with values in both forms, switches, words") {
  const auto line = parse({"first", "--url", "http://b", "--json", "-c", "ps --sort age", "--", "--count"});
  REQUIRE(line.ok());
  CHECK(line->words == std::vector<std::string>{"first", "--count"});
  CHECK(line->text("--url") == "http://b");
  CHECK(line->text("-c") == "ps --sort age");
  CHECK(line->has("--json"));
  CHECK_FALSE(line->has("--count"));
  CHECK(*line->number("--count", 1, 10) == 3);
  CHECK(*parse({"--count=7"})->number("--count", 1, 10) == 7);
  CHECK(parse({"--url="})->text("--url").empty());
}

TEST_CASE("command line: what is wrong is said in a sentence") {
  CHECK(parse({"--nope"}).failure().detail == "there is no option --nope");
  CHECK(parse({"--url"}).failure().detail == "--url takes a value: URL");
  CHECK(parse({"--json=yes"}).failure().detail == "--json takes no value");
  for (auto value :
       {"--count=11", "--count=0", "--count=", "--count=-1", "--count=2x", "--count=99999999999999999999"}) {
    CAPTURE(value);
    CHECK(parse({value})->number("--count", 1, 10).failure().detail.starts_with("--count takes a whole number from 1"));
  }
}
