// SPDX-License-Identifier: Apache-2.0
#include "cluster/restart_policy.hpp"

#include <doctest/doctest.h>

namespace throng {

using std::chrono::seconds;
using verdict = restart_policy::verdict;

TEST_CASE("restart policy: the crash past the budget quarantines, older crashes are forgotten") {
  const restart_limits limits{2, seconds(10)};
  const steady_time start{};
  restart_policy policy;
  CHECK(policy.crashed(start, limits) == verdict::restart);
  CHECK(policy.crashed(start + seconds(1), limits) == verdict::restart);
  // The first one no longer counts 10 s after it happened.
  CHECK(policy.crashed(start + seconds(10), limits) == verdict::restart);
  CHECK(policy.recent(start + seconds(10), limits) == 2);
  CHECK(policy.crashed(start + seconds(10), limits) == verdict::quarantine);
  CHECK(policy.total() == 4);
  policy.forgive();
  CHECK(policy.crashed(start + seconds(11), limits) == verdict::restart);
}

TEST_CASE("restart policy: a budget of none quarantines at the first crash") {
  restart_policy policy;
  CHECK(policy.crashed(steady_time{}, {0, seconds(10)}) == verdict::quarantine);
}

}  // namespace throng
