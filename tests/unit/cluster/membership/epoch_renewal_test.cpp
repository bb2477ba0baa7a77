// SPDX-License-Identifier: Apache-2.0
#include "cluster/membership/epoch_renewal.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

namespace throng {
namespace {

using namespace std::chrono_literals;

TEST_CASE("epochs that are refused again and again rise further and more seldom, and begin anew after a calm") {
  epoch_renewal renewal(1);
  steady_time now{1h};
  std::vector<epoch_t> leaps;
  std::vector<std::chrono::nanoseconds> pauses;
  auto last = now;
  for (; leaps.size() < 9; now += 10ms)
    if (const auto leap = renewal.next(now)) {
      leaps.push_back(*leap);
      pauses.push_back(now - std::exchange(last, now));
    }
  CHECK(leaps == std::vector<epoch_t>{1, 8, 64, 512, 4096, 4096, 4096, 4096, 4096});
  for (std::size_t i = 1; i < pauses.size(); ++i) {
    const auto usual = std::min<std::chrono::nanoseconds>(100ms * (1 << (i - 1)), 5s);
    CHECK(pauses[i] >= usual * 3 / 4);
    CHECK(pauses[i] <= usual * 5 / 4 + 10ms);
  }
  CHECK(renewal.next(last + 9s) == 4096u);
  CHECK(renewal.next(last + 20s) == 1u);
}

}  // namespace
}  // namespace throng
