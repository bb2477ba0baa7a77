// SPDX-License-Identifier: Apache-2.0
// Simulated loads: what the coordinator moves for them, how often, and what stays.
#include "cluster/coordinator/load_balance.hpp"

#include <algorithm>
#include <optional>
#include <random>

#include <doctest/doctest.h>

#include "cluster/coordinator/placement_preview.hpp"

namespace throng {
namespace {

using namespace std::chrono_literals;

/// Nodes whose slots cost what the test says. Each step, a second, the nodes report, and the leader decides.
class balanced_town {
 public:
  explicit balanced_town(std::uint16_t nodes) {
    for (std::uint16_t node = 1; node <= nodes; ++node) join(node);
    facts.lead = {"n1", 1, 1, 1};
    planner_input input;
    const auto shares = node_shares(facts);
    input.nodes = shares;
    facts.table = slot_table{}.after(plan_placement({}, input).moves);
    loads.assign(slot_count, 0);
    settle();
  }
  void join(std::uint16_t node, std::uint32_t weight = 1) {
    node_record record;
    record.who.node = {node};
    record.who.name = "n" + std::to_string(node);
    record.who.incarnation = 1;
    record.weight = weight;
    facts.members.push_back(record);
  }
  void leave(std::uint16_t node) {
    std::erase_if(facts.members, [&](const auto& each) { return each.who.node == node_index{node}; });
  }
  void settle() {
    for (auto& each : facts.members) each.applied = facts.table->version();
  }
  void report() {
    facts.loads.clear();
    for (const auto& each : facts.members) {
      load_report report{each.who.name, each.who.node, 1, 0, {}, {}};
      std::vector<slot_load> own;
      for (std::uint16_t slot = 0; slot < slot_count; ++slot)
        if (facts.table->owner_of({slot}).node == each.who.node) own.push_back({{slot}, loads[slot]});
      std::ranges::stable_sort(own, std::greater{}, &slot_load::load);
      for (std::size_t i = 0; i < own.size(); ++i)
        if (i < reported_slots_max)
          report.slots.push_back(own[i]);
        else
          report.rest += own[i].load;
      for (const auto& one : hot)
        if (facts.table->owner_of(slot_of(one.key)).node == each.who.node) report.hot.push_back(one);
      facts.loads.push_back(report);
    }
  }
  /// How many moves were made in this time, at most `moves_max` at once.
  std::size_t run(std::chrono::seconds time) {
    std::size_t moves = 0;
    for (auto passed = 0s; passed < time; ++passed) {
      now += 1s;
      report();
      const auto& advice = balance->look(facts, how, now);
      auto next = decide(facts, "n1", how, advice);
      const auto* made = std::get_if<make_table>(&next);
      if (!made) continue;
      CHECK((made->cause == make_table::cause_t::dead || made->plan.moves.size() <= how.balancing_moves_max));
      facts.table = facts.table->after(made->plan.moves, made->mark);
      balance->has_made(*made, now);
      moves += made->plan.moves.size();
      all_moves.insert(all_moves.end(), made->plan.moves.begin(), made->plan.moves.end());
      last_why = made->why;
      settle();
    }
    return moves;
  }
  std::uint64_t load_of(std::uint16_t node) const {
    std::uint64_t sum = 0;
    for (std::uint16_t slot = 0; slot < slot_count; ++slot)
      if (facts.table->owner_of({slot}).node == node_index{node}) sum += loads[slot];
    return sum;
  }
  node_index owner(entity_key key) const { return facts.table->owner_of(slot_of(key)).node; }

  coordinator_options how;
  cluster_facts facts;
  std::vector<std::uint32_t> loads;
  std::vector<hot_entity> hot;
  std::optional<load_balance> balance{balance_options{}};
  steady_time now{1h};
  std::vector<slot_move> all_moves;
  std::string last_why;
};

entity_key channel(std::uint64_t id) { return {entity_kind::channel, id}; }
/// A channel on that node.
entity_key channel_on(const balanced_town& t, std::uint16_t node) {
  for (std::uint64_t id = 1;; ++id)
    if (t.owner(channel(id)) == node_index{node}) return channel(id);
}

TEST_CASE("balance: load that wavers around even moves nothing, for half an hour") {
  balanced_town t(4);
  std::mt19937 random(1);
  std::size_t moves = 0;
  for (int minute = 0; minute < 30; ++minute) {
    for (auto& each : t.loads) each = static_cast<std::uint32_t>(random() % 100);
    moves += t.run(60s);
  }
  CHECK(moves == 0);
}

TEST_CASE("balance: a burst that passes moves nothing; what lasts is evened out, and then stays") {
  balanced_town t(3);
  for (auto& each : t.loads) each = 10;
  CHECK(t.run(60s) == 0);
  std::vector<std::uint16_t> busy;
  for (std::uint16_t slot = 0; busy.size() < 50; ++slot)
    if (t.facts.table->owner_of({slot}).node == node_index{1}) busy.push_back(slot);
  for (auto slot : busy) t.loads[slot] = 400;
  CHECK(t.run(10s) == 0);
  for (auto slot : busy) t.loads[slot] = 10;
  CHECK(t.run(60s) == 0);
  for (auto slot : busy) t.loads[slot] = 400;
  const auto moves = t.run(60s);
  CHECK(moves > 10);
  CHECK(moves < 60);
  for (std::uint16_t node : {1, 2, 3})
    CHECK(t.load_of(node) * 100 < (t.load_of(1) + t.load_of(2) + t.load_of(3)) / 3 * 115);
  for (const auto& each : t.all_moves) CHECK(each.from == node_index{1});
  CHECK(t.run(3600s) == 0);
}

TEST_CASE("balance: load that swings between nodes is followed at most once a pause, and no slot goes to and fro") {
  balanced_town t(3);
  std::size_t rounds = 0;
  for (int i = 0; i < 60; ++i) {  // a minute here, a minute there
    for (std::uint16_t slot = 0; slot < slot_count; ++slot)
      t.loads[slot] = slot % 3 == static_cast<unsigned>(i % 3) ? 60 : 5;
    rounds += t.run(60s) > 0;
  }
  CHECK(rounds <= 60);
  std::map<slot_id, int> times;
  for (const auto& each : t.all_moves) ++times[each.slot];
  for (const auto& [slot, count] : times) CHECK(count <= 60 / 5 + 1);  // it stays for five pauses
}

TEST_CASE("balance: a node that joins under load gets its share at once; nothing moves between the others") {
  balanced_town t(3);
  std::mt19937 random(2);
  for (auto& each : t.loads) each = static_cast<std::uint32_t>(random() % 50 == 0 ? 500 : random() % 10);
  t.run(600s);
  t.all_moves.clear();
  t.join(4);
  t.settle();
  t.run(30s);
  for (const auto& each : t.all_moves) CHECK(each.to == node_index{4});
  CHECK(t.all_moves.size() <= slot_count / 4 * 11 / 10);
  const auto total = t.load_of(1) + t.load_of(2) + t.load_of(3) + t.load_of(4);
  CHECK(t.load_of(4) * 4 > total * 85 / 100);
  t.all_moves.clear();
  const auto had = t.facts.table->owned_by({2});
  t.leave(2);
  t.run(60s);
  CHECK(t.all_moves.size() == had);  // the dead's, and nothing else
}

TEST_CASE("balance: a node that has only just joined when the leader dies gets its share from the next one at once") {
  balanced_town t(3);
  t.how.balancing_moves_max = 256;
  for (auto& each : t.loads) each = 20;
  CHECK(t.run(30s) == 0);
  t.join(4);
  t.settle();
  t.run(1s);
  const auto had = t.facts.table->owned_by({4});
  REQUIRE(had > 0);
  REQUIRE(had < slot_count / 8);
  t.balance.emplace(balance_options{});
  t.run(10s);  // less than uneven load has to last
  CHECK(t.facts.table->owned_by({4}) > slot_count / 4 * 8 / 10);
}

TEST_CASE("balance: a leader that begins moves nothing where a few slots carry much, and loads are nearly even") {
  // The second node has 100 slots, of which two carry half of all: a bit more than its share, or less.
  for (const std::uint32_t heavy : {22'000, 25'000, 28'000}) {
    CAPTURE(heavy);
    balanced_town t(2);
    for (auto& each : t.loads) each = 10;
    std::vector<slot_move> moves;
    std::uint16_t kept = 0;
    for (std::uint16_t slot = 0; slot < slot_count; ++slot) {
      if (t.facts.table->owner_of({slot}).node != node_index{2}) continue;
      if (++kept > 100)
        moves.push_back({{slot}, {2}, {1}});
      else if (kept <= 2)
        t.loads[slot] = heavy;
    }
    t.facts.table = t.facts.table->after(moves);
    t.settle();
    t.balance.emplace(balance_options{});
    CHECK(t.run(10min) == 0);
  }
}

TEST_CASE("balance: weights are followed at once, whoever changes them") {
  balanced_town t(2);
  for (auto& each : t.loads) each = 20;
  CHECK(t.run(30s) == 0);
  t.facts.wishes.weights["n2"] = 3;
  t.run(60s);
  CHECK(t.load_of(2) > t.load_of(1) * 5 / 2);
  t.facts.wishes.weights["n1"] = 0;
  t.run(60s);
  CHECK(t.facts.table->owned_by({1}) == 0);
}

TEST_CASE("balance: off, only what must move does") {
  balanced_town t(3);
  t.facts.wishes.balances = false;
  for (std::uint16_t slot = 0; slot < slot_count; ++slot)
    t.loads[slot] = t.facts.table->owner_of({slot}).node == node_index{1} ? 50 : 1;
  t.join(4);
  t.settle();
  CHECK(t.run(300s) == 0);
  t.facts.wishes.draining = {"n3"};
  CHECK(t.run(60s) > 1'000);
  CHECK(t.facts.table->owned_by({3}) == 0);
}

/// Everybody has something to do, and n2 more than the others, but not enough for a round of balancing.
void keep_busy(balanced_town& t) {
  for (auto& each : t.loads) each = 2;
  std::size_t more = 0;
  for (std::uint16_t slot = 0; more < 600; ++slot)
    if (t.facts.table->owner_of({slot}).node == node_index{2}) {
      t.loads[slot] = 3;
      ++more;
    }
}

TEST_CASE("balance: one hot channel among many is moved once to the quietest node, and stays") {
  balanced_town t(3);
  const auto key = channel_on(t, 2);
  keep_busy(t);
  CHECK(t.run(60s) == 0);
  t.loads[slot_of(key).value] = 200;
  t.hot = {{key, 200, 15}};
  CHECK(t.run(10s) == 0);  // it may pass
  CHECK(t.run(50s) == 1);
  CHECK(t.owner(key) != node_index{2});
  CHECK(t.last_why == to_text(key) + " is hot: 200 messages a second, 15 waiting");
  const auto now_on = t.owner(key);
  t.run(900s);
  CHECK(t.owner(key) == now_on);
  CHECK(std::ranges::count(t.all_moves, slot_of(key), &slot_move::slot) == 1);
}

TEST_CASE("balance: a hot channel that is all its node's load stays, and so does one that is pinned") {
  balanced_town t(3);
  const auto key = channel_on(t, 2);
  for (auto& each : t.loads) each = 2;
  for (std::uint16_t slot = 0; slot < slot_count; ++slot)
    if (t.facts.table->owner_of({slot}).node == node_index{2}) t.loads[slot] = 0;
  t.loads[slot_of(key).value] = 2'800;
  t.hot = {{key, 2'800, 0}};
  CHECK(t.run(600s) == 0);

  balanced_town u(3);
  keep_busy(u);
  u.loads[slot_of(key).value] = 200;
  u.hot = {{key, 200, 0}};
  u.facts.wishes.pins[slot_of(key).value] = "n2";
  CHECK(u.run(600s) == 0);
  u.facts.wishes.pins.clear();
  CHECK(u.run(60s) == 1);
}

TEST_CASE("balance: many hot channels are spread, one a pause") {
  balanced_town t(4);
  for (auto& each : t.loads) each = 2;
  for (std::uint64_t id = 1; t.hot.size() < 4; ++id)
    if (t.owner(channel(id)) == node_index{1}) {
      t.hot.push_back({channel(id), 600, 0});
      t.loads[slot_of(channel(id)).value] = 600;
    }
  t.run(900s);
  std::set<node_index> on;
  for (const auto& each : t.hot) on.insert(t.owner(each.key));
  CHECK(on.size() >= 3);
  for (const auto& each : t.hot) CHECK(std::ranges::count(t.all_moves, slot_of(each.key), &slot_move::slot) <= 2);
}

TEST_CASE("preview: what a plan shows is what happens, and says why") {
  balanced_town t(3);
  for (auto& each : t.loads) each = 5;
  t.report();
  CHECK(preview_placement(t.facts, {}).moves.empty());
  auto facts = t.facts;
  facts.wishes.draining = {"n3"};
  facts.wishes.pins[7] = facts.table->owner_of({7}).node == node_index{1} ? "n2" : "n1";
  const auto shown = preview_placement(facts, {});
  const auto had = t.facts.table->owned_by({3});
  CHECK(shown.moves.size() >= had);
  CHECK(shown.moves.size() <= had + 1);
  CHECK(shown.table_version == t.facts.table->version());
  bool says_drain = false, says_pin = false;
  for (const auto& each : shown.ways) {
    says_drain |= each.why == "n3 drains";
    says_pin |= each.why.starts_with("pinned to n");
  }
  CHECK(says_drain);
  CHECK(says_pin);
  for (const auto& each : shown.nodes) {
    if (each.number != node_index{3}) continue;
    CHECK(each.slots_before == had);
    CHECK(each.slots_after == 0);
    CHECK(each.load_after == 0);
    CHECK(each.load_before > 1'000);
  }
}

}  // namespace
}  // namespace throng
