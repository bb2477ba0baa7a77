// SPDX-License-Identifier: Apache-2.0
#include "cluster/coordinator/move_pace.hpp"

#include <doctest/doctest.h>

namespace throng {
namespace {

using namespace std::chrono_literals;

constexpr steady_time start{1h};

/// When the next may begin.
steady_time step(move_pace& pace, std::size_t slots, std::chrono::milliseconds took) {
  pace.has_begun(slots, start);
  pace.has_settled(start + took);
  auto now = start + took;
  while (pace.rests(now)) now += 1ms;
  return now;
}

}  // namespace

TEST_CASE("pace: a full step is followed by a rest as long as itself, a small one by nearly none") {
  move_pace pace(64);
  CHECK_FALSE(pace.rests(start));
  CHECK(step(pace, 64, 40ms) == start + 80ms);
  CHECK(step(pace, 16, 40ms) == start + 50ms);
  CHECK(step(pace, 1, 40ms) <= start + 41ms);
  CHECK(step(pace, 4'096, 40ms) == start + 80ms);  // the dead's, all at once
  CHECK(step(pace, 64, 20s) == start + 20s + move_pace::rest_max);
}

TEST_CASE("pace: the rest counts from when everybody had settled, however often that is said") {
  move_pace pace(64);
  pace.has_settled(start);
  CHECK_FALSE(pace.rests(start));
  pace.has_begun(64, start);
  CHECK_FALSE(pace.rests(start + 10ms));  // they haven't settled: nobody asks
  pace.has_settled(start + 40ms);
  pace.has_settled(start + 79ms);
  CHECK(pace.rests(start + 79ms));
  CHECK_FALSE(pace.rests(start + 80ms));
}

TEST_CASE("pace: a step that settled before it was said to begin needs no rest") {
  move_pace pace(64);
  pace.has_begun(64, start + 5ms);
  pace.has_settled(start);
  CHECK_FALSE(pace.rests(start));
}

}  // namespace throng
