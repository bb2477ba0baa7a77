// SPDX-License-Identifier: Apache-2.0
#include "cluster/coordinator/move_pace.hpp"

#include <doctest/doctest.h>

namespace throng {
namespace {

using namespace std::chrono_literals;

constexpr steady_time start{1h};

/// When the next may begin.
steady_time step(move_pace& pace, std::size_t slots, steady_time begun, std::chrono::milliseconds took) {
  pace.has_begun(slots, begun);
  pace.has_settled(begun + took);
  auto now = begun + took;
  while (pace.rests(now)) now += 1ms;
  return now;
}

}  // namespace

TEST_CASE("pace: a full step is followed by a rest as long as itself, a small one by nearly none") {
  move_pace pace(64);
  CHECK_FALSE(pace.rests(start));
  CHECK(step(pace, 64, start, 40ms) == start + 80ms);
  CHECK(step(pace, 16, start, 40ms) == start + 50ms);
  CHECK(step(pace, 1, start, 40ms) <= start + 41ms);
  CHECK(step(pace, 4'096, start, 40ms) == start + 80ms);  // the dead's, all at once
  CHECK(step(pace, 64, start, 20s) == start + 21s);
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

TEST_CASE("pace: steps that take long become smaller, and larger again when they are fast") {
  move_pace pace(64);
  CHECK(pace.slots() == 64);
  for (const std::size_t expected : {32, 16, 8, 8}) {
    step(pace, pace.slots(), start, 300ms);
    CHECK(pace.slots() == expected);
  }
  step(pace, pace.slots(), start, 100ms);  // neither
  CHECK(pace.slots() == 8);
  step(pace, 1, start, 5ms);  // says nothing of a full one
  CHECK(pace.slots() == 8);
  for (const std::size_t expected : {16, 32, 64, 64}) {
    step(pace, pace.slots(), start, 30ms);
    CHECK(pace.slots() == expected);
  }
}

TEST_CASE("pace: never more than it may, even if that is very few") {
  move_pace pace(3);
  step(pace, 3, start, 300ms);
  CHECK(pace.slots() <= 3);
  CHECK(pace.slots() > 0);
  step(pace, pace.slots(), start, 1ms);
  CHECK(pace.slots() <= 3);
}

}  // namespace throng
