// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include "tools/throngwire/wire_plan.hpp"

using namespace throng;

TEST_CASE("throngwire: a plan says which wires there are, and whose a source address is") {
  const auto plan = parse_wire_plan(
      "wire * n1 127.0.0.1:20001 127.0.0.1:20002\n"
      "wire * n2 127.0.0.1:20003 127.0.0.2:20004\n"
      "\n"
      "wire n2 consul 127.0.0.1:20005 127.0.0.1:20006\n");
  REQUIRE(plan);
  REQUIRE(plan->wires.size() == 3);
  CHECK(plan->wires[1] == wire_plan::wire{"*", "n2", {"127.0.0.1", 20003}, {"127.0.0.2", 20004}});
  CHECK(plan->owner_of("127.0.0.2") == "n2");
  CHECK(plan->owner_of("127.0.0.1") == "n1");  // not consul: nobody dials from there
  CHECK(plan->owner_of("127.0.0.9") == "*");
}

TEST_CASE("throngwire: a cut is between two, in both directions, and nobody else") {
  const auto plan = parse_wire_plan("cut n2 n1 hang\ncut n1 consul reset\n");
  REQUIRE(plan);
  CHECK(plan->between("n1", "n2") == wire_state::hangs);
  CHECK(plan->between("n2", "n1") == wire_state::hangs);
  CHECK(plan->between("n1", "consul") == wire_state::resets);
  CHECK(plan->between("n2", "consul") == wire_state::passes);
  CHECK(plan->is_cut("consul"));
  CHECK_FALSE(plan->is_cut("n3"));
}

TEST_CASE("throngwire: a line that can't be followed is refused with its number") {
  for (const auto* line : {"wire * n1 127.0.0.1:1", "wire * n1 127.0.0.1 127.0.0.1:2",
                           "wire * n1 127.0.0.1:0 127.0.0.1:2", "cut n1 n2", "cut n1 n2 slowly", "heal n1"}) {
    const auto plan = parse_wire_plan(std::string("cut n1 n2 hang\n") + line);
    REQUIRE_FALSE(plan);
    CHECK(plan.failure().detail.starts_with("line 2: expected"));
  }
}
