// SPDX-License-Identifier: Apache-2.0
#include "cluster/membership/cluster_picture.hpp"

#include <doctest/doctest.h>

namespace throng {
namespace {

using namespace std::chrono_literals;

node_identity who(std::uint16_t node, std::uint64_t incarnation = 1) {
  return {{node}, incarnation, "n" + std::to_string(node), "", "", ""};
}
std::vector<topology_entry> records(const std::vector<node_identity>& all, bool is_draining = false) {
  std::vector<topology_entry> entries;
  for (const auto& each : all) {
    node_record record;
    record.who = each;
    record.is_draining = is_draining;
    entries.push_back({node_record_key(each.name), to_json(record), 1});
  }
  return entries;
}
slot_table thirds() {
  std::vector<slot_move> moves;
  for (std::uint16_t slot = 0; slot < slot_count; ++slot)
    moves.push_back({slot_id{slot}, {}, {static_cast<std::uint16_t>(slot % 3 + 1)}});
  return slot_table{}.after(moves);
}

struct scene {
  cluster_picture picture{who(1), {}};
  steady_time now{1h};
  scene() {
    picture.set_records(records({who(1), who(2), who(3)}), now);
    picture.has_put(thirds(), 1);
    picture.set_link(who(2), true);
    picture.set_link(who(3), true);
  }
  void pass(std::chrono::milliseconds time) { picture.pass_time(now += time); }
  std::vector<std::uint16_t> members() {
    std::vector<std::uint16_t> all;
    for (const auto& each : picture.members()) all.push_back(each.node.value);
    return all;
  }
};
using numbers = std::vector<std::uint16_t>;

TEST_CASE("a broken link has little time to come up again, a first one more") {
  scene s;
  CHECK(s.picture.unreachable(s.now).empty());
  s.picture.set_link(who(2), false);
  s.pass(0ms);
  s.pass(190ms);
  CHECK(s.picture.unreachable(s.now).empty());
  CHECK(s.picture.unmet(s.now) == std::vector<node_index>{{2}});
  s.picture.set_link(who(2), true);
  s.pass(10ms);
  CHECK(s.picture.unmet(s.now).empty());
  s.picture.set_link(who(2), false);
  s.pass(0ms);
  s.pass(200ms);
  CHECK(s.picture.unreachable(s.now) == std::vector<node_index>{{2}});
  s.picture.set_link(who(2), true);
  s.picture.set_records(records({who(1), who(2), who(3), who(4)}), s.now);
  s.pass(2s);
  CHECK(s.picture.unreachable(s.now).empty());
  CHECK(s.picture.unmet(s.now) == std::vector<node_index>{{4}});
  s.pass(1s);
  CHECK(s.picture.unreachable(s.now) == std::vector<node_index>{{4}});
  s.picture.set_link(who(4), true);
  CHECK(s.picture.unreachable(s.now).empty());
  // Its next incarnation is another node, whose link is new.
  s.picture.set_records(records({who(1), who(2), who(3), who(4, 2)}), s.now);
  s.pass(1s);
  CHECK(s.picture.unreachable(s.now).empty());
  s.pass(2s);
  CHECK(s.picture.unreachable(s.now) == std::vector<node_index>{{4}});
}

TEST_CASE("a link that stays down becomes lasting") {
  scene s;
  s.picture.set_link(who(2), false);
  s.pass(0ms);
  s.pass(1s);
  CHECK(s.picture.lasting(s.now).empty());
  s.picture.set_link(who(2), true);
  s.pass(100ms);
  s.picture.set_link(who(2), false);
  s.pass(100ms);
  s.pass(1s);
  CHECK(s.picture.lasting(s.now).empty());
  s.pass(500ms);
  CHECK(s.picture.lasting(s.now) == std::vector<node_index>{{2}});
}

TEST_CASE("that a process has ended is known of one incarnation, until its link is up after all") {
  scene s;
  s.picture.set_records(records({who(1), who(2), who(3), who(4)}), s.now);
  s.picture.set_gone(who(4));  // it never was up, and needs no time any more
  CHECK(s.picture.gone() == std::vector<node_start>{{{4}, 1}});
  CHECK(s.picture.unreachable(s.now) == std::vector<node_index>{{4}});
  s.picture.set_link(who(2), false);
  s.picture.set_gone(who(2));
  s.picture.set_link(who(4), true);
  CHECK(s.picture.gone() == std::vector<node_start>{{{2}, 1}});
  s.picture.set_records(records({who(1), who(2, 2), who(3), who(4)}), s.now);
  CHECK(s.picture.gone().empty());
  CHECK(s.picture.unmet(s.now) == std::vector<node_index>{{2}});
  s.picture.set_gone(who(2));  // late
  CHECK(s.picture.gone().empty());
}

TEST_CASE("whose record vanishes while it is reached, and has slots, still counts for a while") {
  scene s;
  s.picture.set_records(records({who(1)}), s.now);
  CHECK(s.members() == numbers{1, 2, 3});
  SUBCASE("until its link breaks") {
    s.picture.set_link(who(2), false);
    s.picture.pass_time(s.now);
    CHECK(s.members() == numbers{1, 3});
  }
  SUBCASE("until its slots are given away") {
    std::vector<slot_move> moves;
    for (const auto& each : thirds().fences_of({3})) moves.push_back({each.slot, {3}, {1}});
    s.picture.has_put(thirds().after(moves), 2);
    s.picture.pass_time(s.now);
    CHECK(s.members() == numbers{1, 2});
  }
  SUBCASE("until the patience is over") {
    s.picture.pass_time(s.now + 14s);
    CHECK(s.members() == numbers{1, 2, 3});
    s.picture.pass_time(s.now + 15s);
    CHECK(s.members() == numbers{1});
  }
  SUBCASE("or until it is back") {
    s.picture.set_records(records({who(1), who(2), who(3)}), s.now + 1s);
    s.picture.pass_time(s.now + 1h);
    CHECK(s.members() == numbers{1, 2, 3});
  }
}

TEST_CASE("who was declared dead, or wanted to go, doesn't count when its record vanishes") {
  scene s;
  node_record dead;
  dead.who = who(2);
  s.picture.has_erased(dead);
  CHECK(s.members() == numbers{1, 3});
  s.picture.set_records(records({who(1), who(2), who(3)}), s.now);  // seen before it was erased
  CHECK(s.members() == numbers{1, 3});
  s.picture.set_records(records({who(1), who(2, 2), who(3)}), s.now);
  CHECK(s.members() == numbers{1, 2, 3});
  s.picture.set_records(records({who(1), who(2, 2), who(3)}, true), s.now);
  s.picture.set_records(records({who(1)}), s.now);
  CHECK(s.members() == numbers{1});
}

TEST_CASE("the last start of each name is known, and of the dead what comes after") {
  scene s;
  const auto starts = [&] {
    std::vector<std::pair<std::string, node_start>> all;
    for (const auto& each : s.picture.starts()) all.emplace_back(each.name, node_start{each.node, each.incarnation});
    return all;
  };
  using list = std::vector<std::pair<std::string, node_start>>;
  CHECK(starts() == list{{"n2", {{2}, 1}}, {"n3", {{3}, 1}}});
  node_record dead;
  dead.who = who(2);
  s.picture.has_erased(dead);
  CHECK(s.picture.ghosts().empty());
  auto again = who(3, 7);  // under another number
  again.node = {9};
  s.picture.set_records(records({who(1), who(2), again}), s.now);
  CHECK(s.picture.ghosts() == std::vector{who(2)});
  CHECK(starts() == list{{"n2", {{2}, 2}}, {"n3", {{9}, 7}}});
  s.picture.set_records(records({who(1), again}), s.now);
  CHECK(s.picture.ghosts().empty());
  CHECK(starts().size() == 2);
}

TEST_CASE("an older table, an older term and an absent entry take nothing away") {
  scene s;
  const auto newer = thirds().after({});
  s.picture.has_put(newer, 2);
  s.picture.set_table({{std::string(slot_table_key), thirds().encode(), 1}});
  CHECK(s.picture.table() == newer);
  s.picture.set_table({});
  CHECK(s.picture.table() == newer);
  CHECK(s.picture.table_entry() == 0);
  s.picture.has_put(leadership{"n1", 1, 5, 9});
  s.picture.set_leadership({{std::string(leadership_key), to_json(leadership{"n2", 1, 4, 0}), 8}});
  CHECK(s.picture.facts({}).lead.leader == "n1");
  s.picture.set_leadership({});
  CHECK(s.picture.facts({}).lead.leader.empty());
  CHECK(s.picture.facts({}).lead.term == 5);
  s.picture.set_table({{std::string(slot_table_key), "nonsense", 3}});
  CHECK(s.picture.table() == newer);
}

}  // namespace
}  // namespace throng
