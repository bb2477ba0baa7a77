// SPDX-License-Identifier: Apache-2.0
#include "tools/throngverify/fault_plan.hpp"

#include <set>

#include <doctest/doctest.h>

using namespace throng;
using namespace throng::verify;
using namespace std::chrono_literals;

TEST_CASE("fault plan: the same seed makes the same plan, another one another") {
  const auto kinds = *parse_fault_kinds("kill,pause,cut,drain,leader,consul,db,migrate,empty");
  CHECK(plan_faults(kinds, 10min, 7) == plan_faults(kinds, 10min, 7));
  CHECK(plan_faults(kinds, 10min, 7) != plan_faults(kinds, 10min, 8));
}

TEST_CASE("fault plan: each kind has its turn, in order, and all is over in time") {
  const auto kinds = *parse_fault_kinds("kill,pause,drain,leader");
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    const auto plan = plan_faults(kinds, 50s, seed);
    std::set<fault_kind> seen;
    auto earlier = 0ms;
    for (const auto& each : plan) {
      seen.insert(each.kind);
      CHECK(each.begin >= earlier);
      CHECK(each.begin + each.lasts <= 50s);
      earlier = each.begin;
    }
    CAPTURE(seed);
    CAPTURE(to_text(std::span(plan)));
    CHECK(plan.size() >= 3);
    CHECK(seen.size() >= std::min<std::size_t>(plan.size(), kinds.size()));
  }
}

TEST_CASE("fault plan: never three at once") {
  const auto kinds = *parse_fault_kinds("kill,pause,cut,drain,leader,consul,db,migrate,empty");
  bool has_overlap = false;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    const auto plan = plan_faults(kinds, 10min, seed);
    for (std::size_t i = 1; i < plan.size(); ++i) {
      has_overlap = has_overlap || plan[i].overlaps;
      if (plan[i].overlaps) CHECK_FALSE(plan[i - 1].overlaps);
      if (!plan[i].overlaps) CHECK(plan[i].begin > plan[i - 1].begin + plan[i - 1].lasts);
    }
  }
  CHECK(has_overlap);
}

TEST_CASE("fault plan: what is no fault is refused by name") {
  CHECK(parse_fault_kinds("none")->empty());
  CHECK(*parse_fault_kinds("pause,kill,pause") == std::vector{fault_kind::pause, fault_kind::kill});
  const auto refused = parse_fault_kinds("kill,flood");
  REQUIRE_FALSE(refused);
  CHECK(refused.failure().detail.find("`flood`") != std::string::npos);
  CHECK_FALSE(parse_fault_kinds("kill,"));
}
