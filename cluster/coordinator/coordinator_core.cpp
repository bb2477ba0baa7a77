// SPDX-License-Identifier: Apache-2.0
#include "cluster/coordinator/coordinator_core.hpp"

#include <algorithm>
#include <set>

#include "cluster/load/load_report.hpp"
#include "storage/json/json.hpp"

namespace throng {

namespace {

template <class List, class Value>
bool has(const List& list, const Value& value) {
  return std::ranges::find(list, value) != list.end();
}

bool has_ended(const cluster_facts& facts, const node_record& who) {
  return std::ranges::any_of(facts.members, [&](const auto& witness) {
    return witness.who.node != who.who.node && has(witness.gone, node_start{who.who.node, who.who.incarnation}) &&
           !has(who.unreachable, witness.who.node);
  });
}

bool most_miss(const std::vector<const node_record*>& living, node_index node) {
  const auto others = living.size() - 1;
  std::size_t witnesses = 0, against = 0;
  for (const auto* each : living) {
    if (each->who.node == node) continue;
    const auto missed = static_cast<std::size_t>(
        std::ranges::count_if(living, [&](const auto* other) { return has(each->unreachable, other->who.node); }));
    if (others > 1 && missed * 2 > others) continue;
    ++witnesses;
    against += has(each->unreachable, node);
  }
  return against * 2 > witnesses;
}

/// Who goes because of pairs that can't reach each other; null: nobody.
const node_record* worst_of_pairs(const std::vector<const node_record*>& living, const leadership& lead) {
  const node_record* worst = nullptr;
  std::size_t most = 0;
  for (const auto* each : living) {
    const auto pairs = static_cast<std::size_t>(std::ranges::count_if(living, [&](const auto* other) {
      return has(each->lasting, other->who.node) && has(other->lasting, each->who.node);
    }));
    if (pairs > most || (pairs == most && pairs > 0 && each->who.name != lead.leader)) {
      worst = each;
      most = pairs;
    }
  }
  return worst;
}

const node_record* find(const cluster_facts& facts, std::string_view name) {
  auto found = std::ranges::find(facts.members, name, [](const auto& each) { return std::string_view(each.who.name); });
  return found == facts.members.end() ? nullptr : &*found;
}

/// The first member, by number, that isn't unreachable: whose turn it is to lead. Nobody if they complain about each
/// other so that no member is left.
const node_record* next_leader(const cluster_facts& facts) {
  const node_record* first = nullptr;
  const auto lost = find_lost(facts);
  for (const auto& each : facts.members)
    if (!has(lost, each.who.node) && (!first || each.who.node < first->who.node)) first = &each;
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

bool is_member(const cluster_facts& facts, node_index node) {
  return std::ranges::any_of(facts.members, [&](const auto& each) { return each.who.node == node; });
}

template <class Fits>
bool all_owners(const slot_table& table, Fits fit) {
  node_index last;
  bool fits = false;
  for (std::uint16_t slot = 0; slot < slot_count; ++slot) {
    const auto owner = table.owner_of({slot}).node;
    if (slot == 0 || owner != last) fits = fit(owner);  // slots of one owner often come in a row
    if (!fits) return false;
    last = owner;
  }
  return true;
}

/// Nobody drains who has slots, and all that is pinned is in its place: a look that is much cheaper than a plan.
bool is_as_wished(const slot_table& table, std::span<const node_share> nodes, std::span<const slot_pin> pins) {
  const auto takes = [&](node_index node) {
    const auto found = std::ranges::find(nodes, node, &node_share::node);
    return found != nodes.end() && found->weight > 0;
  };
  return all_owners(table, takes) && std::ranges::none_of(pins, [&](const slot_pin& pin) {
           return takes(pin.node) && table.owner_of(pin.slot).node != pin.node;
         });
}

std::vector<std::uint32_t> loads_for(const cluster_facts& facts, const balance_advice& advice) {
  return advice.loads.empty() ? loads_of_slots(*facts.table, facts.loads) : advice.loads;
}

/// What the dead had.
placement_plan plan_rescue(const cluster_facts& facts, std::span<const node_share> nodes,
                           const balance_advice& advice) {
  if (all_owners(*facts.table, [&](node_index owner) { return is_member(facts, owner); })) return {};
  const auto loads = loads_for(facts, advice);
  planner_input input;
  input.nodes = nodes;
  input.loads = loads;
  input.balancing_moves_max = 0;
  auto plan = plan_placement(*facts.table, input);
  std::erase_if(plan.moves, [&](const slot_move& move) { return is_member(facts, move.from); });
  plan.forced = plan.moves.size();
  return plan;
}

/// The next moves of the change that people wish, as far as they can still be made.
std::optional<make_table> next_of_change(const cluster_facts& facts, const coordinator_options& how,
                                         std::span<const node_share> nodes) {
  const auto& change = facts.wishes.change;
  const auto state = state_of(change, *facts.table);
  if (state != change_state::waiting && state != change_state::under_way) return std::nullopt;
  make_table next;
  next.cause = make_table::cause_t::by_hand;
  next.why = change.what;
  auto step = state == change_state::waiting ? 0 : facts.table->mark().steps;
  std::set<slot_id> moved;
  for (; step < change.moves.size() && moved.size() < how.balancing_moves_max; ++step) {
    const auto& move = change.moves[step];
    const auto taker = std::ranges::find(nodes, move.to, &node_share::node);
    const bool is_possible = facts.table->owner_of(move.slot).node == move.from && move.from != move.to &&
                             taker != nodes.end() && taker->weight > 0;
    if (is_possible && moved.insert(move.slot).second) next.plan.moves.push_back(move);
  }
  next.plan.forced = next.plan.moves.size();
  next.mark = {change.id, step};
  return next;
}

}  // namespace

bool has_settled(const cluster_facts& facts) {
  return std::ranges::all_of(
      facts.members, [&](const auto& each) { return each.applied == facts.table->version() && each.moving == 0; });
}

std::vector<node_share> node_shares(const cluster_facts& facts) {
  std::vector<node_share> nodes;
  for (const auto& each : facts.members) {
    const auto wished = facts.wishes.weights.find(each.who.name);
    const bool drains = each.is_draining || facts.wishes.draining.contains(each.who.name);
    const auto weight = wished == facts.wishes.weights.end() ? each.weight : wished->second;
    nodes.push_back({each.who.node, drains || !may_take_slots(facts, each) ? 0 : weight});
  }
  return nodes;
}

std::vector<slot_pin> slot_pins(const cluster_facts& facts) {
  std::vector<slot_pin> pins;
  for (const auto& [slot, name] : facts.wishes.pins)
    if (const auto* member = find(facts, name)) pins.push_back({{slot}, member->who.node});
  return pins;
}

placement_plan plan_balance(const cluster_facts& facts, const coordinator_options& how, const balance_advice& advice) {
  const auto nodes = node_shares(facts);
  const auto pins = slot_pins(facts);
  planner_input input;
  input.nodes = nodes;
  input.loads = advice.loads;
  input.pins = pins;
  input.keeps = advice.keeps;
  input.only = advice.only;
  input.tolerance_percent = advice.tolerance_percent.value_or(how.tolerance_percent);
  input.balancing_moves_max = advice.may_balance ? how.balancing_moves_max : 0;
  return plan_placement(*facts.table, input);
}

std::vector<node_index> find_lost(const cluster_facts& facts) {
  std::vector<node_index> lost;
  std::vector<const node_record*> living;
  for (const auto& each : facts.members) {
    if (has_ended(facts, each))
      lost.push_back(each.who.node);
    else
      living.push_back(&each);
  }
  for (const auto* each : living)
    if (most_miss(living, each->who.node)) lost.push_back(each->who.node);
  if (!lost.empty()) return lost;
  if (const auto* worst = worst_of_pairs(living, facts.lead)) lost.push_back(worst->who.node);
  return lost;
}

bool is_unreachable(const cluster_facts& facts, node_index node) { return has(find_lost(facts), node); }

bool may_take_slots(const cluster_facts& facts, const node_record& member) {
  if (facts.table && facts.table->owned_by(member.who.node) > 0) return true;
  return std::ranges::all_of(facts.members, [&](const auto& other) {
    const auto one = member.who.node, two = other.who.node;
    return !has(member.unmet, two) && !has(member.unreachable, two) && !has(other.unmet, one) &&
           !has(other.unreachable, one);
  });
}

decision decide(const cluster_facts& facts, const std::string& self, const coordinator_options& how,
                const balance_advice& advice) {
  const auto* own = find(facts, self);
  if (!own) return wait_for_change{};
  if (!has_leader(facts)) {
    const auto* next = next_leader(facts);
    if ((next ? next : &facts.members.front()) != own) return wait_for_change{};
    return take_the_lead{{own->who.name, own->who.incarnation, facts.lead.term + 1, facts.lead.version}};
  }
  if (!leads(facts, *own)) return wait_for_change{};

  const auto lost = find_lost(facts);
  for (const auto& each : facts.members)
    if (&each != own && has(lost, each.who.node))
      return declare_dead{each, has_ended(facts, each) ? "its process has ended" : "others can't reach it"};

  using cause_t = make_table::cause_t;
  const auto nodes = node_shares(facts);
  if (std::ranges::none_of(nodes, [](const auto& each) { return each.weight > 0; })) return wait_for_change{};
  if (!facts.table) {
    // Somebody who follows a table knows it, and will put it back (CLUSTER AGENT).
    const bool is_known = std::ranges::any_of(facts.members, [](const auto& each) { return each.applied > 0; });
    const bool is_early = std::ranges::any_of(facts.members, [](const auto& each) { return !each.unmet.empty(); });
    if (is_known || is_early || facts.members.size() < how.members_min) return wait_for_change{};
    planner_input input;
    input.nodes = nodes;
    return make_table{cause_t::first, plan_placement({}, input), {}, "the first"};
  }
  const auto mark = facts.table->mark();
  // What the dead had goes at once; everything else waits until the last moves are over.
  if (auto plan = plan_rescue(facts, nodes, advice); !plan.moves.empty())
    return make_table{cause_t::dead, std::move(plan), mark, "their nodes are gone"};
  if (!has_settled(facts)) return wait_for_change{};
  if (auto next = next_of_change(facts, how, nodes)) return *std::move(next);

  if (!is_as_wished(*facts.table, nodes, slot_pins(facts))) {
    auto without_balance = advice;
    without_balance.loads = loads_for(facts, advice);
    without_balance.may_balance = false;
    auto wished = plan_balance(facts, how, without_balance);
    if (wished.moves.size() > how.balancing_moves_max) wished.moves.resize(how.balancing_moves_max);
    if (!wished.moves.empty()) return make_table{cause_t::wished, std::move(wished), mark, "drains and pins"};
  }
  if (!facts.wishes.balances || !advice.may_balance) return wait_for_change{};
  if (advice.hot && facts.table->owner_of(advice.hot->move.slot).node == advice.hot->move.from) {
    make_table next{cause_t::hot, {}, mark, advice.why};
    next.plan.moves = {advice.hot->move};
    return next;
  }
  auto plan = plan_balance(facts, how, advice);
  if (plan.moves.empty()) return wait_for_change{};
  return make_table{cause_t::balance, std::move(plan), mark, advice.why};
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
