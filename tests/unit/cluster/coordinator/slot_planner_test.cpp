// SPDX-License-Identifier: Apache-2.0
#include "cluster/coordinator/slot_planner.hpp"

#include <algorithm>
#include <map>
#include <random>

#include <doctest/doctest.h>

namespace throng {
namespace {

std::vector<node_share> nodes(std::initializer_list<std::uint16_t> numbers) {
  std::vector<node_share> all;
  for (auto each : numbers) all.push_back({node_index{each}, 1});
  return all;
}

placement_plan plan(const slot_table& table, const std::vector<node_share>& on, planner_input how = {}) {
  how.nodes = on;
  return plan_placement(table, how);
}

/// Nodes 1 to `count`, balanced.
slot_table settled(std::uint16_t count) {
  std::vector<node_share> all;
  for (std::uint16_t each = 1; each <= count; ++each) all.push_back({node_index{each}, 1});
  slot_table table;
  return table.after(plan(table, all).moves);
}

TEST_CASE("the first node gets everything, and an empty cluster plans nothing") {
  slot_table table;
  CHECK(plan(table, {}).moves.empty());
  auto first = plan(table, nodes({1}));
  CHECK(first.moves.size() == slot_count);
  CHECK(first.forced == slot_count);
  CHECK(table.after(first.moves).owned_by({1}) == slot_count);
}

TEST_CASE("a node that joins gets its share, and nothing else moves") {
  auto table = settled(3);
  auto joined = plan(table, nodes({1, 2, 3, 4}), {.nodes = {}, .tolerance_percent = 0});
  CHECK(joined.forced == 0);
  CHECK(joined.moves.size() <= slot_count / 4);
  for (const auto& each : joined.moves) CHECK(each.to == node_index{4});
  auto next = table.after(joined.moves);
  for (std::uint16_t node = 1; node <= 4; ++node) CHECK(next.owned_by({node}) >= slot_count / 4 - 3);
}

TEST_CASE("a node that dies gives what it had, and nothing else moves") {
  auto table = settled(4);
  auto died = plan(table, nodes({1, 2, 4}));
  CHECK(died.forced == table.owned_by({3}));
  CHECK(died.moves.size() == died.forced);
  for (const auto& each : died.moves) CHECK(each.from == node_index{3});
  auto next = table.after(died.moves);
  CHECK(next.owned_by({3}) == 0);
  for (std::uint16_t node : {1, 2, 4}) CHECK(next.owned_by({node}) <= slot_count / 3 + 1);
}

TEST_CASE("a drained node keeps nothing, and its slots go to the others by weight") {
  auto table = settled(3);
  std::vector<node_share> shares{{{1}, 0}, {{2}, 1}, {{3}, 3}};
  auto next = table.after(plan(table, shares, {.nodes = {}, .tolerance_percent = 0}).moves);
  CHECK(next.owned_by({1}) == 0);
  CHECK(next.owned_by({3}) == slot_count / 4 * 3);
}

TEST_CASE("a plan that is applied needs no other, and its undoing goes back") {
  auto table = settled(3);
  auto shares = nodes({1, 2, 3, 4, 5});
  auto there = plan(table, shares, {.nodes = {}, .tolerance_percent = 0});
  auto next = table.after(there.moves);
  CHECK(plan(next, shares, {.nodes = {}, .tolerance_percent = 0}).moves.empty());
  auto back = next.after(next.moves_to(table));
  for (std::uint16_t slot = 0; slot < slot_count; ++slot) {
    CHECK(back.owner_of({slot}).node == table.owner_of({slot}).node);
    CHECK(back.owner_of({slot}).epoch >= next.owner_of({slot}).epoch);
  }
}

TEST_CASE("a small imbalance is left alone") {
  auto table = settled(2);
  std::vector<slot_move> few;
  for (std::uint16_t slot = 0; few.size() < 50; ++slot)
    if (table.owner_of({slot}).node == node_index{1}) few.push_back({{slot}, {1}, {2}});
  auto leaning = table.after(few);
  CHECK(plan(leaning, nodes({1, 2}), {.nodes = {}, .tolerance_percent = 5}).moves.empty());
  CHECK(plan(leaning, nodes({1, 2}), {.nodes = {}, .tolerance_percent = 1}).moves.size() == 50 - slot_count / 2 / 100);
}

TEST_CASE("balancing stops at the number of moves it may make; what must go, goes") {
  auto joined = plan(settled(3), nodes({1, 2, 3, 4}), {.nodes = {}, .balancing_moves_max = 10});
  CHECK(joined.moves.size() == 10);
  auto died = plan(settled(3), nodes({1, 2}), {.nodes = {}, .balancing_moves_max = 0});
  CHECK(died.moves.size() == died.forced);
  CHECK(died.forced > 1000);
}

TEST_CASE("a slot too hot for any share is left where it is, and the others make room") {
  std::vector<std::uint32_t> loads(slot_count, 1);
  auto table = settled(2);
  loads[7] = 100'000;
  auto balanced = plan(table, nodes({1, 2}), {.nodes = {}, .loads = loads, .tolerance_percent = 0});
  auto next = table.after(balanced.moves);
  CHECK(next.owner_of({7}).node == table.owner_of({7}).node);
  CHECK(next.owned_by(next.owner_of({7}).node) == 1);
}

TEST_CASE("a pinned slot goes where it is pinned, and stays") {
  auto table = settled(3);
  std::vector<slot_pin> pins;
  for (std::uint16_t slot = 0; slot < 2000; ++slot) pins.push_back({{slot}, {2}});
  auto shares = nodes({1, 2, 3});
  auto next = table.after(plan(table, shares, {.nodes = {}, .pins = pins, .tolerance_percent = 0}).moves);
  for (const auto& pin : pins) CHECK(next.owner_of(pin.slot).node == node_index{2});
  CHECK(plan(next, shares, {.nodes = {}, .pins = pins, .tolerance_percent = 0}).moves.empty());
  pins.assign(1, {{1}, {9}});
  CHECK(plan(table, shares, {.nodes = {}, .pins = pins}).moves.empty());
}

TEST_CASE("whatever happens: every slot has one live owner, and no plan makes the fullest node fuller") {
  std::mt19937 random(7);
  slot_table table;
  for (int round = 0; round < 60; ++round) {
    std::vector<node_share> shares;
    for (std::uint16_t node = 1; node <= 8; ++node)
      if (random() % 3) shares.push_back({{node}, static_cast<std::uint32_t>(random() % 4)});
    std::vector<std::uint32_t> loads(slot_count);
    for (auto& each : loads) each = static_cast<std::uint32_t>(random() % 50 == 0 ? random() % 5'000 : random() % 50);
    auto made = plan(table, shares, {.nodes = {}, .loads = loads});
    if (std::ranges::none_of(shares, [](const auto& each) { return each.weight > 0; })) {
      CHECK(made.moves.empty());
      continue;
    }
    table = table.after(made.moves);
    std::map<node_index, std::uint64_t> sums;
    for (std::uint16_t slot = 0; slot < slot_count; ++slot) {
      auto owner = table.owner_of({slot}).node;
      auto found = std::ranges::find(shares, owner, &node_share::node);
      REQUIRE(found != shares.end());
      REQUIRE(found->weight > 0);
      sums[owner] += std::max<std::uint32_t>(1, loads[slot]);
    }
    for (const auto& [node, load] : made.load_after) CHECK(sums[node] == load);
    CHECK(plan(table, shares, {.nodes = {}, .loads = loads}).forced == 0);
  }
}

TEST_CASE("a table survives being written down, and garbage is refused") {
  auto table = settled(5).after({});
  auto read = slot_table::decode(table.encode());
  REQUIRE(read.ok());
  CHECK(*read == table);
  CHECK(table.encode().size() < 20'000);
  CHECK(slot_table::decode("nonsense").code() == errc::invalid_arguments);
  CHECK(slot_table::decode("").code() == errc::invalid_arguments);
}

}  // namespace
}  // namespace throng
