// SPDX-License-Identifier: Apache-2.0
#include "actors/id_generator.hpp"

#include <algorithm>
#include <set>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

using namespace throng;

namespace {

struct set_clock : time_source {
  std::atomic<std::int64_t> ms = 1'700'000'000'000;
  steady_time now() const override { return {}; }
  wall_time wall() const override { return wall_time(std::chrono::milliseconds(ms.load())); }
};

}  // namespace

TEST_CASE("id_generator: ids rise, also when the clock steps back") {
  set_clock clock;
  id_generator ids({1}, clock, 99);
  auto last = ids.next_user().value;
  for (int i = 0; i < 10'000; ++i) {
    if (i == 5'000) clock.ms -= 60'000;
    auto id = ids.next_user().value;
    REQUIRE(id > last);
    last = id;
  }
}

TEST_CASE("id_generator: nodes and kinds never share a number") {
  set_clock clock;
  id_generator one({1}, clock, 7), two({2}, clock, 7);
  std::set<std::uint64_t> seen;
  for (int i = 0; i < 5'000; ++i) {
    REQUIRE(seen.insert(one.next_user().value).second);
    REQUIRE(seen.insert(two.next_user().value).second);
    REQUIRE(seen.insert(one.next_session().value).second);
    auto channel = one.next_channel();
    REQUIRE(kind_of(channel) == channel_kind::channel);
    // All four numbers of a channel are taken, whatever kind its lowest bits will say.
    for (std::uint64_t kind = 0; kind < 4; ++kind) REQUIRE(seen.insert(channel.value | kind).second);
  }
}

TEST_CASE("id_generator: an id holds its time and its node, and fits 63 bits") {
  set_clock clock;
  id_generator ids({1023}, clock, 0);
  auto id = ids.next_team().value;
  CHECK((id >> 21) == 1'700'000'000'000 - 1'577'836'800'000);
  CHECK(((id >> 11) & 1023) == 1023);
  CHECK((id >> 63) == 0);
}

TEST_CASE("id_generator: threads never get the same id") {
  set_clock clock;
  id_generator ids({1}, clock, 0);
  constexpr int count = 20'000;
  std::vector<std::uint64_t> made[4];
  std::vector<std::thread> threads;
  for (auto& own : made)
    threads.emplace_back([&] {
      for (int i = 0; i < count; ++i) own.push_back(i % 3 == 0 ? ids.next_channel().value : ids.next_user().value);
    });
  for (auto& each : threads) each.join();
  std::vector<std::uint64_t> all;
  for (auto& own : made) all.insert(all.end(), own.begin(), own.end());
  std::sort(all.begin(), all.end());
  CHECK(std::adjacent_find(all.begin(), all.end()) == all.end());
}
