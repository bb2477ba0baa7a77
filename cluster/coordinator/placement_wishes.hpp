// SPDX-License-Identifier: Apache-2.0
// PLACEMENT WISHES: what people want of the placement: nodes that shall be empty, other weights, slots that are pinned,
// no balancing, and one change by hand, as a list of moves. One document in the topology ("placement"), changed by
// compare-and-set; the COORDINATOR carries it out, step by step, and writes nothing back: the slot table's mark says
// how far a change has come.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "cluster/slot_table.hpp"
#include "storage/model/result.hpp"
#include "storage/topology/topology_store.hpp"

namespace throng {

/// Moves by hand: an applied plan, one slot's migration, or the undoing of one of these.
struct placement_change {
  std::uint64_t id = 0;        // rises with each; 0: there was none yet
  std::uint64_t made_for = 0;  // the slot table's version; it begins on this one or never
  std::string what;            // "plan 3", for people
  std::vector<slot_move> moves;
  bool is_undoing = false;
  /// What undoing it brings back beside the moves, if it changed that.
  bool has_set_nodes = false;
  std::set<std::string> draining_before{};
  std::map<std::string, std::uint32_t> weights_before{};
  friend bool operator==(const placement_change&, const placement_change&) = default;
};

struct placement_wishes {
  bool balances = true;
  std::set<std::string> draining;                // names of nodes
  std::map<std::string, std::uint32_t> weights;  // instead of their own
  std::map<std::uint16_t, std::string> pins;     // slots to names of nodes
  placement_change change;                       // the last one
  topology_version version = 0;                  // of the entry; not in the JSON
  friend bool operator==(const placement_wishes&, const placement_wishes&) = default;
};
inline constexpr std::string_view placement_wishes_key = "placement";
inline constexpr std::size_t pinned_slots_max = 1'024;
inline constexpr std::size_t wished_nodes_max = 1'024;

/// At most about 60 KB: a change that moves all slots, and all the pins there may be.
std::string to_json(const placement_wishes& wishes);
/// Errors (errc::invalid_json) name the key and what is wrong.
result<placement_wishes> parse_placement_wishes(const topology_entry& entry);

/// What has become of the last change, by the table.
enum class change_state : std::uint8_t { none, waiting, under_way, finished, overtaken };
change_state state_of(const placement_change& change, const slot_table& table);

}  // namespace throng
