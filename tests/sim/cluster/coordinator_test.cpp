// SPDX-License-Identifier: Apache-2.0
// The COORDINATOR among whole nodes: two that think they lead, one that dies at any of its writes, a topology whose
// table is gone, garbled or an old one, what people wish, and a hot entity.
#include <doctest/doctest.h>

#include "cluster/coordinator/placement_wishes.hpp"
#include "tests/support/sim_town.hpp"

namespace throng::test {
namespace {

void start_settled(town& t, std::initializer_list<const char*> names) {
  for (const auto* name : names) t.start(name);
  REQUIRE(t.settles(20s));
}

placement_wishes wishes_of(town& t) {
  auto entry = t.topology.get(placement_wishes_key);
  return *entry ? *parse_placement_wishes(**entry) : placement_wishes{};
}
void wish(town& t, const placement_wishes& wanted) {
  REQUIRE(t.topology.put(placement_wishes_key, to_json(wanted), wishes_of(t).version).ok());
}
/// Everything that this node has goes to that one.
placement_change everything(town& t, const std::string& from, const std::string& to) {
  const auto table = t.table();
  placement_change change{wishes_of(t).change.id + 1, table.version(), "a change", {}};
  for (const auto& each : table.fences_of(t.members.at(from)->who.node))
    change.moves.push_back({each.slot, t.members.at(from)->who.node, t.members.at(to)->who.node});
  return change;
}

TEST_CASE("two who think that they lead: one table is made, and the other one's is refused") {
  town t(31, 3);
  start_settled(t, {"n1", "n2", "n3"});
  REQUIRE(t.leader() == "n1");
  auto& n1 = *t.members.at("n1");
  auto& n2 = *t.members.at("n2");
  const auto before = t.version();
  const auto made_by = [](const member& each) { return each.agent->look()->tables_made; };
  const auto made_by_1 = made_by(n1), made_by_2 = made_by(n2);
  auto wanted = wishes_of(t);
  wanted.draining = {"n3"};
  wish(t, wanted);
  t.topology.deliver();  // all know the wish, nobody has done anything yet
  n1.sees->set_deaf(true);
  const auto lead = n2.agent->look()->facts.lead;
  REQUIRE(t.topology.put(leadership_key, to_json(leadership{"n2", n2.who.incarnation, lead.term + 1, 0}), lead.version)
              .ok());
  t.topology.deliver();
  n2.agent->step();
  n1.agent->step();
  CHECK(n1.agent->look()->is_leader);
  CHECK(n2.agent->look()->is_leader);
  CHECK(made_by(n2) == made_by_2 + 1);
  CHECK(made_by(n1) == made_by_1);
  CHECK(t.version() == before + 1);
  n1.sees->set_deaf(false);
  REQUIRE(t.settles(20s));
  t.pass(3s);
  CHECK(t.leader() == "n2");
  CHECK(t.slots_of("n3") == 0);
  CHECK(t.append_everywhere() == all_of(t));
  t.check_safety();
}

TEST_CASE("a leader that dies at any of its writes, just before or just after: the next one goes on") {
  for (const bool dies_after : {false, true})
    for (int write = 0;; ++write) {
      town t(32, 4);
      start_settled(t, {"n1", "n2", "n3", "n4"});
      CHECK(t.append_everywhere() == all_of(t));
      auto& next = *t.members.at("n2")->sees;
      next.dies_after = dies_after;
      next.writes_left = write;
      t.kill("n1");  // n2 leads, declares it dead, and gives its slots to others
      t.pass(1s);
      if (next.died_at.empty()) {
        CHECK(write >= 4);  // the lead, the incarnation, the record, the table
        break;
      }
      const auto died_at = next.died_at;
      CAPTURE(died_at);
      CAPTURE(dies_after);
      t.kill("n2");
      REQUIRE(t.settles(20s));
      CHECK(t.append_everywhere() == all_of(t));
      t.check_safety();
    }
}

TEST_CASE("a change by hand outlives its leader, wherever that dies") {
  for (const bool dies_after : {false, true})
    for (int write = 0;; ++write) {
      town t(33, 3);
      start_settled(t, {"n1", "n2", "n3"});
      auto wanted = wishes_of(t);
      wanted.balances = false;
      wanted.change = everything(t, "n3", "n2");
      wish(t, wanted);
      auto& leader = *t.members.at("n1")->sees;
      leader.dies_after = dies_after;
      leader.writes_left = write;
      t.pass(2s);
      const auto died_at = leader.died_at;
      CAPTURE(died_at);
      CAPTURE(dies_after);
      if (!died_at.empty()) t.kill("n1");
      REQUIRE(t.settles(20s));
      t.pass(5s);
      REQUIRE(t.settles(20s));
      const auto state = state_of(wanted.change, t.table());
      // Either it was begun, and then all of it was done; or the dead leader's slots had to move first, and it never
      // was.
      CHECK((state == change_state::finished || state == change_state::overtaken));
      CHECK((state == change_state::finished) == (t.table().mark().change == wanted.change.id));
      CHECK(t.append_everywhere() == all_of(t));
      t.check_safety();
      if (died_at.empty()) {
        CHECK(t.slots_of("n3") == 0);
        break;
      }
    }
}

TEST_CASE("a slot table that is gone from the topology, garbled, or an old one is put back, and nothing moves") {
  for (const std::string what : {"gone", "garbled", "old"}) {
    CAPTURE(what);
    town t(34, 3);
    t.start("n1");
    t.start("n2");
    t.start("n3");
    REQUIRE(t.settles(20s));
    auto entry = t.topology.get(slot_table_key);
    REQUIRE((*entry).has_value());
    const auto old = **entry;
    t.start("n4");
    REQUIRE(t.settles(20s));
    t.pass(3s);
    const auto before = t.table();
    entry = t.topology.get(slot_table_key);
    if (what == "gone")
      REQUIRE(t.topology.erase(slot_table_key, (*entry)->version).ok());
    else
      REQUIRE(t.topology.put(slot_table_key, what == "old" ? old.value : "not a table", (*entry)->version).ok());
    CHECK(t.append_everywhere() == all_of(t));
    entry = t.topology.get(slot_table_key);
    REQUIRE((*entry).has_value());
    CHECK(*slot_table::decode((*entry)->value) == before);
    CHECK(t.settles(1s));
    // And the coordinator's work goes on.
    t.kill("n4");
    REQUIRE(t.settles(10s));
    CHECK(t.append_everywhere() == all_of(t));
    t.check_safety();
  }
}

TEST_CASE("a table that its leader has lost too is put back by whoever knows it") {
  town t(35, 3);
  start_settled(t, {"n1", "n2", "n3"});
  const auto before = t.table();
  auto entry = t.topology.get(slot_table_key);
  // The leader dies at the moment at which the table is lost; the next one to lead has just come, and never saw it.
  t.kill("n1");
  REQUIRE(t.topology.erase(slot_table_key, (*entry)->version).ok());
  t.start("n1");
  REQUIRE(t.settles(30s));
  CHECK(t.version() >= before.version());
  for (std::uint16_t slot = 0; slot < slot_count; ++slot)
    CHECK(t.table().owner_of({slot}).epoch >= before.owner_of({slot}).epoch);
  CHECK(t.append_everywhere() == all_of(t));
  t.check_safety();
}

TEST_CASE("wishes: a drained node stays an empty member, one that weighs nothing takes nothing, and a pin holds") {
  town t(36, 3);
  start_settled(t, {"n1", "n2", "n3"});
  auto wanted = wishes_of(t);
  wanted.draining = {"n2"};
  wanted.weights = {{"n4", 0}};
  const auto pinned = t.table().fences_of(t.members.at("n1")->who.node).front().slot;
  wanted.pins[pinned.value] = "n3";
  wish(t, wanted);
  t.pass(3s);
  REQUIRE(t.settles(20s));
  CHECK(t.slots_of("n2") == 0);
  CHECK(t.table().owner_of(pinned).node == t.members.at("n3")->who.node);
  t.start("n4");
  t.pass(5s);
  CHECK(t.slots_of("n4") == 0);
  CHECK(t.append_everywhere() == all_of(t));
  t.topology.forget();  // Consul is new, and empty
  t.pass(5s);
  CHECK(wishes_of(t).draining == std::set<std::string>{"n2"});
  CHECK(t.slots_of("n2") == 0);
  wanted = wishes_of(t);
  wanted.draining.clear();
  wish(t, wanted);
  t.pass(5s);
  REQUIRE(t.settles(20s));
  CHECK(t.slots_of("n2") > slot_count / 4);
  CHECK(t.append_everywhere() == all_of(t));
  t.check_safety();
}

TEST_CASE("one hot entity among many is moved once, to the quietest node, and stays there") {
  town t(37, 3);
  t.tune = [](cluster_agent::options& how) {
    how.load_period = 500ms;
    how.meter.lag = 1s;
    how.meter.hot_rate = 30;
    how.balance.patience = 2s;
    how.balance.pause = 5s;
  };
  start_settled(t, {"n1", "n2", "n3"});
  const auto owner_of = [&](std::uint64_t id) { return t.table().owner_of(slot_of(ledger_key(id))).node; };
  const auto home = owner_of(1);
  std::vector<std::uint64_t> beside;  // what else its node has to do
  for (std::uint64_t id = 2; id <= ledgers; ++id)
    if (owner_of(id) == home) beside.push_back(id);
  auto& asker = *t.members.at("n1");
  auto work = [&](std::chrono::seconds time) {
    for (int tenth = 0; tenth < time.count() * 10; ++tenth) {
      for (int i = 0; i < 5; ++i) t.append(asker, 1);
      if (tenth % 2 == 0)
        for (auto id : beside) t.append(asker, id);
      t.pass(100ms);
    }
  };
  work(15s);
  REQUIRE(t.settles(10s));
  const auto now_on = owner_of(1);
  CHECK(now_on != home);
  std::uint64_t hot_moves = 0;
  for (auto& [name, each] : t.members) hot_moves += each->agent->look()->hot_moves;
  CHECK(hot_moves == 1);
  work(20s);
  CHECK(owner_of(1) == now_on);
  t.pass(6s);
  t.check_safety();
}

}  // namespace
}  // namespace throng::test
