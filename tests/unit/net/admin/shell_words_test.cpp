// SPDX-License-Identifier: Apache-2.0
#include "net/admin/shell_words.hpp"

#include <doctest/doctest.h>

namespace throng {

TEST_CASE("shell words: options with values, bare options and quotes are told apart") {
  const auto words = parse_shell_words(R"(ps channel --sort mailbox --limit=5 --all "two words")", {"sort", "limit"});
  REQUIRE(words);
  CHECK(words->command == "ps");
  CHECK(words->arguments == std::vector<std::string>{"channel", "two words"});
  CHECK(words->options.at("sort") == "mailbox");
  CHECK(words->options.at("limit") == "5");
  CHECK(words->options.at("all").empty());
}

TEST_CASE("shell words: what can't be read is refused with a reason") {
  CHECK(parse_shell_words("say \"open", {}).failure().detail == "a quote is not closed");
  CHECK(parse_shell_words("ps --sort", {"sort"}).failure().detail == "--sort wants a value");
  CHECK_FALSE(parse_shell_words(std::string(5000, 'x'), {}));
  std::string many;
  for (int i = 0; i < 65; ++i) many += "w ";
  CHECK_FALSE(parse_shell_words(many, {}));
  CHECK(parse_shell_words("", {})->command.empty());
}

TEST_CASE("shell words: a slot or an entity can be moved, and both have a text") {
  CHECK(parse_movable("slot:17") == movable{slot_id{17}});
  CHECK(to_text(*parse_movable("slot:4095")) == "slot:4095");
  for (const auto* wrong : {"slot:4096", "slot:", "slot:-1", "slot:1x", "17", "nothing"})
    CHECK_FALSE(parse_movable(wrong));
  const auto channel = key_of(channel_id{4});
  CHECK(parse_movable(to_text(channel)) == movable{channel});
  CHECK(to_text(*parse_movable(to_text(channel))) == to_text(channel));
}

TEST_CASE("shell words: an entity is named by kind and id, or by its id alone") {
  const auto channel = key_of(channel_id{4});
  CHECK(parse_entity_key(to_text(channel)) == channel);
  CHECK(parse_entity_key(to_text(channel_id{4})) == channel);
  CHECK(parse_entity_key(to_text(user_id{77})) == key_of(user_id{77}));
  CHECK(parse_entity_key("user:" + to_text(user_id{77})) == key_of(user_id{77}));
  CHECK(parse_entity_key("presence:17") == key_of(bucket_id{17}));
  for (const char* bad : {"", "17", "channel:", "presence:x", "nothing:C1", "channel:U1", "presence:", "C1:2", "c1a"})
    CHECK_FALSE(parse_entity_key(bad).has_value());
}

TEST_CASE("shell words: durations have units") {
  using namespace std::chrono;
  CHECK(parse_shell_duration("10s") == seconds(10));
  CHECK(parse_shell_duration("10") == seconds(10));
  CHECK(parse_shell_duration("500ms") == milliseconds(500));
  CHECK(parse_shell_duration("2m") == minutes(2));
  for (const char* bad : {"", "s", "-1s", "10h", "99999999999999999999s"})
    CHECK_FALSE(parse_shell_duration(bad).has_value());
}

}  // namespace throng
