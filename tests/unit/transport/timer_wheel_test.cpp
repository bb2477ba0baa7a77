// SPDX-License-Identifier: Apache-2.0
#include "net/transport/timer_wheel.hpp"

#include <functional>
#include <memory>
#include <random>
#include <vector>

#include <doctest/doctest.h>

namespace throng {
namespace {

using std::chrono::milliseconds;

struct probe final : timer_wheel::entry {
  std::function<void(steady_time)> when_due;
  void on_due(steady_time now) override { when_due(now); }
};

TEST_CASE("timer wheel: a deadline fires once, never early and at most one tick late") {
  const steady_time start{};
  timer_wheel wheel(start);
  std::mt19937 random(11);
  struct timed {
    probe p;
    steady_time due;
    int fired = 0;
  };
  std::vector<std::unique_ptr<timed>> all;
  for (int i = 0; i < 500; ++i) {
    auto t = std::make_unique<timed>();
    t->due = start + milliseconds(random() % 120'000);  // more than one round
    t->p.when_due = [raw = t.get()](steady_time now) {
      ++raw->fired;
      CHECK(now >= raw->due);
      CHECK(now < raw->due + timer_wheel::tick + milliseconds(10));
    };
    wheel.arm(t->p, t->due);
    all.push_back(std::move(t));
  }
  for (steady_time now = start; now < start + milliseconds(121'000); now += milliseconds(10)) wheel.advance(now);
  for (const auto& t : all) CHECK(t->fired == 1);
  CHECK(wheel.empty());
}

TEST_CASE("timer wheel: an entry may disarm its neighbour and arm itself again from its own deadline") {
  const steady_time start{};
  timer_wheel wheel(start);
  probe a, b;
  int a_count = 0, b_count = 0;
  a.when_due = [&](steady_time now) {
    ++a_count;
    wheel.disarm(b);
    if (a_count < 3) wheel.arm(a, now + milliseconds(100));
  };
  b.when_due = [&](steady_time) { ++b_count; };
  wheel.arm(a, start + milliseconds(70));
  wheel.arm(b, start + milliseconds(70));
  for (int ms = 0; ms < 1000; ms += 5) wheel.advance(start + milliseconds(ms));
  CHECK(a_count == 3);
  CHECK(b_count == 0);
  CHECK(wheel.empty());
}

TEST_CASE("timer wheel: after a pause longer than a round everything due fires") {
  const steady_time start{};
  timer_wheel wheel(start);
  probe soon, later;
  int fired = 0;
  soon.when_due = later.when_due = [&](steady_time) { ++fired; };
  wheel.arm(soon, start + milliseconds(100));
  wheel.arm(later, start + milliseconds(400'000));
  wheel.advance(start + milliseconds(300'000));
  CHECK(fired == 1);
  CHECK(later.is_armed());
  wheel.advance(start + milliseconds(400'100));
  CHECK(fired == 2);
}

}  // namespace
}  // namespace throng
