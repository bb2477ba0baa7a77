// SPDX-License-Identifier: Apache-2.0
// LOAD REPORT: what a node's slots cost, as it tells the others in the topology under "loads/<name>": the heaviest
// slots, the rest together, and entities that are hot. At most about 1.5 KB, and only when it has changed much.
//
// The unit of load is one message a second, or 10 µs of CPU time a second.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "cluster/slot_table.hpp"
#include "storage/model/result.hpp"
#include "storage/topology/topology_store.hpp"

namespace throng {

/// An entity with more messages than it should have to bear alone.
struct hot_entity {
  entity_key key;
  std::uint32_t rate = 0;     // messages a second
  std::uint32_t mailbox = 0;  // that wait
  friend bool operator==(const hot_entity&, const hot_entity&) = default;
};

struct slot_load {
  slot_id slot;
  std::uint32_t load = 0;
  friend bool operator==(const slot_load&, const slot_load&) = default;
};

struct load_report {
  std::string name;  // of the node
  node_index node;
  std::uint64_t incarnation = 0;
  std::uint64_t rest = 0;        // of all slots that aren't listed, together
  std::vector<slot_load> slots;  // the heaviest ones
  std::vector<hot_entity> hot;
  friend bool operator==(const load_report&, const load_report&) = default;

  std::uint64_t total() const;
};
inline constexpr std::string_view load_reports_prefix = "loads/";
inline constexpr std::size_t reported_slots_max = 64;
inline constexpr std::size_t reported_entities_max = 8;
inline std::string load_report_key(std::string_view name) {
  return std::string(load_reports_prefix) + std::string(name);
}

std::string to_json(const load_report& report);
/// Errors (errc::invalid_json) name the key and what is wrong.
result<load_report> parse_load_report(const topology_entry& entry);

/// Is it worth telling the others? Loads waver: a tenth of all of it must be elsewhere or new.
bool differs_much(const load_report& told, const load_report& now);

/// What each slot costs, in eighths of a unit: as its owner says, or as whoever had it before did.
std::vector<std::uint32_t> measured_loads(const slot_table& table, std::span<const load_report> reports);
/// The same for the planner, with something for being there at all: what is hardly used is spread by number, for it
/// takes memory, and may be used in a moment. Empty if nobody says anything.
std::vector<std::uint32_t> loads_of_slots(const slot_table& table, std::span<const load_report> reports);

}  // namespace throng
