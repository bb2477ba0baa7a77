// SPDX-License-Identifier: Apache-2.0
#include "cluster/coordinator/coordinator_core.hpp"

#include <algorithm>
#include <random>

#include <doctest/doctest.h>

namespace throng {
namespace {

node_record member(std::uint16_t node, std::vector<node_index> unreachable = {}) {
  node_record record;
  record.who.node = {node};
  record.who.name = "n" + std::to_string(node);
  record.who.incarnation = 10;
  record.unreachable = std::move(unreachable);
  return record;
}

/// Nodes 1 to `count`, settled, led by n1.
cluster_facts settled(std::uint16_t count) {
  cluster_facts facts;
  std::vector<node_share> nodes;
  for (std::uint16_t node = 1; node <= count; ++node) {
    facts.members.push_back(member(node));
    nodes.push_back({{node}, 1});
  }
  facts.lead = {"n1", 10, 3, 77};
  planner_input input;
  input.nodes = nodes;
  facts.table = slot_table{}.after(plan_placement({}, input).moves);
  for (auto& each : facts.members) each.applied = facts.table->version();
  return facts;
}
void lose(cluster_facts& facts, std::uint16_t node) {
  for (auto& each : facts.members)
    if (each.who.node != node_index{node}) each.unreachable.push_back({node});
}
void remove(cluster_facts& facts, std::uint16_t node) {
  std::erase_if(facts.members, [&](const auto& each) { return each.who.node == node_index{node}; });
}

/// Nobody listens at its address, says `witness`.
void end(cluster_facts& facts, std::uint16_t node, std::uint16_t witness) {
  auto& said = facts.members[witness - 1u];
  said.unreachable.push_back({node});
  said.gone.push_back({{node}, facts.members[node - 1u].who.incarnation});
}
/// For long, and both say so.
void part(cluster_facts& facts, std::uint16_t one, std::uint16_t other) {
  for (auto [self, peer] : {std::pair{one, other}, std::pair{other, one}}) {
    facts.members[self - 1u].unreachable.push_back({peer});
    facts.members[self - 1u].lasting.push_back({peer});
  }
}
using nodes = std::vector<node_index>;

template <class Wanted>
const Wanted* as(const decision& what) {
  return std::get_if<Wanted>(&what);
}
bool waits(const decision& what) { return as<wait_for_change>(what) != nullptr; }

TEST_CASE("the first node of an empty topology leads, and makes the table when enough are there") {
  cluster_facts facts;
  CHECK(waits(decide(facts, "n1", {})));
  facts.members = {member(1), member(2)};
  CHECK(waits(decide(facts, "n2", {})));
  auto lead = decide(facts, "n1", {});
  REQUIRE(as<take_the_lead>(lead));
  CHECK(as<take_the_lead>(lead)->next == leadership{"n1", 10, 1, 0});
  facts.lead = as<take_the_lead>(lead)->next;
  CHECK(waits(decide(facts, "n1", {.members_min = 3})));
  auto made = decide(facts, "n1", {.members_min = 2});
  REQUIRE(as<make_table>(made));
  CHECK(as<make_table>(made)->cause == make_table::cause_t::first);
  CHECK(as<make_table>(made)->plan.moves.size() == slot_count);
}

TEST_CASE("a settled cluster is left alone") {
  auto facts = settled(3);
  for (const char* each : {"n1", "n2", "n3"}) CHECK(waits(decide(facts, each, {})));
}

TEST_CASE("who can't be reached by most is declared dead, and its slots go to the others at once") {
  auto facts = settled(4);
  lose(facts, 3);
  CHECK(waits(decide(facts, "n2", {})));
  auto dead = decide(facts, "n1", {});
  REQUIRE(as<declare_dead>(dead));
  CHECK(as<declare_dead>(dead)->member.who.name == "n3");
  remove(facts, 3);
  facts.members[0].moving = 5;  // however unsettled the rest is
  auto made = decide(facts, "n1", {});
  REQUIRE(as<make_table>(made));
  CHECK(as<make_table>(made)->plan.moves.size() == facts.table->owned_by({3}));
  for (const auto& move : as<make_table>(made)->plan.moves) CHECK(move.from == node_index{3});
}

TEST_CASE("one node's complaint is not enough, and who has lost its own line is no witness") {
  auto facts = settled(4);
  facts.members[1].unreachable = {{3}};
  CHECK(waits(decide(facts, "n1", {})));
  facts = settled(4);
  facts.members[3].unreachable = {{1}, {2}, {3}};  // n4 is cut off, and so the others complain about it
  for (int i : {0, 1, 2}) facts.members[static_cast<std::size_t>(i)].unreachable = {{4}};
  CHECK_FALSE(is_unreachable(facts, {1}));
  CHECK(is_unreachable(facts, {4}));
}

TEST_CASE("of three, two whose processes have ended are dead at the survivor's word, the leader too") {
  auto facts = settled(3);
  end(facts, 1, 3);
  end(facts, 2, 3);
  CHECK(find_lost(facts) == nodes{{1}, {2}});
  auto lead = decide(facts, "n3", {});
  REQUIRE(as<take_the_lead>(lead));
  facts.lead = as<take_the_lead>(lead)->next;
  for (const auto* name : {"n1", "n2"}) {
    auto dead = decide(facts, "n3", {});
    REQUIRE(as<declare_dead>(dead));
    CHECK(as<declare_dead>(dead)->member.who.name == name);
    CHECK(as<declare_dead>(dead)->reason == "its process has ended");
    std::erase_if(facts.members, [&](const auto& each) { return each.who.name == name; });
  }
  auto made = decide(facts, "n3", {});
  REQUIRE(as<make_table>(made));
  CHECK(as<make_table>(made)->plan.moves.size() > slot_count / 2);
}

TEST_CASE("silence alone is no end: who can't reach most of the others waits") {
  auto facts = settled(3);
  facts.members[2].unreachable = facts.members[2].lasting = {{1}, {2}};
  CHECK(find_lost(facts).empty());
  CHECK(waits(decide(facts, "n3", {})));
}

TEST_CASE("who is said to have ended and complains in turn, lives") {
  auto facts = settled(4);
  end(facts, 2, 3);
  CHECK(find_lost(facts) == nodes{{2}});
  facts.members[1].unreachable = {{3}};  // something between the two says no in their names
  CHECK(find_lost(facts).empty());
}

TEST_CASE("that an earlier incarnation has ended is nothing against this one") {
  auto facts = settled(3);
  end(facts, 2, 3);
  ++facts.members[1].who.incarnation;
  CHECK(find_lost(facts).empty());
}

TEST_CASE("of a pair that can't reach each other for long one goes, and not the leader") {
  auto facts = settled(3);
  facts.members[1].unreachable = {{3}};
  facts.members[2].unreachable = {{2}};
  CHECK(find_lost(facts).empty());  // it may be short
  facts.members[1].lasting = {{3}};
  CHECK(find_lost(facts).empty());  // the other one doesn't say so
  facts.members[2].lasting = {{2}};
  CHECK(find_lost(facts) == nodes{{3}});
  facts.lead.leader = "n3";
  CHECK(find_lost(facts) == nodes{{2}});
}

TEST_CASE("of several pairs, who is in most of them goes, though it be the leader") {
  auto facts = settled(5);
  part(facts, 1, 2);
  part(facts, 1, 3);
  CHECK(find_lost(facts) == nodes{{1}});
  CHECK(waits(decide(facts, "n1", {})));
  CHECK(as<take_the_lead>(decide(facts, "n2", {})));
}

TEST_CASE("halves that can't reach each other: the leader's stays") {
  auto facts = settled(4);
  for (std::uint16_t one : {1, 2})
    for (std::uint16_t other : {3, 4}) part(facts, one, other);
  for (std::uint16_t next : {4, 3}) {
    auto dead = decide(facts, "n1", {});
    REQUIRE(as<declare_dead>(dead));
    CHECK(as<declare_dead>(dead)->member.who.node == node_index{next});
    remove(facts, next);
  }
  CHECK(as<make_table>(decide(facts, "n1", {})));
}

TEST_CASE("a newcomer gets no slots before it has met the others, not even those of the dead") {
  auto facts = settled(3);
  facts.members.push_back(member(4));
  facts.members[3].applied = facts.table->version();
  SUBCASE("by its own word") { facts.members[3].unmet = {{2}}; }
  SUBCASE("by another's") { facts.members[1].unmet = {{4}}; }
  SUBCASE("after its time") { facts.members[1].unreachable = {{4}}; }
  CHECK(waits(decide(facts, "n1", {})));
  remove(facts, 3);
  auto made = decide(facts, "n1", {});
  REQUIRE(as<make_table>(made));
  for (const auto& each : as<make_table>(made)->plan.moves) CHECK(each.to != node_index{4});
}

TEST_CASE("the first table waits until all have met, or have had their time") {
  auto facts = settled(3);
  facts.table.reset();
  for (auto& each : facts.members) each.applied = 0;
  facts.members[1].unmet = {{3}};
  CHECK(waits(decide(facts, "n1", {})));
  facts.members[1].unmet.clear();
  facts.members[1].unreachable = {{3}};
  auto made = decide(facts, "n1", {});
  REQUIRE(as<make_table>(made));
  for (const auto& each : as<make_table>(made)->plan.moves) CHECK(each.to == node_index{1});
}

TEST_CASE("when the leader is dead, the next one takes its place, with the next term") {
  auto facts = settled(3);
  lose(facts, 1);
  CHECK(waits(decide(facts, "n1", {})));
  CHECK(waits(decide(facts, "n3", {})));
  auto lead = decide(facts, "n2", {});
  REQUIRE(as<take_the_lead>(lead));
  CHECK(as<take_the_lead>(lead)->next == leadership{"n2", 10, 4, 77});
  remove(facts, 1);
  CHECK(as<take_the_lead>(decide(facts, "n2", {})));
}

TEST_CASE("a leader that comes back as another incarnation doesn't lead any more") {
  auto facts = settled(2);
  facts.members[0].who.incarnation = 11;
  auto lead = decide(facts, "n1", {});
  REQUIRE(as<take_the_lead>(lead));
  CHECK(as<take_the_lead>(lead)->next.incarnation == 11);
}

TEST_CASE("balance waits until the last moves are over, and goes in small steps") {
  auto facts = settled(2);
  facts.members.push_back(member(3));
  CHECK(waits(decide(facts, "n1", {})));  // n3 doesn't follow the table yet
  facts.members[2].applied = facts.table->version();
  facts.members[0].moving = 1;
  CHECK(waits(decide(facts, "n1", {})));
  facts.members[0].moving = 0;
  int steps = 0;
  for (; steps < 100; ++steps) {
    auto made = decide(facts, "n1", {.balancing_moves_max = 100});
    if (waits(made)) break;
    REQUIRE(as<make_table>(made));
    const auto& moves = as<make_table>(made)->plan.moves;
    CHECK(moves.size() <= 100);
    for (const auto& each : moves) CHECK(each.to == node_index{3});
    facts.table = facts.table->after(moves);
    for (auto& each : facts.members) each.applied = facts.table->version();
  }
  CHECK(steps > 5);
  CHECK(facts.table->owned_by({3}) > slot_count / 4);
}

TEST_CASE("a node that drains gives everything away, step by step, and stays a member") {
  auto facts = settled(3);
  facts.members[1].is_draining = true;
  for (int i = 0; i < 100 && facts.table->owned_by({2}) > 0; ++i) {
    auto made = decide(facts, "n1", {});
    REQUIRE(as<make_table>(made));
    CHECK(as<make_table>(made)->plan.moves.size() <= coordinator_options{}.balancing_moves_max);
    facts.table = facts.table->after(as<make_table>(made)->plan.moves);
    for (auto& each : facts.members) each.applied = facts.table->version();
  }
  CHECK(facts.table->owned_by({2}) == 0);
  CHECK(waits(decide(facts, "n1", {})));
}

TEST_CASE("with two nodes, the leader's word decides; the other waits for its turn") {
  auto facts = settled(2);
  facts.members[0].unreachable = {{2}};
  facts.members[1].unreachable = {{1}};
  CHECK(waits(decide(facts, "n1", {})) != waits(decide(facts, "n2", {})));
}

/// What `facts` become when the leader's decisions are carried out, until it waits.
int carry_out_all(cluster_facts& facts, const coordinator_options& how = {}) {
  balance_advice advice;
  advice.may_balance = false;
  for (int steps = 0;; ++steps) {
    REQUIRE(steps < 100);
    auto made = decide(facts, "n1", how, advice);
    if (waits(made)) return steps;
    REQUIRE(as<make_table>(made));
    CHECK(as<make_table>(made)->plan.moves.size() <= how.balancing_moves_max);
    facts.table = facts.table->after(as<make_table>(made)->plan.moves, as<make_table>(made)->mark);
    for (auto& each : facts.members) each.applied = facts.table->version();
  }
}

placement_change change_of(const cluster_facts& facts, std::size_t count, node_index to) {
  placement_change change{1, facts.table->version(), "plan 1", {}};
  for (std::uint16_t slot = 0; slot < slot_count && change.moves.size() < count; ++slot)
    if (const auto owner = facts.table->owner_of({slot}).node; owner != to) change.moves.push_back({{slot}, owner, to});
  return change;
}

TEST_CASE("a change by hand is made in steps, once, and goes on under another leader") {
  auto facts = settled(3);
  const coordinator_options how{.balancing_moves_max = 256};
  facts.wishes.balances = false;
  facts.wishes.change = change_of(facts, 600, {2});
  auto made = decide(facts, "n1", how);
  REQUIRE(as<make_table>(made));
  CHECK(as<make_table>(made)->cause == make_table::cause_t::by_hand);
  CHECK(as<make_table>(made)->plan.moves.size() == how.balancing_moves_max);
  facts.table = facts.table->after(as<make_table>(made)->plan.moves, as<make_table>(made)->mark);
  CHECK(waits(decide(facts, "n1", how)));  // until they have moved
  for (auto& each : facts.members) each.applied = facts.table->version();
  CHECK(state_of(facts.wishes.change, *facts.table) == change_state::under_way);
  facts.lead = {"n3", 10, 4, 78};
  REQUIRE(as<make_table>(decide(facts, "n3", how)));
  facts.lead = {"n1", 10, 5, 79};
  CHECK(carry_out_all(facts, how) == 2);
  CHECK(state_of(facts.wishes.change, *facts.table) == change_state::finished);
  for (const auto& each : facts.wishes.change.moves) CHECK(facts.table->owner_of(each.slot).node == node_index{2});
  // What moves later isn't moved by it again.
  const auto first = facts.wishes.change.moves[0];
  facts.table = facts.table->after(std::vector<slot_move>{{first.slot, first.to, first.from}});
  for (auto& each : facts.members) each.applied = facts.table->version();
  CHECK(carry_out_all(facts, how) == 0);
}

TEST_CASE("a change begins on the table that it was made for, or never") {
  auto facts = settled(3);
  facts.wishes.balances = false;
  facts.wishes.change = change_of(facts, 10, {2});
  facts.table = facts.table->after({});
  for (auto& each : facts.members) each.applied = facts.table->version();
  CHECK(waits(decide(facts, "n1", {})));
  CHECK(state_of(facts.wishes.change, *facts.table) == change_state::overtaken);
}

TEST_CASE("of a change, what can't be done any more is passed over, and it ends all the same") {
  auto facts = settled(4);
  facts.wishes.balances = false;
  facts.wishes.change = change_of(facts, 600, {2});
  auto first = facts.wishes.change.moves[0];
  facts.wishes.change.moves.insert(facts.wishes.change.moves.begin() + 1, first);  // garbage: twice the same
  auto made = decide(facts, "n1", {});
  REQUIRE(as<make_table>(made));
  facts.table = facts.table->after(as<make_table>(made)->plan.moves, as<make_table>(made)->mark);
  remove(facts, 2);
  for (auto& each : facts.members) each.applied = facts.table->version();
  made = decide(facts, "n1", {});
  REQUIRE(as<make_table>(made));
  CHECK(as<make_table>(made)->cause == make_table::cause_t::dead);
  facts.table = facts.table->after(as<make_table>(made)->plan.moves, as<make_table>(made)->mark);
  for (auto& each : facts.members) each.applied = facts.table->version();
  CHECK(carry_out_all(facts) == 1);
  CHECK(state_of(facts.wishes.change, *facts.table) == change_state::finished);
  CHECK(facts.table->owned_by({2}) == 0);
}

TEST_CASE("wishes: nodes drain, weigh otherwise, and slots are pinned, to members only") {
  auto facts = settled(3);
  facts.wishes.draining = {"n2", "nobody"};
  facts.wishes.weights = {{"n3", 2}};
  facts.wishes.pins = {{7, "n1"}, {8, "n2"}, {9, "nobody"}};
  CHECK(node_shares(facts) == std::vector<node_share>{{{1}, 1}, {{2}, 0}, {{3}, 2}});
  CHECK(slot_pins(facts).size() == 2);
  carry_out_all(facts);
  CHECK(facts.table->owned_by({2}) == 0);  // a pin to who drains doesn't hold
  CHECK(facts.table->owner_of({7}).node == node_index{1});
  facts.wishes.draining = {"n1", "n2", "n3"};  // nobody is left to take anything: it stays where it is
  const auto before = *facts.table;
  CHECK(waits(decide(facts, "n1", {})));
  CHECK(*facts.table == before);
}

TEST_CASE("nobody makes a first table while a member knows one") {
  cluster_facts facts;
  facts.members = {member(1), member(2)};
  facts.lead = {"n1", 10, 1, 5};
  facts.members[1].applied = 77;
  CHECK(waits(decide(facts, "n1", {})));
  facts.members[1].applied = 0;
  CHECK(as<make_table>(decide(facts, "n1", {})));
  for (auto& each : facts.members) each.weight = 0;
  CHECK(waits(decide(facts, "n1", {})));
}

TEST_CASE("records survive being written down, and garbage is refused with what is wrong") {
  auto record = member(7, {{1}, {2}});
  record.who.link_address = "10.0.0.7:8090";
  record.weight = 3;
  record.is_draining = true;
  record.applied = 12;
  record.lasting = {{1}};
  record.unmet = {{4}, {5}};
  record.gone = {{{2}, 1795337197579}};
  record.version = 5;
  auto read = parse_node_record({"nodes/n7", to_json(record), 5});
  REQUIRE(read.ok());
  CHECK(*read == record);
  CHECK(parse_node_record({"nodes/x", "{", 1}).code() == errc::invalid_json);
  auto wrong = parse_node_record({"nodes/x", R"({"name":7})", 1});
  REQUIRE_FALSE(wrong.ok());
  CHECK(wrong.failure().detail == "nodes/x: \"name\" must be a text");
  auto text = to_json(record);
  auto earlier = parse_node_record({"nodes/n7", text.substr(0, text.find(",\"lasting\"")) + "}", 5});
  REQUIRE(earlier.ok());  // as nodes of before the first release wrote it
  CHECK(earlier->gone.empty());
  text.replace(text.find("\"incarnation\":1795337197579"), 13, "\"incarnatiom\"");
  wrong = parse_node_record({"nodes/n7", text, 5});
  REQUIRE_FALSE(wrong.ok());
  CHECK(wrong.failure().detail.starts_with("nodes/n7: \"incarnation\" must be a number"));
  const leadership lead{"n1", 2, 3, 4};
  CHECK(*parse_leadership({"coordinator", to_json(lead), 4}) == lead);
  CHECK(parse_leadership({"coordinator", "[]", 4}).code() == errc::invalid_json);
}

}  // namespace
}  // namespace throng
