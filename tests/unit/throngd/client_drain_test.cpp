// SPDX-License-Identifier: Apache-2.0
#include "tools/throngd/client_drain.hpp"

#include <doctest/doctest.h>

namespace throng {
namespace {

using namespace std::chrono_literals;

constexpr auto patience = 5s;

/// Three nodes with a third of the slots each, of which n1 looks at it.
cluster_agent::view three_nodes() {
  cluster_agent::view now;
  for (std::uint16_t i = 1; i <= 3; ++i) {
    node_record member;
    member.who.node = node_index{i};
    member.who.name = "n" + std::to_string(i);
    member.who.client_url = "http://n" + std::to_string(i);
    now.facts.members.push_back(member);
  }
  now.self = now.facts.members[0].who;
  std::vector<slot_move> moves;
  for (std::uint16_t slot = 0; slot < slot_count; ++slot)
    moves.push_back({slot_id{slot}, node_index{0}, node_index{static_cast<std::uint16_t>(1 + slot % 3)}});
  now.facts.table = slot_table::unowned(1, {}).after(moves);
  return now;
}

void take_slots(cluster_agent::view& now) {
  std::vector<slot_move> moves;
  for (std::uint16_t slot = 0; slot < slot_count; slot = static_cast<std::uint16_t>(slot + 3))
    moves.push_back({slot_id{slot}, node_index{1}, node_index{2}});
  now.facts.table = now.facts.table->after(moves);
}

TEST_CASE("client drain: clients go when the slots are gone, or after a while; undrained, it takes clients again") {
  auto now = three_nodes();
  const steady_time begin{};
  client_drain drain(patience);
  auto made = drain.look(now, begin);
  CHECK_FALSE(made.is_wanted);
  CHECK_FALSE(made.begins);
  CHECK_FALSE(made.ends);

  now.facts.wishes.draining = {"n1"};
  SUBCASE("when they are gone") {
    made = drain.look(now, begin + 1s);
    CHECK(made.is_wanted);
    CHECK_FALSE(made.begins);
    take_slots(now);
    made = drain.look(now, begin + 2s);
    REQUIRE(made.begins);
    CHECK(*made.begins == drain_order{"http://n1", {"http://n2", "http://n3"}});
  }
  SUBCASE("after a while") {
    CHECK_FALSE(drain.look(now, begin + 1s).begins);
    CHECK_FALSE(drain.look(now, begin + 1s + patience - 1ms).begins);
    CHECK(drain.look(now, begin + 1s + patience).begins);
  }
  CHECK_FALSE(drain.look(now, begin + 10s).begins);  // said once

  now.facts.wishes.draining = {"n1", "n3"};
  made = drain.look(now, begin + 11s);
  REQUIRE(made.begins);  // and again when they are to go elsewhere
  CHECK(made.begins->others == std::vector<std::string>{"http://n2"});

  now.facts.wishes.draining = {"n3"};
  made = drain.look(now, begin + 12s);
  CHECK_FALSE(made.is_wanted);
  CHECK(made.ends);
  CHECK_FALSE(drain.look(now, begin + 13s).ends);
}

TEST_CASE("client drain: who stops sends clients to drained nodes if there are no others") {
  auto now = three_nodes();
  now.facts.wishes.draining = {"n2"};
  CHECK(way_out(now, true).others == std::vector<std::string>{"http://n3"});
  now.facts.members[2].is_draining = true;
  CHECK(way_out(now, true).others == std::vector<std::string>{"http://n2"});
  CHECK(way_out(now).others.empty());
}

TEST_CASE("client drain: who has nowhere to send clients keeps them") {
  auto now = three_nodes();
  take_slots(now);
  client_drain drain(patience);
  now.facts.wishes.draining = {"n1", "n2"};
  SUBCASE("because the last one stops") { now.facts.members[2].is_draining = true; }
  SUBCASE("because it can't be reached") {
    now.facts.members[0].unreachable = {node_index{3}};
    now.facts.members[1].unreachable = {node_index{3}};
  }
  SUBCASE("because it is drained as well") { now.facts.wishes.draining.insert("n3"); }
  const auto made = drain.look(now, steady_time{} + 1h);
  CHECK_FALSE(made.is_wanted);
  CHECK_FALSE(made.begins);
}

}  // namespace
}  // namespace throng
