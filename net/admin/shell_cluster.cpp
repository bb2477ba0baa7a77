// SPDX-License-Identifier: Apache-2.0
#include "net/admin/shell_cluster.hpp"

#include <algorithm>
#include <cstdio>

#include "net/admin/shell_format.hpp"

namespace throng {

namespace {

std::string state_of(const cluster_agent::view& now, const node_record& member) {
  if (is_unreachable(now.facts, member.who.node)) return "unreachable";
  if (member.is_draining) return "draining";
  if (now.facts.wishes.draining.contains(member.who.name))
    return now.facts.table && now.facts.table->owned_by(member.who.node) > 0 ? "draining" : "drained";
  if (!now.facts.table || member.applied < now.facts.table->version() || member.moving > 0) return "moving";
  return "settled";
}

/// As it reported last.
std::uint64_t load_of(const cluster_agent::view& now, const node_identity& node) {
  const auto found = std::ranges::find_if(now.facts.loads, [&](const load_report& report) {
    return report.node == node.node && report.incarnation == node.incarnation;
  });
  return found == now.facts.loads.end() ? 0 : found->total();
}

std::string wishes_note(const placement_wishes& wishes) {
  std::string note;
  if (!wishes.balances) note += "; balancing is off";
  if (!wishes.pins.empty()) note += "; pinned slots: " + std::to_string(wishes.pins.size());
  return note;
}

std::string milliseconds_of(std::chrono::microseconds time) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f ms", static_cast<double>(time.count()) / 1000);
  return text;
}

}  // namespace

std::string name_of(const cluster_agent::view& now, node_index node) {
  if (node.value == 0) return "nobody";
  for (const auto& each : now.facts.members)
    if (each.who.node == node) return each.who.name;
  return "number " + std::to_string(node.value) + ", which is gone";
}

shell_table nodes_table(const cluster_agent::view& now, const std::vector<links::view>& links) {
  shell_table table{
      {"NODE", "NUMBER", "STATE", "SLOTS", "WEIGHT", "LOAD", "MOVING", "LINK", "ROUND TRIP", "CLIENTS"}, {}, {}};
  const auto shares = node_shares(now.facts);
  for (const auto& each : now.facts.members) {
    std::string link = "self", round_trip;
    if (each.who.node != now.self.node) {
      const auto found = std::ranges::find(links, each.who.node, [](const auto& view) { return view.peer.node; });
      link = found != links.end() && found->is_up ? "up" : "down";
      if (link == "up") round_trip = milliseconds_of(found->round_trip);
    }
    table.rows.push_back({each.who.name, each.who.node.value, state_of(now, each),
                          now.facts.table ? now.facts.table->owned_by(each.who.node) : 0,
                          std::ranges::find(shares, each.who.node, &node_share::node)->weight, load_of(now, each.who),
                          each.moving, link, round_trip, each.who.client_url});
  }
  table.note = now.facts.lead.leader.empty()
                   ? "nobody coordinates"
                   : now.facts.lead.leader + " coordinates (term " + std::to_string(now.facts.lead.term) + ")";
  table.note += wishes_note(now.facts.wishes);
  if (!now.is_member) table.note += "; " + now.self.name + ", which tells this, is no member now";
  return table;
}

shell_table pins_table(const cluster_agent::view& now) {
  shell_table table{{"ENTITY", "NODE", "STATE", "SLOT", "OWNER"}, {}, {}};
  if (!now.pins) return table;
  for (const auto& pin : *now.pins) {
    const auto slot = slot_of(pin.key);
    const auto owner = owner_of(now, slot);
    const auto member = std::ranges::find(
        now.facts.members, pin.node, [](const auto& each) -> const auto& { return each.who.name; });
    const char* state = member == now.facts.members.end() ? "no member"
                        : member->is_draining             ? "draining"
                        : owner == pin.node               ? "owns the slot"
                                                          : "lent";
    table.rows.push_back({to_text(pin.key), pin.node, state, slot.value, owner});
  }
  table.note = std::to_string(now.pins->size()) + " of at most " + std::to_string(pins_max) + " pins";
  return table;
}

std::string state_of(const entity_view& view, const cluster_agent::view* now) {
  std::string state(name_of(view.state));
  if (now && view.lent_to.value) state += " to " + name_of(*now, view.lent_to);
  if (now && view.lent_from.value) state += ", lent from " + name_of(*now, view.lent_from);
  return state;
}

std::string owner_of(const cluster_agent::view& now, slot_id slot) {
  return now.facts.table ? name_of(now, now.facts.table->owner_of(slot).node) : "nobody";
}

std::string slots_summary(const cluster_agent::view& now) {
  if (!now.facts.table) return "there is no slot table yet";
  std::string text = std::to_string(slot_count) + " slots";
  const char* before = ": ";
  for (const auto& each : now.facts.members) {
    text += before + each.who.name + " " + std::to_string(now.facts.table->owned_by(each.who.node));
    before = ", ";
  }
  text += "; table " + std::to_string(now.facts.table->version());
  before = "; pinned: ";
  for (const auto& [slot, node] : now.facts.wishes.pins) {
    text += before + std::to_string(slot) + " to " + node;
    before = ", ";
  }
  return text;
}

}  // namespace throng
