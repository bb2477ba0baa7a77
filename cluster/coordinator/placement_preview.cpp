// SPDX-License-Identifier: Apache-2.0
#include "cluster/coordinator/placement_preview.hpp"

#include <algorithm>

#include "cluster/coordinator/load_balance.hpp"

namespace throng {

namespace {

constexpr std::uint64_t planner_units = 8;  // of the planner's load, in one unit of a report

std::string name_of(const cluster_facts& facts, node_index node) {
  for (const auto& each : facts.members)
    if (each.who.node == node) return each.who.name;
  return "number " + std::to_string(node.value);
}

std::string reason_of(const cluster_facts& facts, const slot_move& move, const std::vector<node_share>& nodes,
                      const placement_plan& plan) {
  if (move.from.value == 0) return "nobody has them";
  const auto from = std::ranges::find(nodes, move.from, &node_share::node);
  if (from == nodes.end()) return "their node is gone";
  if (facts.wishes.pins.contains(move.slot.value)) return "pinned to " + name_of(facts, move.to);
  if (from->weight == 0) return name_of(facts, move.from) + " drains";
  const auto at = static_cast<std::size_t>(from - nodes.begin());
  const auto load = plan.load_before[at].second, share = plan.shares[at].second;
  if (share == 0 || load <= share) return "balance";
  return name_of(facts, move.from) + " carries " + std::to_string((load - share) * 100 / share) +
         " % more than its share";
}

}  // namespace

placement_preview preview_placement(cluster_facts facts, coordinator_options how) {
  placement_preview shown;
  const auto before = *facts.table;
  const auto nodes = node_shares(facts);
  balance_advice advice;
  advice.loads = loads_of_slots(before, facts.loads);
  how.balancing_moves_max = slot_count;
  std::string hot_reason;
  if (!advice.loads.empty()) {
    std::vector<hot_entity> hot;
    for (const auto& report : facts.loads) hot.insert(hot.end(), report.hot.begin(), report.hot.end());
    if (const auto move = plan_hot_move(facts, hot, {})) {
      hot_reason = to_text(move->entity);
      advice.keeps.push_back(move->move.slot);
      facts.table = before.after(std::vector{move->move});
    }
  }
  const auto plan = plan_balance(facts, how, advice);
  const auto after = facts.table->after(plan.moves);

  auto load_of = [&](slot_id slot) { return advice.loads.empty() ? 0 : advice.loads[slot.value]; };
  shown.table_version = before.version();
  shown.moves = before.moves_to(after);
  for (const auto& each : shown.moves) {
    const bool is_hot = std::ranges::find(advice.keeps, each.slot) != advice.keeps.end();
    auto why = is_hot ? hot_reason : reason_of(facts, each, nodes, plan);
    auto way = std::ranges::find_if(shown.ways, [&](const auto& known) {
      return known.from == each.from && known.to == each.to && known.why == why;
    });
    if (way == shown.ways.end()) way = shown.ways.insert(way, {each.from, each.to, std::move(why), {}});
    way->slots.push_back(each.slot);
    way->load += load_of(each.slot);
  }
  for (auto& each : shown.ways) each.load /= planner_units;
  // By ways, as a change writes them down.
  std::ranges::stable_sort(shown.moves, {}, [](const auto& each) { return std::pair(each.from, each.to); });
  for (const auto& each : nodes) {
    placement_preview::node node{each.node, each.weight, before.owned_by(each.node), after.owned_by(each.node)};
    for (std::uint16_t slot = 0; slot < slot_count; ++slot) {
      if (before.owner_of({slot}).node == each.node) node.load_before += load_of({slot});
      if (after.owner_of({slot}).node == each.node) node.load_after += load_of({slot});
    }
    node.load_before /= planner_units;
    node.load_after /= planner_units;
    shown.nodes.push_back(node);
  }
  return shown;
}

}  // namespace throng
