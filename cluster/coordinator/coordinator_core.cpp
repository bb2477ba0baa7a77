// SPDX-License-Identifier: Apache-2.0
#include "cluster/coordinator/coordinator_core.hpp"

#include <algorithm>

#include "storage/json/json.hpp"

namespace throng {

namespace {

bool reports(const node_record& witness, node_index node) {
  return std::ranges::find(witness.unreachable, node) != witness.unreachable.end();
}

const node_record* find(const cluster_facts& facts, std::string_view name) {
  auto found = std::ranges::find(facts.members, name, [](const auto& each) { return std::string_view(each.who.name); });
  return found == facts.members.end() ? nullptr : &*found;
}

/// The first member, by number, that isn't unreachable: whose turn it is to lead. Nobody if they complain about each
/// other so that no member is left.
const node_record* next_leader(const cluster_facts& facts) {
  const node_record* first = nullptr;
  for (const auto& each : facts.members)
    if (!is_unreachable(facts, each.who.node) && (!first || each.who.node < first->who.node)) first = &each;
  return first;
}

bool leads(const cluster_facts& facts, const node_record& self) {
  return facts.lead.leader == self.who.name && facts.lead.incarnation == self.who.incarnation;
}

/// Is somebody there who leads?
bool has_leader(const cluster_facts& facts) {
  const auto* leader = find(facts, facts.lead.leader);
  if (!leader || leader->who.incarnation != facts.lead.incarnation) return false;
  return !is_unreachable(facts, leader->who.node) || !next_leader(facts);
}

bool has_settled(const cluster_facts& facts) {
  return std::ranges::all_of(
      facts.members, [&](const auto& each) { return each.applied == facts.table->version() && each.moving == 0; });
}

}  // namespace

bool is_unreachable(const cluster_facts& facts, node_index node) {
  // Who can't reach most of the others has lost its own line, and its word doesn't count against them.
  const auto others = facts.members.size() > 0 ? facts.members.size() - 1 : 0;
  std::size_t witnesses = 0, against = 0;
  for (const auto& each : facts.members) {
    if (each.who.node == node) continue;
    if (others > 1 && each.unreachable.size() * 2 > others) continue;
    ++witnesses;
    against += reports(each, node);
  }
  return against * 2 > witnesses;
}

decision decide(const cluster_facts& facts, const std::string& self, const coordinator_options& how,
                std::span<const std::uint32_t> loads, std::span<const slot_pin> pins) {
  const auto* own = find(facts, self);
  if (!own) return wait_for_change{};
  if (!has_leader(facts)) {
    const auto* next = next_leader(facts);
    if ((next ? next : &facts.members.front()) != own) return wait_for_change{};
    return take_the_lead{{own->who.name, own->who.incarnation, facts.lead.term + 1, facts.lead.version}};
  }
  if (!leads(facts, *own)) return wait_for_change{};

  for (const auto& each : facts.members)
    if (&each != own && is_unreachable(facts, each.who.node))
      return declare_dead{each, "most of the others can't reach it"};

  std::vector<node_share> nodes;
  for (const auto& each : facts.members) nodes.push_back({each.who.node, each.is_draining ? 0 : each.weight});
  planner_input input;
  input.nodes = nodes;
  input.loads = loads;
  input.pins = pins;
  input.tolerance_percent = how.tolerance_percent;
  input.balancing_moves_max = how.balancing_moves_max;
  if (!facts.table) {
    if (facts.members.size() < how.members_min) return wait_for_change{};
    return make_table{true, plan_placement({}, input)};
  }
  // What the dead had goes at once; everything else waits until the last moves are over.
  planner_input rescue;
  rescue.nodes = nodes;
  rescue.loads = loads;
  rescue.balancing_moves_max = 0;
  auto plan = plan_placement(*facts.table, rescue);
  std::erase_if(plan.moves, [&](const slot_move& move) {
    return std::ranges::any_of(facts.members, [&](const auto& each) { return each.who.node == move.from; });
  });
  if (!plan.moves.empty()) {
    plan.forced = plan.moves.size();
    return make_table{false, std::move(plan)};
  }
  if (!has_settled(facts)) return wait_for_change{};
  plan = plan_placement(*facts.table, input);
  if (plan.moves.size() > how.balancing_moves_max) plan.moves.resize(how.balancing_moves_max);
  if (plan.moves.empty()) return wait_for_change{};
  return make_table{false, std::move(plan)};
}

std::string to_json(const leadership& record) {
  std::string text;
  json_writer(text)
      .begin_object()
      .member("leader", record.leader)
      .member("incarnation", record.incarnation)
      .member("term", record.term)
      .end_object();
  return text;
}

result<leadership> parse_leadership(const topology_entry& entry) {
  auto document = parse_json(entry.value);
  if (!document) return error{errc::invalid_json, entry.key + ": " + document.failure().detail};
  const auto root = document->root();
  const auto leader = root.find("leader").as_string();
  const auto incarnation = root.find("incarnation").as_int();
  const auto term = root.find("term").as_int();
  if (!leader || !incarnation || !term || *incarnation < 0 || *term < 0)
    return error{errc::invalid_json, entry.key + " must have a leader, an incarnation and a term"};
  return leadership{std::string(*leader), static_cast<std::uint64_t>(*incarnation), static_cast<std::uint64_t>(*term),
                    entry.version};
}

}  // namespace throng
