// SPDX-License-Identifier: Apache-2.0
// The BOT CACHE: who waits for a card is told once, whatever comes of the question.
#include "net/gateway/bot_cache.hpp"

#include <doctest/doctest.h>

using namespace throng;

namespace {

constexpr team_id team{9};
constexpr bot_id robot{5};

struct fixture {
  std::vector<std::function<void(std::optional<bot_card>)>> asked;
  bot_cache cache{[this](team_id, bot_id, auto done) { asked.push_back(std::move(done)); }};
  int told = 0;
  void wait() {
    cache.when_known(team, robot, [this] { ++told; });
  }
  static bot_card card() { return {robot, app_id{1}, user_id{2}, "robot", 3}; }
};

}  // namespace

TEST_CASE("bot_cache: those who wait share one question, and find the card when they are told") {
  fixture f;
  f.wait();
  f.wait();
  CHECK_FALSE(f.cache.find_bot(team, robot));
  CHECK(f.asked.size() == 1);
  CHECK(f.told == 0);
  f.asked[0](fixture::card());
  CHECK(f.told == 2);
  REQUIRE(f.cache.find_bot(team, robot));
  CHECK(f.cache.find_bot(team, robot)->name == "robot");
  f.wait();
  CHECK(f.told == 3);
  CHECK(f.asked.size() == 1);
}

TEST_CASE("bot_cache: who waits joins a question that a renderer has begun") {
  fixture f;
  CHECK_FALSE(f.cache.find_bot(team, robot));
  f.wait();
  CHECK(f.asked.size() == 1);
  f.asked[0](fixture::card());
  CHECK(f.told == 1);
}

TEST_CASE("bot_cache: a question without an answer ends the wait, and the next one asks again") {
  fixture f;
  f.wait();
  f.asked[0](std::nullopt);
  CHECK(f.told == 1);
  CHECK_FALSE(f.cache.find_bot(team, robot));
  CHECK(f.asked.size() == 2);
  f.asked[1](fixture::card());
  CHECK(f.cache.find_bot(team, robot));
}

TEST_CASE("bot_cache: who waits is told even if everything was forgotten meanwhile") {
  fixture f;
  f.wait();
  for (std::uint64_t id = 100; id < 100 + 2 * bot_cache::size_max; ++id) f.cache.add({bot_id{id}, {}, {}, "x", 0});
  f.asked[0](fixture::card());
  CHECK(f.told == 1);
  CHECK(f.cache.find_bot(team, robot));
}
