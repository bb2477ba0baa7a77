// SPDX-License-Identifier: Apache-2.0
#include "cluster/load/load_meter.hpp"

#include <numeric>

#include <doctest/doctest.h>

namespace throng {
namespace {

using namespace std::chrono_literals;

slot_table all_of(node_index node) { return slot_table::single_node(node, {}); }

/// A node's counters and its meter, sampled each second.
struct measured {
  explicit measured(load_meter::limits how = {}) : meter(how) { meter.sample(counters, now); }
  /// `rate` messages a second into each of these slots.
  void run(std::chrono::seconds time, std::initializer_list<std::pair<std::uint16_t, std::uint32_t>> rates) {
    for (auto passed = 0s; passed < time; ++passed) {
      for (const auto& [slot, rate] : rates) counters[{slot}].messages.fetch_add(rate);
      now += 1s;
      meter.sample(counters, now);
    }
  }
  load_counters counters;
  load_meter meter;
  steady_time now{1h};
};

TEST_CASE("load: a rate follows what is counted, and a burst hardly shows") {
  measured node;
  node.run(60s, {{7, 500}, {9, 20}});
  auto report = node.meter.report(all_of({1}), {1});
  REQUIRE(report.slots.size() == 2);
  CHECK(report.slots[0].slot == slot_id{7});
  CHECK(report.slots[0].load > 480);
  CHECK(report.slots[0].load <= 500);
  node.run(1s, {{9, 1'000}});
  report = node.meter.report(all_of({1}), {1});
  CHECK(report.slots[1].load < 150);
  node.run(60s, {});
  CHECK(node.meter.report(all_of({1}), {1}).total() < 10);
}

TEST_CASE("load: counters that wrap around don't matter, and CPU time counts") {
  measured node;
  node.counters[{3}].messages.store(UINT32_MAX - 5);
  node.meter.sample(node.counters, node.now += 1s);
  load_meter fresh({});
  fresh.sample(node.counters, node.now);
  node.counters[{3}].messages.fetch_add(100);
  node.counters[{4}].cpu_us.fetch_add(50'000);
  fresh.sample(node.counters, node.now + 10s);
  const auto report = fresh.report(all_of({1}), {1});
  REQUIRE(report.slots.size() == 2);
  CHECK(report.slots[0] == slot_load{{4}, 316});  // 50 ms in 10 s are 500 units, of which two thirds show
  CHECK(report.slots[1] == slot_load{{3}, 6});
}

TEST_CASE("load: of many slots the heaviest are told, and the rest as a sum; only those of the node") {
  measured node;
  for (int second = 0; second < 60; ++second) {
    for (std::uint16_t slot = 0; slot < 1'000; ++slot) node.counters[{slot}].messages.fetch_add(slot);
    node.now += 1s;
    node.meter.sample(node.counters, node.now);
  }
  auto report = node.meter.report(all_of({1}), {1});
  CHECK(report.slots.size() == reported_slots_max);
  CHECK(report.slots.front().slot == slot_id{999});
  CHECK(report.total() > 490'000);
  CHECK(report.total() <= 500'000);
  CHECK(to_json(report).size() < 1'500);
  CHECK(node.meter.report(all_of({1}), {2}).total() == 0);
}

TEST_CASE("load: an entity is hot by its rate or by its mailbox, and only while it is") {
  measured node({10s, 100, 50});
  const entity_key busy{entity_kind::channel, 5}, full{entity_kind::channel, 6}, calm{entity_kind::channel, 7};
  auto look = [&](slot_id slot, entity_key key, std::uint64_t messages, std::uint32_t mailbox) {
    entity_view view;
    view.key = key;
    view.messages = messages;
    view.mailbox = mailbox;
    entity_view other;
    other.key = calm;
    other.messages = messages / 50;
    node.meter.look_at(slot, {view, other}, node.now);
  };
  CHECK(node.meter.suspects().empty());
  node.run(60s, {{1, 150}, {3, 20}});
  CHECK(node.meter.suspects() == std::vector<slot_id>{{1}});
  look({1}, busy, 1'000, 3);
  CHECK(node.meter.report(all_of({1}), {1}).hot.empty());  // its rate isn't known yet
  node.run(5s, {{1, 150}});
  look({1}, busy, 1'750, 3);
  auto hot = node.meter.report(all_of({1}), {1}).hot;
  REQUIRE(hot.size() == 1);
  CHECK(hot[0] == hot_entity{busy, 150, 3});
  CHECK(node.meter.report(all_of({2}), {1}).hot.empty());  // its slot is elsewhere

  node.counters[{3}].is_crowded.store(true);
  node.run(1s, {{1, 150}});
  CHECK(node.meter.suspects() == std::vector<slot_id>{{1}, {3}});
  look({3}, full, 10, 60);
  CHECK(node.meter.report(all_of({1}), {1}).hot.size() == 2);
  CHECK(node.meter.suspects() == std::vector<slot_id>{{1}});  // not crowded any more
  CHECK(node.meter.report(all_of({1}), {1}).hot.size() == 1);
  node.run(60s, {});
  CHECK(node.meter.suspects().empty());
  CHECK(node.meter.report(all_of({1}), {1}).hot.empty());
}

TEST_CASE("load reports survive being written down, and garbage is refused with what is wrong") {
  const load_report report{
      "n1", {3}, 9, 77, {{{4095}, 500}, {{1}, 20}}, {{{entity_kind::channel, UINT64_MAX - 3}, 900, 12}}};
  CHECK(*parse_load_report({"loads/n1", to_json(report), 4}) == report);
  for (const auto* wrong :
       {"", "{}", "[]", R"({"name":"n1","node":1,"incarnation":1,"rest":1,"slots":[[4096,1]],"hot":[]})",
        R"({"name":"n1","node":1,"incarnation":1,"rest":-1,"slots":[],"hot":[]})",
        R"({"name":"n1","node":1,"incarnation":1,"rest":1,"slots":[[1]],"hot":[]})",
        R"({"name":"n1","node":1,"incarnation":1,"rest":1,"slots":[],"hot":[[1,2,3,4,5,6]]})"}) {
    const auto read = parse_load_report({"loads/n1", wrong, 4});
    REQUIRE_FALSE(read.ok());
    CHECK(read.failure().detail.starts_with("loads/n1: "));
  }
}

TEST_CASE("load: small changes aren't worth telling, a tenth of all is, and so is another hot entity") {
  load_report told{"n1", {1}, 1, 500, {{{1}, 300}, {{2}, 200}}, {}};
  auto now = told;
  CHECK_FALSE(differs_much(told, now));
  now.slots = {{{1}, 320}, {{2}, 170}};
  CHECK_FALSE(differs_much(told, now));
  now.slots = {{{1}, 360}, {{3}, 200}};
  CHECK(differs_much(told, now));
  now = told;
  now.hot = {{{entity_kind::channel, 5}, 900, 0}};
  CHECK(differs_much(told, now));
  told = {"n1", {1}, 1, 0, {}, {}};
  now = told;
  now.rest = 15;
  CHECK_FALSE(differs_much(told, now));
}

TEST_CASE("load: a slot costs what its owner says, else who had it; the rest is spread, and being there counts") {
  auto table = all_of({1}).after(std::vector<slot_move>{{{7}, {1}, {2}}, {{8}, {1}, {2}}});
  CHECK(loads_of_slots(table, {}).empty());
  std::vector<load_report> reports{{"n1", {1}, 1, 4'094, {{{7}, 900}, {{9}, 100}}, {}},
                                   {"n2", {2}, 1, 0, {{{8}, 50}}, {}}};
  auto loads = loads_of_slots(table, reports);
  const auto presence = loads[7] - 900 * 8;
  CHECK(presence >= 1);
  CHECK(loads[8] == 50 * 8 + presence);
  CHECK(loads[9] == 100 * 8 + presence);
  CHECK(loads[10] == 8 + presence);  // one of 4,093 that share 4,094
  reports[1].slots = {{{8}, 50}, {{7}, 40}};
  loads = loads_of_slots(table, reports);
  CHECK(loads[7] < 50 * 8);
}

}  // namespace
}  // namespace throng
