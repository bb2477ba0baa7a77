// SPDX-License-Identifier: Apache-2.0
#include "tools/throngd/shard_meter.hpp"

#include <doctest/doctest.h>

using namespace throng;
using std::chrono::microseconds;
using std::chrono::seconds;

TEST_CASE("shard meter: rates and percentiles are of the last seconds, not of all time") {
  shard_meter meter;
  CHECK(meter.units_per_second() == 0);
  CHECK(meter.p99().count() == 0);
  latency_histogram slow;
  slow.add(seconds(1), 1'000);
  auto now = steady_time{} + seconds(100);
  meter.add(now, 1'000, slow);
  CHECK(meter.p99() >= seconds(1));
  for (std::size_t i = 1; i <= 2 * shard_meter::window; ++i) {
    slow.add(microseconds(100), 50);
    meter.add(now + seconds(i), 1'000 + 50 * i, slow);
  }
  CHECK(meter.units_per_second() == doctest::Approx(50));
  CHECK(meter.p99() == microseconds(128));
}

TEST_CASE("shard meter: a shard that came back under the same name starts anew") {
  shard_meter meter;
  latency_histogram none;
  meter.add(steady_time{} + seconds(1), 5'000, none);
  meter.add(steady_time{} + seconds(2), 10, none);
  CHECK(meter.units_per_second() == 0);
  meter.add(steady_time{} + seconds(3), 30, none);
  CHECK(meter.units_per_second() == doctest::Approx(20));
}
