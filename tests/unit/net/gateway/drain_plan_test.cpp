// SPDX-License-Identifier: Apache-2.0
#include "net/gateway/drain_plan.hpp"

#include <doctest/doctest.h>

using namespace throng;
using namespace std::chrono_literals;

TEST_CASE("drain plan: the window grows with the clients, up to what there is") {
  CHECK(drain_plan::window_of(0, 500, 20s) == 0ms);
  CHECK(drain_plan::window_of(1, 500, 20s) == 2ms);
  CHECK(drain_plan::window_of(2'000, 500, 20s) == 4s);
  CHECK(drain_plan::window_of(19'000, 500, 20s) == 20s);
  CHECK(drain_plan::window_of(19'000, 500, -1s) == 0ms);
}

TEST_CASE("drain order: who came by the node's own name gets another's, in turn; others go where they came from") {
  const drain_order where{"http://n1:1", {"http://n2:2", "https://n3:3"}};
  CHECK(where.place_for("ws://n1:1", 4) == "ws://n2:2");
  CHECK(where.place_for("ws://n1:1", 5) == "wss://n3:3");
  CHECK(where.place_for("wss://chat.acme.test", 5) == "wss://chat.acme.test");
  CHECK(drain_order{"", {"http://n2:2"}}.place_for("ws://n1:1", 0) == "ws://n1:1");
  CHECK(drain_order{"http://n1:1", {}}.place_for("ws://n1:1", 0) == "");
}

TEST_CASE("drain plan: slots follow each other through the window, each client somewhere in its own") {
  const drain_plan plan(1'000, 4s);
  for (std::size_t i = 0; i < 1'000; ++i) {
    CHECK(plan.slot_of(i, 0) == std::chrono::milliseconds(4 * i));
    CHECK(plan.slot_of(i, 65'535) >= plan.slot_of(i, 0));
    CHECK(plan.slot_of(i, 65'535) <= std::chrono::milliseconds(4 * (i + 1)));
  }
  CHECK(plan.slot_of(5'000, 65'535) <= 4s);  // one too many is not late
  CHECK(drain_plan(0, 4s).slot_of(0, 65'535) <= 4s);
  CHECK(drain_plan(10, 0s).slot_of(9, 65'535) == 0s);
}
