// SPDX-License-Identifier: Apache-2.0
// Whole nodes with their agents around one topology and one store, in one thread: nodes join, leave, die and come back,
// the topology goes away and forgets, and entities are used meanwhile. What was acknowledged stays, once and in order.
#include <set>

#include <doctest/doctest.h>

#include "tests/support/sim_town.hpp"

namespace throng::test {
namespace {

TEST_CASE("nodes join one by one, and only their share moves") {
  town t(1);
  t.start("n1");
  REQUIRE(t.settles(5s));
  CHECK(t.slots_of("n1") == slot_count);
  CHECK(t.leader() == "n1");
  for (std::size_t count = 2; count <= 4; ++count) {
    const auto before = t.table();
    t.start("n" + std::to_string(count));
    CHECK(t.append_everywhere(4s) == all_of(t));
    REQUIRE(t.settles(20s));
    const auto moved = before.moves_to(t.table());
    for (const auto& each : moved) CHECK(each.to == t.members.at("n" + std::to_string(count))->who.node);
    CHECK(moved.size() <= slot_count / count);
    CHECK(moved.size() >= slot_count / count * 85 / 100);
  }
  CHECK(t.append_everywhere() == all_of(t));
  t.check_safety();
}

TEST_CASE("the first table waits for as many nodes as it should") {
  town t(2, 3);
  t.start("n1");
  t.start("n2");
  t.pass(2s);
  CHECK(t.version() == 0);
  t.start("n3");
  REQUIRE(t.settles(5s));
  for (const auto* name : {"n1", "n2", "n3"}) CHECK(t.slots_of(name) >= slot_count / 3);
  CHECK(t.append_everywhere() == all_of(t));
}

TEST_CASE("nodes that start at the same moment get numbers of their own, and one of them leads") {
  town t(3);
  std::set<std::uint16_t> numbers;
  for (const auto* name : {"a", "b", "c", "d"}) numbers.insert(t.start(name).who.node.value);
  CHECK(numbers == std::set<std::uint16_t>{1, 2, 3, 4});
  REQUIRE(t.settles(20s));
  int leaders = 0;
  for (auto& [name, each] : t.members) leaders += each->agent->look()->is_leader;
  CHECK(leaders == 1);
  CHECK(t.append_everywhere() == all_of(t));
}

TEST_CASE("a killed node's slots are served by others at once, and nothing acknowledged is lost") {
  for (const bool is_leader : {false, true}) {
    CAPTURE(is_leader);
    town t(4, 3);
    for (const auto* name : {"n1", "n2", "n3"}) t.start(name);
    REQUIRE(t.settles(10s));
    CHECK(t.append_everywhere() == all_of(t));
    const auto before = t.table();
    std::string victim = t.leader();
    if (!is_leader) victim = victim == "n2" ? "n3" : "n2";
    const auto had = t.slots_of(victim);
    const auto dead = t.members.at(victim)->who.node;
    t.kill(victim);
    REQUIRE(t.settles(300ms));
    CHECK(!t.leader().empty());
    CHECK(t.table().owned_by(dead) == 0);
    CHECK(before.moves_to(t.table()).size() == had);
    CHECK(t.append_everywhere() == all_of(t));
    t.check_safety();
  }
}

TEST_CASE("most nodes are killed at once: the survivor goes on at once") {
  for (const std::string survivor : {"n1", "n2", "n3"}) {
    CAPTURE(survivor);
    town t(14, 3);
    for (const auto* name : {"n1", "n2", "n3"}) t.start(name);
    REQUIRE(t.settles(10s));
    CHECK(t.append_everywhere() == all_of(t));
    for (const std::string name : {"n1", "n2", "n3"})
      if (name != survivor) t.kill(name);
    REQUIRE(t.settles(300ms));
    CHECK(t.leader() == survivor);
    CHECK(t.slots_of(survivor) == slot_count);
    CHECK(t.append_everywhere() == all_of(t));
    t.check_safety();
  }
}

TEST_CASE("a node that starts after all were killed doesn't wait for the records of the dead") {
  town t(15, 3);
  for (const auto* name : {"n1", "n2", "n3"}) t.start(name);
  REQUIRE(t.settles(10s));
  CHECK(t.append_everywhere() == all_of(t));
  for (const auto* name : {"n1", "n2", "n3"}) t.kill(name);
  t.start("n2");
  REQUIRE(t.settles(1s));
  CHECK(t.slots_of("n2") == slot_count);
  CHECK(t.append_everywhere() == all_of(t));
  t.check_safety();
}

TEST_CASE("two nodes that can't reach each other: one goes, and gets no slots before they meet again") {
  town t(16, 3);
  for (const auto* name : {"n1", "n2", "n3"}) t.start(name);
  REQUIRE(t.settles(10s));
  CHECK(t.append_everywhere() == all_of(t));
  t.net.cut(t.members.at("n1")->who.node, t.members.at("n2")->who.node);
  t.pass(1s);  // it may be a short one
  for (auto& [name, each] : t.members) CHECK_FALSE(each->expelled.has_value());
  t.pass(1s);
  REQUIRE(t.members.at("n1")->expelled.has_value() != t.members.at("n2")->expelled.has_value());
  const std::string loser = t.members.at("n1")->expelled ? "n1" : "n2";
  CHECK(t.leader() != loser);
  t.end(loser);
  REQUIRE(t.settles(1s));
  CHECK(t.append_everywhere() == all_of(t));
  t.start(loser);
  for (int i = 0; i < 25; ++i) {
    t.pass(100ms);
    CHECK(t.slots_of(loser) == 0);
  }
  CHECK_FALSE(t.members.at(loser)->expelled.has_value());
  t.net.heal();
  t.pass(3s);
  REQUIRE(t.settles(2s));
  CHECK(t.slots_of(loser) > slot_count / 4);
  CHECK(t.append_everywhere() == all_of(t));
  t.check_safety();
}

TEST_CASE("of two nodes, the survivor goes on alone") {
  town t(5, 2);
  t.start("n1");
  t.start("n2");
  REQUIRE(t.settles(10s));
  t.kill("n1");
  REQUIRE(t.settles(300ms));
  CHECK(t.leader() == "n2");
  CHECK(t.slots_of("n2") == slot_count);
  CHECK(t.append_everywhere() == all_of(t));
  t.check_safety();
}

TEST_CASE("a node that is started again under its name is back at once, with epochs of its own") {
  town t(6, 3);
  for (const auto* name : {"n1", "n2", "n3"}) t.start(name);
  REQUIRE(t.settles(10s));
  CHECK(t.append_everywhere() == all_of(t));
  const auto number = t.members.at("n2")->who.node;
  const auto before = t.table();
  t.kill("n2");
  auto& again = t.start("n2");  // its old record is still there
  CHECK(again.who.node == number);
  CHECK(again.who.incarnation > 1);
  REQUIRE(t.settles(10s));
  for (const auto& each : t.table().fences_of(number)) CHECK(each.epoch > before.owner_of(each.slot).epoch);
  CHECK(t.slots_of("n2") >= slot_count / 4);
  CHECK(t.append_everywhere() == all_of(t));
  t.check_safety();
}

TEST_CASE("a node alone that is killed and started again has all its slots, under new epochs") {
  town t(7);
  t.start("n1");
  REQUIRE(t.settles(5s));
  CHECK(t.append_everywhere() == all_of(t));
  const auto before = t.table();
  t.kill("n1");
  t.start("n1");
  REQUIRE(t.settles(5s));
  for (const auto& each : t.table().fences_of({1})) CHECK(each.epoch == before.owner_of(each.slot).epoch + 1);
  CHECK(t.append_everywhere() == all_of(t));
  t.check_safety();
}

TEST_CASE("a paused node is declared dead, is told when it wakes, and can't write meanwhile") {
  town t(8, 3);
  for (const auto* name : {"n1", "n2", "n3"}) t.start(name);
  REQUIRE(t.settles(10s));
  CHECK(t.append_everywhere() == all_of(t));
  auto& paused = *t.members.at("n1");
  paused.is_paused = true;
  t.net.cut({1}, {2});
  t.net.cut({1}, {3});
  t.pass(1s);
  for (std::uint64_t id = 1; id <= ledgers; ++id) t.append(*t.members.at("n2"), id);
  for (std::uint64_t id = 1; id <= ledgers; ++id) t.append(paused, id);  // what it had in its mailboxes
  t.pass(1s);
  t.check_safety();
  CHECK(t.members.at("n2")->agent->look()->facts.members.size() == 2);
  paused.is_paused = false;
  t.net.heal();
  t.pass(1s);
  CHECK(paused.expelled == expulsion::declared_dead);
  t.check_safety();
  t.end("n1");
  t.start("n1");
  REQUIRE(t.settles(20s));
  CHECK(t.slots_of("n1") > 0);
  CHECK(t.append_everywhere() == all_of(t));
  t.check_safety();
}

TEST_CASE("a second process of the same name makes the first one go for good") {
  town t(9);
  t.start("n1");
  t.start("n2");
  REQUIRE(t.settles(10s));
  auto first = std::move(t.members.at("n1"));
  t.members.erase("n1");
  t.net.kill(first->who.node);
  t.start("n1");
  first->agent->step();
  CHECK(t.settles(10s));
  first->agent->step();
  first->agent->step();
  CHECK(first->expelled.has_value());
  CHECK(t.append_everywhere() == all_of(t));
  t.check_safety();
  first->agent->stop();
  first->runs->stop();
}

TEST_CASE("while the topology is away all goes on, and afterwards too") {
  for (const bool is_forgotten : {false, true}) {
    CAPTURE(is_forgotten);
    town t(10, 3);
    for (const auto* name : {"n1", "n2", "n3"}) t.start(name);
    REQUIRE(t.settles(10s));
    const auto before = t.table();
    t.topology.is_away = true;
    CHECK(t.append_everywhere() == all_of(t));
    t.pass(30s);  // far beyond the ttl of the records
    CHECK(t.append_everywhere() == all_of(t));
    if (is_forgotten) t.topology.forget();
    t.topology.is_away = false;
    REQUIRE(t.settles(10s));
    for (auto& [name, each] : t.members) CHECK_FALSE(each->expelled.has_value());
    CHECK(t.table() == before);
    CHECK(t.restored == (is_forgotten ? 2 : 0));
    CHECK(t.append_everywhere() == all_of(t));
    t.start("n4");
    REQUIRE(t.settles(20s));
    CHECK(t.members.at("n4")->who.node == node_index{4});
    CHECK(t.append_everywhere() == all_of(t));
    t.check_safety();
  }
}

TEST_CASE("a node that dies while the topology is away is replaced when it is back") {
  town t(11, 3);
  for (const auto* name : {"n1", "n2", "n3"}) t.start(name);
  REQUIRE(t.settles(10s));
  CHECK(t.append_everywhere() == all_of(t));
  t.topology.is_away = true;
  t.kill("n1");
  t.pass(5s);
  CHECK(t.append_everywhere(6s) < all_of(t));
  t.topology.is_away = false;
  REQUIRE(t.settles(2s));
  CHECK(t.append_everywhere() == all_of(t));
  t.check_safety();
}

TEST_CASE("a node that leaves is rid of its slots first, and nobody notices") {
  town t(12, 3);
  for (const auto* name : {"n1", "n2", "n3"}) t.start(name);
  REQUIRE(t.settles(10s));
  CHECK(t.append_everywhere() == all_of(t));
  const auto leaving = t.leader();
  t.members.at(leaving)->agent->start_leaving();
  for (int i = 0; i < 40 && !t.members.at(leaving)->agent->has_left(); ++i)
    CHECK(t.append_everywhere(200ms) == all_of(t));
  REQUIRE(t.members.at(leaving)->agent->has_left());
  CHECK(t.slots_of(leaving) == 0);
  t.end(leaving);
  REQUIRE(t.settles(2s));
  CHECK(t.append_everywhere() == all_of(t));
  t.check_safety();
}

TEST_CASE("a node that has left took no ask along that went on from it to a slow one") {
  town t(17, 3);
  t.tune = [](auto& how) { how.coordination.balancing_moves_max = slot_count; };  // its slots go in one step
  for (const auto* name : {"n1", "n2", "n3"}) t.start(name);
  REQUIRE(t.settles(10s));
  CHECK(t.append_everywhere() == all_of(t));
  auto& leaving = *t.members.at("n2");
  auto& asker = *t.members.at("n3");
  std::uint64_t id = 1;
  while (t.owner_of(slot_of(ledger_key(id))) != "n2") ++id;
  asker.is_paused = true;  // it asks by the table that it knew
  leaving.agent->start_leaving();
  for (int i = 0; i < 100 && leaving.runs->placed().open_slots > 0; ++i) t.pass(10ms);
  REQUIRE(leaving.runs->placed().open_slots == 0);
  t.pass(100ms);
  CHECK_FALSE(leaving.agent->has_left());  // the asker still sends by way of it
  auto& next = *t.members.at(t.owner_of(slot_of(ledger_key(id))));
  REQUIRE(next.name == "n1");
  next.holds_commits = true;
  const int before = t.acknowledged_count;
  t.append(asker, id);
  asker.is_paused = false;
  for (int i = 0; i < 100 && !leaving.agent->has_left(); ++i) t.pass(10ms);
  REQUIRE(leaving.agent->has_left());
  t.pass(50ms);
  t.end("n2");
  t.pass(500ms);
  CHECK(t.refusals.empty());
  CHECK(t.acknowledged_count == before);
  next.holds_commits = false;
  t.pass(500ms);
  CHECK(t.acknowledged_count == before + 1);
  t.check_safety();
}

TEST_CASE("the last node may leave although nobody takes its slots") {
  town t(13);
  t.start("n1");
  REQUIRE(t.settles(5s));
  t.members.at("n1")->agent->start_leaving();
  t.pass(100ms);
  CHECK(t.members.at("n1")->agent->has_left());
}

TEST_CASE("kills, restarts, cuts and outages at random: what was acknowledged stays, and it settles") {
#ifdef __SANITIZE_THREAD__
  constexpr unsigned seeds = 2;  // slow, and in one thread there is little to find
#else
  constexpr unsigned seeds = 12;
#endif
  for (unsigned seed = 1; seed <= seeds; ++seed) {
    CAPTURE(seed);
    town t(seed, 3);
    const std::vector<std::string> names{"n1", "n2", "n3", "n4"};
    for (const auto& name : names) t.start(name);
    REQUIRE(t.settles(20s));
    for (int i = 0; i < 60; ++i) {
      const auto& name = names[t.random() % names.size()];
      const bool lives = t.members.contains(name);
      switch (t.random() % 10) {
        case 0:
          if (lives && t.members.size() > 1) t.kill(name);
          break;
        case 1:
        case 2:
          if (!lives && !t.topology.is_away) t.start(name);
          break;
        case 3:
          t.topology.is_away = t.random() % 2 == 0;
          break;
        case 4:
          t.net.cut({static_cast<std::uint16_t>(1 + t.random() % 4)}, {static_cast<std::uint16_t>(1 + t.random() % 4)});
          break;
        case 5:
          t.net.heal();
          break;
        default:
          for (auto& [_, each] : t.members) t.append(*each, 1 + t.random() % ledgers);
      }
      t.pass(std::chrono::milliseconds(10 * (1 + t.random() % 40)));
      for (const auto& each : names)  // what its process does
        if (t.members.contains(each) && t.members.at(each)->expelled) {
          t.end(each);
          if (!t.topology.is_away) t.start(each);
        }
    }
    t.topology.is_away = false;
    t.net.heal();
    for (int i = 0; i < 40; ++i) {
      t.pass(500ms);
      for (const auto& each : names)
        if (t.members.contains(each) && t.members.at(each)->expelled) t.end(each), t.start(each);
    }
    REQUIRE(t.settles(20s));
    CHECK(t.append_everywhere() == all_of(t));
    t.check_safety();
  }
}

TEST_CASE("a node that starts while the topology has forgotten all is new to those who have buried it") {
  town t(11, 3);
  for (const auto* name : {"n1", "n2", "n3"}) t.start(name);
  REQUIRE(t.settles(10s));
  for (int i = 0; i < 3; ++i) {
    t.kill("n3");
    t.pass(3s);
    t.start("n3");
    REQUIRE(t.settles(20s));
  }
  t.end("n3");
  t.pass(3s);
  t.topology.forget();
  t.start("n3");  // before the others have put back who they are: with the number of one of them
  for (int i = 0; i < 20; ++i) {
    t.pass(200ms);
    for (const auto* name : {"n1", "n2", "n3"}) {
      if (t.members.contains(name) && t.members.at(name)->expelled) t.end(name);
      if (!t.members.contains(name)) t.start(name);
    }
  }
  REQUIRE(t.settles(20s));
  for (const auto* name : {"n1", "n2", "n3"}) CHECK(t.slots_of(name) > 1'000);
  CHECK(t.append_everywhere() == all_of(t));
  t.check_safety();
}

}  // namespace
}  // namespace throng::test
