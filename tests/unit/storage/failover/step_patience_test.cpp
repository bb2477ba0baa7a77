// SPDX-License-Identifier: Apache-2.0
#include "storage/failover/step_patience.hpp"

#include <doctest/doctest.h>

using namespace throng;
using namespace throng::failover;
using namespace std::chrono_literals;

namespace {

/// A step that takes `length` is tried as soon as it may be, and is needed again `shown` after it was over.
struct needed_again_and_again {
  supervisor_options how;
  step_patience patience{how};
  next_step step;
  steady_time now{1h};

  std::chrono::milliseconds pause_after(std::chrono::milliseconds shown, std::chrono::milliseconds length) {
    now += shown;
    while (!patience.may(step, now)) now += 1ms;
    patience.was_tried(step, now, now + length);
    now += length;
    auto pause = 0ms;
    while (!patience.may(step, now + pause)) pause += 1ms;
    return pause;
  }
};

}  // namespace

TEST_CASE("step patience: what keeps being needed is tried later and later, up to a bound") {
  needed_again_and_again one;
  one.step = {step_t::attach, {"a:1"}};
  CHECK(one.patience.may(one.step, one.now));
  for (const auto expected : {100ms, 200ms, 400ms, 800ms, 1600ms, 3200ms, 5000ms, 5000ms}) {
    const auto pause = one.pause_after(0ms, 50ms);
    CHECK(pause >= expected * 3 / 4);
    CHECK(pause <= expected * 5 / 4);
  }
  CHECK(one.patience.may({step_t::attach, {"b:1"}}, one.now));  // another server's
  one.now += 10s;
  CHECK(one.pause_after(0ms, 50ms) <= 125ms);  // it had helped
}

TEST_CASE("step patience: a promotion is tried again after a second at most") {
  needed_again_and_again one;
  one.step = {step_t::emergency_reparent, {}};
  for (int i = 0; i < 8; ++i) CHECK(one.pause_after(0ms, 50ms) <= 1250ms);
}

TEST_CASE("step patience: what shows only after a while whether it has helped is put off too, however long it takes") {
  needed_again_and_again one;
  one.step = {step_t::listen_again, {"p:1"}};
  auto pause = 0ms;
  for (int i = 0; i < 8; ++i) pause = one.pause_after(one.how.policy.deaf_after + 500ms, 6s);
  CHECK(pause >= 3750ms);
}
