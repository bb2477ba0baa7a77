// SPDX-License-Identifier: Apache-2.0
// What the topology has forgotten while somebody slept: numbers, the dead, and the table that came last. The store has
// forgotten nothing, so an epoch stays one node's.
#include "tests/support/sim_town.hpp"

namespace throng::test {
namespace {

/// What `self` had in its mailboxes when it fell asleep: it may be late, but it mustn't be carried out beside
/// another's.
void sleep_in_the_middle(town& t, member& self) {
  self.holds_commits = true;
  for (std::uint64_t id = 1; id <= ledgers; ++id) t.append(self, id);
  t.pass(20ms);
  self.is_paused = true;
  for (auto& [name, each] : t.members)
    if (each.get() != &self) t.net.cut(self.who.node, each->who.node);
}
void wake(town& t, member& self) {
  self.is_paused = false;
  self.holds_commits = false;
  t.net.heal();
}

TEST_CASE("a number that is given to another while its node sleeps makes no second writer") {
  town t(21, 3);
  for (const auto* name : {"n1", "n2", "n3"}) t.start(name);
  REQUIRE(t.settles(10s));
  CHECK(t.append_everywhere() == all_of(t));
  t.kill("n3");
  REQUIRE(t.settles(20s));
  const auto before = t.table();
  auto& sleeper = *t.members.at("n1");
  const auto had = before.fences_of(sleeper.who.node);
  REQUIRE_FALSE(had.empty());
  t.topology.is_away = true;
  sleep_in_the_middle(t, sleeper);
  t.pass(100ms);
  t.topology.is_away = false;
  t.topology.forget();
  REQUIRE(t.start("n3").who.node == sleeper.who.node);  // before anybody could say that it is taken
  t.net.heal();                                         // its links are the number's

  t.pass(4s);
  const auto now = t.table();
  for (const auto& each : had) CHECK(now.owner_of(each.slot).epoch > each.epoch);
  const int first_late = t.asked + 1;
  for (std::uint64_t id = 1; id <= ledgers; ++id) t.append(sleeper, id);  // it answers nobody before it hears
  const int acknowledged = t.acknowledged_count;
  for (const auto* name : {"n2", "n3"})
    for (std::uint64_t id = 1; id <= ledgers; ++id) t.append(*t.members.at(name), id);
  t.pass(2s);
  CHECK(t.acknowledged_count == acknowledged + 2 * static_cast<int>(ledgers));
  wake(t, sleeper);
  t.pass(1s);
  CHECK(sleeper.expelled.has_value());
  for (const auto& [id, all] : t.acknowledged)
    for (const auto& [seq, number] : all) CHECK((number < first_late || t.senders[number].starts_with("n1#") == false));
  t.check_safety();
  t.end("n1");
}

TEST_CASE("the number of a node that sleeps is kept for it, once anybody is back who knows it") {
  town t(22, 3);
  for (const auto* name : {"n1", "n2", "n3"}) t.start(name);
  REQUIRE(t.settles(10s));
  CHECK(t.append_everywhere() == all_of(t));
  auto& sleeper = *t.members.at("n1");
  sleep_in_the_middle(t, sleeper);
  t.topology.forget();
  t.pass(100ms);
  CHECK(t.start("n4").who.node == node_index{4});
  wake(t, sleeper);
  t.pass(1s);
  if (sleeper.expelled) {
    t.end("n1");
    CHECK(t.start("n1").who.node == node_index{1});
  }
  REQUIRE(t.settles(20s));
  CHECK(t.append_everywhere() == all_of(t));
  t.check_safety();
}

TEST_CASE("who was declared dead is dead when the topology has forgotten it") {
  for (const bool wakes_first : {false, true}) {
    CAPTURE(wakes_first);
    town t(23, 3);
    for (const auto* name : {"n1", "n2", "n3", "n4"}) t.start(name);
    REQUIRE(t.settles(10s));
    auto& sleeper = *t.members.at("n3");
    sleep_in_the_middle(t, sleeper);
    t.pass(5s);
    REQUIRE(t.slots_of("n3") == 0);
    t.topology.forget();
    if (wakes_first) sleeper.agent->step();
    if (!wakes_first) t.pass(100ms);
    wake(t, sleeper);
    t.pass(1s);
    CHECK(sleeper.expelled == expulsion::declared_dead);
    t.end("n3");
    t.start("n3");
    REQUIRE(t.settles(20s));
    CHECK(t.append_everywhere() == all_of(t));
    t.check_safety();
  }
}

TEST_CASE("a table of yesterday that comes back makes no second writer, and is left behind") {
  town t(24, 2);
  for (const auto* name : {"n1", "n2", "n3", "n4"}) t.start(name);
  REQUIRE(t.settles(10s));
  CHECK(t.append_everywhere() == all_of(t));
  auto& yesterday = *t.members.at("n3");
  sleep_in_the_middle(t, yesterday);
  t.pass(5s);  // its slots are others' by now
  REQUIRE(t.slots_of("n3") == 0);
  CHECK(t.append_everywhere() == 3 * static_cast<int>(ledgers));
  for (const auto* name : {"n1", "n2", "n4"}) sleep_in_the_middle(t, *t.members.at(name));
  t.topology.forget();
  wake(t, yesterday);
  t.pass(8s);
  for (const auto* name : {"n1", "n2", "n4"}) wake(t, *t.members.at(name));
  t.pass(5s);
  for (const auto* name : {"n1", "n2", "n3", "n4"})
    if (t.members.at(name)->expelled) {
      t.end(name);
      t.start(name);
    }
  REQUIRE(t.settles(30s));
  t.append_everywhere();  // what writes first under an epoch of yesterday is refused
  CHECK(t.append_everywhere() == all_of(t));
  t.check_safety();
}

}  // namespace
}  // namespace throng::test
