// SPDX-License-Identifier: Apache-2.0
#include "cluster/coordinator/placement_wishes.hpp"

#include <utility>

#include "storage/json/json.hpp"

namespace throng {

namespace {

void write_weights(json_writer& out, const std::map<std::string, std::uint32_t>& weights) {
  out.begin_object();
  for (const auto& [node, weight] : weights) out.member(node, weight);
  out.end_object();
}

void write_names(json_writer& out, const std::set<std::string>& names) {
  out.begin_array();
  for (const auto& each : names) out.value(each);
  out.end_array();
}

/// {"from":1,"to":2,"slots":[…]}: the two nodes once for many slots.
void write_moves(json_writer& out, const std::vector<slot_move>& moves) {
  std::map<std::pair<node_index, node_index>, std::vector<slot_id>> groups;
  for (const auto& each : moves) groups[{each.from, each.to}].push_back(each.slot);
  out.begin_array();
  for (const auto& [way, slots] : groups) {
    out.begin_object().member("from", way.first.value).member("to", way.second.value).key("slots").begin_array();
    for (auto slot : slots) out.value(slot.value);
    out.end_array().end_object();
  }
  out.end_array();
}

/// Reads what must be there, and remembers the first thing that is wrong.
class reader {
 public:
  std::uint64_t number(json_value from, std::string_view name, std::uint64_t max = INT64_MAX) {
    return number_of(from.find(name), name, max);
  }
  std::uint64_t number_of(json_value value, std::string_view name, std::uint64_t max) {
    const auto found = value.as_int();
    if (found && *found >= 0 && static_cast<std::uint64_t>(*found) <= max) return static_cast<std::uint64_t>(*found);
    fail(name, "a number from 0 to " + std::to_string(max));
    return 0;
  }
  bool flag(json_value from, std::string_view name) {
    const auto found = from.find(name).as_bool();
    if (!found) fail(name, "true or false");
    return found.value_or(false);
  }
  std::string text(json_value value, std::string_view name) {
    const auto found = value.as_string();
    if (!found) fail(name, "a text");
    return std::string(found.value_or(""));
  }
  std::set<std::string> names(json_value from, std::string_view name) {
    std::set<std::string> all;
    const auto list = from.find(name);
    if (!list.is_array()) fail(name, "a list of nodes");
    list.for_each_element([&](json_value each) { all.insert(text(each, name)); });
    if (all.size() > wished_nodes_max) fail(name, "shorter");
    return all;
  }
  std::map<std::string, std::uint32_t> weights(json_value from, std::string_view name) {
    std::map<std::string, std::uint32_t> all;
    const auto object = from.find(name);
    if (!object.is_object()) fail(name, "an object of nodes and weights");
    object.for_each_member([&](std::string_view node, json_value weight) {
      all[std::string(node)] = static_cast<std::uint32_t>(number_of(weight, name, 1'000'000));
    });
    if (all.size() > wished_nodes_max) fail(name, "shorter");
    return all;
  }
  slot_id slot(json_value value) { return {static_cast<std::uint16_t>(number_of(value, "slots", slot_count - 1))}; }
  node_index node(json_value from, std::string_view name) {
    return {static_cast<std::uint16_t>(number(from, name, UINT16_MAX))};
  }
  std::vector<slot_move> moves(json_value from) {
    std::vector<slot_move> all;
    const auto list = from.find("moves");
    if (!list.is_array()) fail("moves", "a list");
    list.for_each_element([&](json_value group) {
      const auto before = node(group, "from"), after = node(group, "to");
      if (after.value == 0) fail("to", "a node");
      if (!group.find("slots").is_array()) fail("slots", "a list");
      group.find("slots").for_each_element([&](json_value each) {
        if (all.size() < slot_count) all.push_back({slot(each), before, after});
      });
    });
    return all;
  }

  void fail(std::string_view name, const std::string& expected) {
    if (problem.empty()) problem = "\"" + std::string(name) + "\" must be " + expected;
  }
  std::string problem;
};

}  // namespace

std::string to_json(const placement_wishes& wishes) {
  std::string text;
  json_writer out(text);
  out.begin_object().member("balances", wishes.balances);
  out.key("draining");
  write_names(out, wishes.draining);
  out.key("weights");
  write_weights(out, wishes.weights);
  out.key("pins").begin_array();
  for (const auto& [slot, node] : wishes.pins)
    out.begin_object().member("slot", slot).member("node", node).end_object();
  out.end_array();
  const auto& change = wishes.change;
  if (change.id != 0) {
    out.key("change").begin_object().member("id", change.id).member("made_for", change.made_for);
    out.member("what", change.what).member("is_undoing", change.is_undoing).key("moves");
    write_moves(out, change.moves);
    if (change.has_set_nodes) {
      out.key("before").begin_object().key("draining");
      write_names(out, change.draining_before);
      out.key("weights");
      write_weights(out, change.weights_before);
      out.end_object();
    }
    out.end_object();
  }
  out.end_object();
  return text;
}

result<placement_wishes> parse_placement_wishes(const topology_entry& entry) {
  auto document = parse_json(entry.value);
  if (!document) return error{errc::invalid_json, entry.key + ": " + document.failure().detail};
  const auto root = document->root();
  reader in;
  placement_wishes wishes;
  wishes.balances = in.flag(root, "balances");
  wishes.draining = in.names(root, "draining");
  wishes.weights = in.weights(root, "weights");
  if (!root.find("pins").is_array()) in.fail("pins", "a list");
  root.find("pins").for_each_element(
      [&](json_value each) { wishes.pins[in.slot(each.find("slot")).value] = in.text(each.find("node"), "node"); });
  if (const auto found = root.find("change"); found.is_object()) {
    auto& change = wishes.change;
    change.id = in.number(found, "id");
    change.made_for = in.number(found, "made_for");
    change.what = in.text(found.find("what"), "what");
    change.is_undoing = in.flag(found, "is_undoing");
    change.moves = in.moves(found);
    if (const auto before = found.find("before"); before.is_object()) {
      change.has_set_nodes = true;
      change.draining_before = in.names(before, "draining");
      change.weights_before = in.weights(before, "weights");
    }
  }
  if (!in.problem.empty()) return error{errc::invalid_json, entry.key + ": " + in.problem};
  wishes.version = entry.version;
  return wishes;
}

change_state state_of(const placement_change& change, const slot_table& table) {
  if (change.id == 0) return change_state::none;
  const auto& mark = table.mark();
  if (mark.change > change.id) return change_state::finished;
  if (mark.change == change.id)
    return mark.steps < change.moves.size() ? change_state::under_way : change_state::finished;
  return table.version() == change.made_for ? change_state::waiting : change_state::overtaken;
}

}  // namespace throng
