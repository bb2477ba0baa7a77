// SPDX-License-Identifier: Apache-2.0
#include "cluster/load/load_report.hpp"

#include <algorithm>
#include <map>
#include <numeric>
#include <optional>

#include "storage/json/json.hpp"

namespace throng {

namespace {

constexpr std::uint64_t least_change = 20;   // less isn't worth a write
constexpr std::uint64_t presence_share = 8;  // being there counts this part of the mean load
constexpr std::uint64_t fineness = 8;        // of what the planner sees, in a unit: a rest is spread thin

std::optional<std::uint64_t> number_in(json_value value, std::uint64_t max) {
  const auto found = value.as_int();
  if (!found || *found < 0 || static_cast<std::uint64_t>(*found) > max) return std::nullopt;
  return static_cast<std::uint64_t>(*found);
}

/// A JSON list of at most `max` lists of numbers, each as large as it may be.
std::optional<std::vector<std::vector<std::uint64_t>>> rows_in(json_value list, std::size_t max,
                                                               const std::vector<std::uint64_t>& limits) {
  if (!list.is_array()) return std::nullopt;
  std::vector<std::vector<std::uint64_t>> rows;
  bool is_sound = true;
  list.for_each_element([&](json_value element) {
    auto& row = rows.emplace_back();
    element.for_each_element([&](json_value each) {
      const auto number = row.size() < limits.size() ? number_in(each, limits[row.size()]) : std::nullopt;
      is_sound &= number.has_value();
      row.push_back(number.value_or(0));
    });
    is_sound &= row.size() == limits.size();
  });
  if (!is_sound || rows.size() > max) return std::nullopt;
  return rows;
}

}  // namespace

std::uint64_t load_report::total() const {
  auto sum = rest;
  for (const auto& each : slots) sum += each.load;
  return sum;
}

std::string to_json(const load_report& report) {
  std::string text;
  json_writer out(text);
  out.begin_object().member("name", report.name).member("node", report.node.value);
  out.member("incarnation", report.incarnation).member("rest", report.rest).key("slots").begin_array();
  for (const auto& each : report.slots) out.begin_array().value(each.slot.value).value(each.load).end_array();
  out.end_array().key("hot").begin_array();
  for (const auto& each : report.hot) {
    out.begin_array().value(static_cast<int>(each.key.kind)).value(each.key.id >> 32).value(each.key.id & UINT32_MAX);
    out.value(each.rate).value(each.mailbox).end_array();
  }
  out.end_array().end_object();
  return text;
}

result<load_report> parse_load_report(const topology_entry& entry) {
  auto wrong = [&](std::string_view what) { return error{errc::invalid_json, entry.key + ": " + std::string(what)}; };
  auto document = parse_json(entry.value);
  if (!document) return wrong(document.failure().detail);
  const auto root = document->root();
  load_report report;
  const auto name = root.find("name").as_string();
  const auto node = number_in(root.find("node"), UINT16_MAX);
  const auto incarnation = number_in(root.find("incarnation"), INT64_MAX);
  const auto rest = number_in(root.find("rest"), INT64_MAX);
  if (!name || !node || !incarnation || !rest)
    return wrong("a name, a node, an incarnation and the rest must be there");
  report.name = *name;
  report.node = {static_cast<std::uint16_t>(*node)};
  report.incarnation = *incarnation;
  report.rest = std::min<std::uint64_t>(*rest, UINT32_MAX);
  const auto slots = rows_in(root.find("slots"), reported_slots_max, {slot_count - 1, UINT32_MAX});
  if (!slots) return wrong("\"slots\" must be at most 64 pairs of a slot and its load");
  for (const auto& each : *slots)
    report.slots.push_back({{static_cast<std::uint16_t>(each[0])}, static_cast<std::uint32_t>(each[1])});
  const auto hot =
      rows_in(root.find("hot"), reported_entities_max, {UINT8_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX});
  if (!hot) return wrong("\"hot\" must be at most 8 lists of a kind, an id in two halves, a rate and a mailbox");
  for (const auto& each : *hot)
    report.hot.push_back({{static_cast<entity_kind>(each[0]), each[1] << 32 | each[2]},
                          static_cast<std::uint32_t>(each[3]),
                          static_cast<std::uint32_t>(each[4])});
  return report;
}

bool differs_much(const load_report& told, const load_report& now) {
  auto keys = [](const load_report& report) {
    std::vector<entity_key> all;
    for (const auto& each : report.hot) all.push_back(each.key);
    std::ranges::sort(all);
    return all;
  };
  if (told.node != now.node || told.incarnation != now.incarnation || keys(told) != keys(now)) return true;
  std::map<slot_id, std::int64_t> changes;
  for (const auto& each : told.slots) changes[each.slot] -= each.load;
  for (const auto& each : now.slots) changes[each.slot] += each.load;
  auto sum = static_cast<std::uint64_t>(std::abs(static_cast<std::int64_t>(now.rest - told.rest)));
  for (const auto& [slot, change] : changes) sum += static_cast<std::uint64_t>(std::abs(change));
  return sum > least_change && sum * 10 > std::max(told.total(), now.total());
}

std::vector<std::uint32_t> measured_loads(const slot_table& table, std::span<const load_report> reports) {
  struct known {
    std::uint64_t load = 0;
    bool is_owners = false;
  };
  std::map<slot_id, known> listed;
  std::map<node_index, std::uint64_t> rest_of, unlisted;
  for (const auto& report : reports) {
    rest_of[report.node] = report.rest;
    for (const auto& each : report.slots) {
      auto& place = listed[each.slot];
      const bool is_owners = table.owner_of(each.slot).node == report.node;
      if (is_owners || !place.is_owners) place = {each.load, is_owners};
    }
  }
  for (std::uint16_t slot = 0; slot < slot_count; ++slot)
    if (!listed.contains({slot})) ++unlisted[table.owner_of({slot}).node];
  std::vector<std::uint32_t> loads(slot_count);
  auto set = [&](std::uint16_t slot, std::uint64_t load) {
    loads[slot] = static_cast<std::uint32_t>(std::min<std::uint64_t>(load, UINT32_MAX / 2));
  };
  for (std::uint16_t slot = 0; slot < slot_count; ++slot) {
    const auto owner = table.owner_of({slot}).node;
    if (const auto found = listed.find({slot}); found != listed.end())
      set(slot, found->second.load * fineness);
    else if (const auto rest = rest_of.find(owner); rest != rest_of.end())
      set(slot, rest->second * fineness / unlisted[owner]);
  }
  return loads;
}

std::vector<std::uint32_t> loads_of_slots(const slot_table& table, std::span<const load_report> reports) {
  auto loads = measured_loads(table, reports);
  const auto total = std::accumulate(loads.begin(), loads.end(), std::uint64_t{0});
  if (total == 0) return {};
  // At least a message a second; under load, an eighth of the mean.
  const auto presence = std::max<std::uint64_t>(fineness, total / slot_count / presence_share);
  for (auto& each : loads) each += static_cast<std::uint32_t>(presence);
  return loads;
}

}  // namespace throng
