// SPDX-License-Identifier: Apache-2.0
#include "cluster/membership/node_numbers.hpp"

#include <doctest/doctest.h>

#include "tests/unit/storage/topology/memory_topology.hpp"

namespace throng {
namespace {

using std::chrono::milliseconds;

constexpr wall_time then{milliseconds(1)};

TEST_CASE("each name has a number of its own for ever, and each start a larger incarnation") {
  memory_topology topology;
  CHECK(*begin_start(topology, "a", then) == node_start{{1}, 1});
  CHECK(*begin_start(topology, "b", then) == node_start{{2}, 1});
  CHECK(*begin_start(topology, "a", then) == node_start{{1}, 2});
  CHECK(*begin_start(topology, "c", then) == node_start{{3}, 1});
}

TEST_CASE("a start that ended between its claim and its number takes up the claim") {
  memory_topology topology;
  REQUIRE(topology.put("node_claims/1", "a", 0).ok());
  CHECK(begin_start(topology, "b", then)->node == node_index{2});
  CHECK(begin_start(topology, "a", then)->node == node_index{1});
}

TEST_CASE("a start is current until a later one, or until it is spent") {
  memory_topology topology;
  const auto first = *begin_start(topology, "a", then);
  CHECK(*is_current(topology, "a", first));
  const auto second = *begin_start(topology, "a", then);
  CHECK_FALSE(*is_current(topology, "a", first));
  CHECK(*is_current(topology, "a", second));
  REQUIRE(spend(topology, "a", first).ok());  // long spent
  CHECK(*is_current(topology, "a", second));
  REQUIRE(spend(topology, "a", second).ok());
  CHECK_FALSE(*is_current(topology, "a", second));
  CHECK(begin_start(topology, "a", then)->incarnation > second.incarnation);
}

TEST_CASE("who is spent stays so when the topology has forgotten it") {
  memory_topology topology;
  REQUIRE(spend(topology, "a", {{3}, 7}).ok());
  CHECK_FALSE(*is_current(topology, "a", {{3}, 7}));
  CHECK(begin_start(topology, "a", then)->node == node_index{3});
  CHECK(spend(topology, "b", {{3}, 5}).ok());  // its number is another's
  CHECK_FALSE(*is_current(topology, "b", {{3}, 5}));
  REQUIRE(*remember(topology, "c", {{8}, 2}));
  REQUIRE(spend(topology, "c", {{9}, 4}).ok());  // the number that it has now stays its own
  CHECK(*begin_start(topology, "c", then) == node_start{{8}, 6});
}

TEST_CASE("a forgotten start is remembered if neither its name nor its number is in use again") {
  memory_topology topology;
  CHECK(*remember(topology, "a", {{1}, 5}));
  CHECK_FALSE(*remember(topology, "a", {{1}, 6}));
  CHECK_FALSE(*remember(topology, "b", {{1}, 6}));
  CHECK(*begin_start(topology, "b", then) == node_start{{2}, 1});
  CHECK(*begin_start(topology, "a", then) == node_start{{1}, 6});
}

TEST_CASE("who lives is current although somebody has remembered an earlier start of it") {
  memory_topology topology;
  REQUIRE(*remember(topology, "a", {{1}, 5}));
  CHECK(*is_current(topology, "a", {{1}, 9}));
  CHECK_FALSE(*is_current(topology, "a", {{1}, 5}));
  CHECK_FALSE(*is_current(topology, "a", {{2}, 12}));
}

TEST_CASE("a topology that has forgotten everything is told again, unless the number is another's by now") {
  memory_topology topology;
  CHECK(*is_current(topology, "a", {{3}, 5}));
  CHECK(*begin_start(topology, "a", then) == node_start{{3}, 6});
  CHECK_FALSE(*is_current(topology, "b", {{3}, 9}));
}

TEST_CASE("an incarnation is above those that the topology has forgotten, and above the last where clocks go back") {
  memory_topology before, emptied;
  const auto forgotten = *begin_start(before, "a", wall_time(milliseconds(5'000)));
  CHECK(begin_start(emptied, "a", wall_time(milliseconds(5'001)))->incarnation > forgotten.incarnation);
  CHECK(begin_start(before, "a", wall_time(milliseconds(3'000)))->incarnation == forgotten.incarnation + 1);
}

TEST_CASE("what can't be there is refused by its key, and an absent topology is said") {
  memory_topology topology;
  for (const auto* text : {"{}", "x", R"({"node":0,"incarnation":1})", R"({"node":1024,"incarnation":1})"}) {
    const auto entry = topology.get("node_numbers/a");
    REQUIRE(topology.put("node_numbers/a", text, *entry ? (*entry)->version : 0).ok());
    const auto begun = begin_start(topology, "a", then);
    CHECK(begun.code() == errc::invalid_json);
    CHECK(begun.failure().detail.starts_with("node_numbers/a"));
  }
  topology.is_away = true;
  CHECK(begin_start(topology, "b", then).code() == errc::service_unavailable);
  CHECK(is_current(topology, "b", {{1}, 1}).code() == errc::service_unavailable);
}

}  // namespace
}  // namespace throng
