// SPDX-License-Identifier: Apache-2.0
#include "net/admin/shell_health.hpp"

#include <algorithm>

#include <doctest/doctest.h>

#include "net/admin/shell_top.hpp"

namespace throng {
namespace {

using namespace std::chrono_literals;

constexpr wall_time start{1'767'225'600s};

entity_view view(std::uint64_t id, std::uint64_t messages, std::uint32_t mailbox, std::chrono::milliseconds age) {
  entity_view made;
  made.key = {entity_kind::user, id};
  made.state = entity_view::state_t::active;
  made.messages = messages;
  made.mailbox = mailbox;
  made.age = age;
  return made;
}

node_condition healthy() {
  node_condition at;
  at.node = "n1";
  at.now = start + 60s;
  auto cluster = std::make_shared<cluster_agent::view>();
  cluster->is_member = true;
  cluster->facts.lead.leader = "n1";
  const auto version = static_cast<std::uint64_t>(start.time_since_epoch() / 1ms);
  for (std::uint16_t i = 1; i <= 2; ++i) {
    node_record member;
    member.who.node = node_index{i};
    member.who.name = "n" + std::to_string(i);
    member.applied = version + 1;
    cluster->facts.members.push_back(member);
  }
  cluster->self = cluster->facts.members[0].who;
  auto table = slot_table::unowned(version, {});
  std::vector<slot_move> moves;
  for (std::uint16_t slot = 0; slot < slot_count; ++slot)
    moves.push_back({slot_id{slot}, node_index{0}, node_index{static_cast<std::uint16_t>(1 + slot % 2)}});
  cluster->facts.table = table.after(moves);
  at.cluster = cluster;
  links::view link;
  link.peer = cluster->facts.members[1].who;
  link.is_up = true;
  at.between.push_back(link);
  shard_view shard;
  shard.range = "-";
  shard.primary = "db1";
  shard.diagnosis = "fine";
  at.shards.push_back(shard);
  return at;
}

cluster_agent::view& cluster_of(node_condition& at) {
  auto copy = std::make_shared<cluster_agent::view>(*at.cluster);
  at.cluster = copy;
  return *copy;
}

/// What is found when `harm` is done to a healthy node; one thing, which has a remedy.
template <class Harm>
std::string found_after(Harm harm) {
  auto at = healthy();
  harm(at);
  const auto found = findings_of(at);
  REQUIRE(found.size() == 1);
  CHECK_FALSE(found[0].todo.empty());
  return (found[0].level == finding::level_t::wrong ? "wrong: " : "suspicious: ") + found[0].what;
}

TEST_CASE("diagnose: a healthy node has nothing to say, and the reply says what was looked at") {
  CHECK(findings_of(healthy()).empty());
  const auto table = diagnosis_of({{"n1", {}}, {"n2", {}}}, {{"n1", 0}, {"n2", 1'000}}, {});
  CHECK(table.rows.empty());
  CHECK(table.note.starts_with("all is well; checked on 2 nodes: members, "));
}

TEST_CASE("diagnose: each thing that can be wrong is found, with a remedy") {
  CHECK(found_after([](auto& at) { at.is_topology_away = true; }) == "wrong: Consul can't be reached by n1");
  CHECK(found_after([](auto& at) { at.between[0].is_up = false; }) == "wrong: the link n1 → n2 is down");
  CHECK(
      found_after([](auto& at) { at.between[0].suspicion = 9; }).starts_with("suspicious: the link n1 → n2 has been"));
  CHECK(found_after([](auto& at) { at.between[0].figures.in_flight_bytes = 4u << 20; }) ==
        "suspicious: the link n1 → n2 is near its bound: 4194304 bytes wait");
  CHECK(
      found_after([](auto& at) { cluster_of(at).facts.lead.leader.clear(); }).starts_with("wrong: nobody coordinates"));
  CHECK(found_after([](auto& at) { cluster_of(at).facts.members[1].applied = 1; }) ==
        "wrong: n2 doesn't follow the latest slot table");
  CHECK(found_after([](auto& at) { cluster_of(at).facts.members[1].moving = 7; }) ==
        "suspicious: n2 has been moving 7 slots for 59 s");
  CHECK(found_after([](auto& at) { cluster_of(at).facts.members[1].is_draining = true; }) ==
        "suspicious: n2 is being emptied");
  CHECK(found_after([](auto& at) { cluster_of(at).facts.wishes.draining = {"n2"}; }) ==
        "suspicious: n2 is drained by hand: it takes no slots and no clients");
  CHECK(found_after([](auto& at) { at.is_ready = false; }) == "wrong: n1 is not ready");
  CHECK(found_after([](auto& at) {
          cluster_of(at).facts.wishes.draining = {"n1"};
          at.is_ready = false;
        }) == "suspicious: n1 is drained by hand: it takes no slots and no clients");
  CHECK(found_after([](auto& at) {
          cluster_of(at).facts.members[0].is_draining = true;
          at.is_ready = false;
        }) == "suspicious: n1 is being emptied");
  CHECK(found_after([](auto& at) {
          cluster_of(at).facts.members[0].unreachable = {node_index{2}};
          cluster_of(at).facts.members[1].unreachable = {};
        }).starts_with("wrong: n2 can't be reached"));
  CHECK(found_after([](auto& at) { cluster_of(at).facts.members.pop_back(); }) ==
        "wrong: 2048 slots belong to nodes that are gone");
  CHECK(found_after([](auto& at) { cluster_of(at).facts.table.reset(); }) == "wrong: there is no slot table");
  CHECK(found_after([](auto& at) { at.longest.push_back(view(1, 5'000, 1'200, 1s)); }) ==
        "suspicious: user:U1 has 1200 messages waiting");
  CHECK(found_after([](auto& at) {
          auto ill = view(1, 0, 0, 0s);
          ill.state = entity_view::state_t::quarantined;
          ill.quarantine_left = 30s;
          ill.reason = "poison";
          at.troubled.push_back(ill);
        }) == "wrong: user:U1 is in quarantine for 30 s more: poison");
  CHECK(found_after([](auto& at) { at.placed.held_items = 3; }) ==
        "suspicious: 3 messages are held at n1 for slots that move");
  CHECK(found_after([](auto& at) { at.commits.waiting_units = 9'000; }) == "suspicious: 9000 commits wait on n1");
  CHECK(found_after([](auto& at) { at.shards[0].commit_p99 = 900ms; }) ==
        "suspicious: commits in shard - are slow: p99 900 ms");
  CHECK(found_after([](auto& at) { at.shards[0].diagnosis = "a replica is behind"; }) ==
        "suspicious: shard -: a replica is behind");
  CHECK(found_after([](auto& at) { at.shards[0].primary.clear(); }).starts_with("wrong: shard - has no primary"));
}

TEST_CASE("diagnose: a table that is still new may be moving slots") {
  auto at = healthy();
  cluster_of(at).facts.members[1].moving = 7;
  at.now = start + 2s;
  CHECK(findings_of(at).empty());
}

TEST_CASE("diagnose: what several nodes see is said once, the worst first, with clocks and those who are silent") {
  const finding shard{finding::level_t::suspicious, "shard - is slow", "wait"};
  const finding gone{finding::level_t::wrong, "n3 is gone", "look"};
  const auto table =
      diagnosis_of({{"n1", {shard}}, {"n2", {shard, gone}}}, {{"n1", 0}, {"n2", -700'000}}, {"n3: no answer in 1 s"});
  REQUIRE(table.rows.size() == 4);
  CHECK(table.rows[0][1].text == "n3 is gone");
  CHECK(table.rows[1][1].text == "n3: no answer in 1 s");
  CHECK(table.rows[2][1].text == "shard - is slow");
  CHECK(table.rows[2][3].text == "n1, n2");
  CHECK(table.rows[3][1].text == "the clock of n2 is 700 ms behind");
  CHECK(table.note.starts_with("checked on 2 nodes"));
}

TEST_CASE("top: rates come from two looks; what is new counts from nothing, and the quiet is left out") {
  const std::vector<entity_view> before{view(1, 100, 0, 60s), view(2, 500, 0, 60s), view(3, 7, 0, 60s)};
  const std::vector<entity_view> now{view(1, 150, 3, 62s),   // 25 a second
                                     view(2, 500, 0, 62s),   // quiet
                                     view(3, 4, 0, 1s),      // another incarnation
                                     view(4, 80, 0, 500ms),  // new
                                     view(5, 900, 0, 90s)};  // it wasn't looked at before: nothing can be said
  const auto table = top_table(before, now, 2s, top_order::rate, 10);
  REQUIRE(table.rows.size() == 3);
  CHECK(table.rows[0][0].text == "user:U4");
  CHECK(table.rows[0][2].text == "40");
  CHECK(table.rows[1][0].text == "user:U1");
  CHECK(table.rows[1][2].text == "25");
  CHECK(table.rows[2][2].text == "2");
  CHECK(table.note == "67 msg/s to 3 entities");
  CHECK(top_table(before, now, 2s, top_order::mailbox, 1).rows.at(0)[0].text == "user:U1");
}

}  // namespace
}  // namespace throng
