// SPDX-License-Identifier: Apache-2.0
#include "storage/model/ids.hpp"

#include <array>
#include <cstdint>
#include <limits>
#include <random>
#include <string>

#include <doctest/doctest.h>

#include "storage/model/assert.hpp"

namespace throng {
namespace {

constexpr auto largest = std::numeric_limits<std::uint64_t>::max();

TEST_CASE("ids: the text is a letter and upper-case base 36") {
  CHECK(to_text(team_id{1}) == "T1");
  CHECK(to_text(user_id{35}) == "UZ");
  CHECK(to_text(user_id{36}) == "U10");
  CHECK(to_text(bot_id{36 * 36}) == "B100");
  CHECK(to_text(app_id{largest}) == "A3W5E11264SGSF");
  CHECK(to_text(session_id{255}) == "S73");
}

TEST_CASE("ids: a channel's letter says its kind") {
  CHECK(to_text(make_channel_id(0x100, channel_kind::channel)) == "C74");
  CHECK(to_text(make_channel_id(0x100, channel_kind::mpim)) == "G75");
  CHECK(to_text(make_channel_id(0x100, channel_kind::im)) == "D76");
  CHECK(parse_id<channel_id>("D76") == channel_id{0x102});
  CHECK_FALSE(parse_id<channel_id>("C76"));  // the letter lies about the kind
  CHECK_FALSE(parse_id<channel_id>("G74"));
  CHECK_FALSE(parse_id<channel_id>(to_text(channel_id{0x103})));  // there is no fourth kind
}

TEST_CASE("ids: what was written is read back") {
  std::mt19937_64 random(42);
  for (int i = 0; i < 10'000; ++i) {
    auto value = (random() >> (random() % 64)) | 1;
    REQUIRE(parse_id<team_id>(to_text(team_id{value})) == team_id{value});
    REQUIRE(parse_id<user_id>(to_text(user_id{value})) == user_id{value});
    auto channel = make_channel_id(value << 2, static_cast<channel_kind>(random() % 3));
    if (channel.value > 3) REQUIRE(parse_id<channel_id>(to_text(channel)) == channel);
  }
  CHECK(parse_id<session_id>(to_text(session_id{largest})) == session_id{largest});
  CHECK(parse_id<bot_id>(to_text(bot_id{largest})) == bot_id{largest});
}

TEST_CASE("ids: a guest's W is a user too") { CHECK(parse_id<user_id>("WZZ") == user_id{35 * 37}); }

TEST_CASE("ids: anything but the one text of an id is refused") {
  const std::string nul("T1\0", 3);
  for (std::string_view text : {"", "T", "t1", "T0", "T01", "Ta", "T-1", "T 1", " T1", "T1 ", "T+1", "U1", "1", "TT!",
                                "T3W5E11264SGSG",  // 2^64
                                "T3W5E11264SGSF0", "TZZZZZZZZZZZZZ", "TÄ"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_id<team_id>(text));
  }
  CHECK_FALSE(parse_id<team_id>(nul));
  CHECK_FALSE(parse_id<user_id>("T1"));
  CHECK_FALSE(parse_id<channel_id>("U4"));
  CHECK_FALSE(parse_id<app_id>("B4"));
}

TEST_CASE("ids: slackbot is known by name") {
  CHECK(to_text(slackbot) == "USLACKBOT");
  CHECK(parse_id<user_id>("USLACKBOT") == slackbot);
}

TEST_CASE("ids: a direct message's channel is the same from both sides and differs from all others") {
  auto id = im_channel(team_id{1}, user_id{7}, user_id{9});
  CHECK(kind_of(id) == channel_kind::im);
  CHECK(id == im_channel(team_id{1}, user_id{9}, user_id{7}));
  CHECK(id != im_channel(team_id{2}, user_id{7}, user_id{9}));
  CHECK(id != im_channel(team_id{1}, user_id{7}, user_id{7}));
  CHECK(id != im_channel(team_id{7}, user_id{1}, user_id{9}));
  CHECK(to_text(id) == "D3TP41ZW3IZUG6");  // stored for ever: must not change from version to version
}

TEST_CASE("ids: a group message's channel depends on everyone in it") {
  std::array users{user_id{3}, user_id{5}, user_id{8}};
  auto id = mpim_channel(team_id{1}, users.data(), users.size());
  CHECK(kind_of(id) == channel_kind::mpim);
  CHECK(id == mpim_channel(team_id{1}, users.data(), users.size()));
  CHECK(id != mpim_channel(team_id{1}, users.data(), 2));
  CHECK(id != mpim_channel(team_id{2}, users.data(), users.size()));
  std::array unsorted{user_id{5}, user_id{3}};
  CHECK_THROWS_AS(mpim_channel(team_id{1}, unsorted.data(), unsorted.size()), broken_invariant);
  std::array repeated{user_id{3}, user_id{3}};
  CHECK_THROWS_AS(mpim_channel(team_id{1}, repeated.data(), repeated.size()), broken_invariant);
}

}  // namespace
}  // namespace throng
