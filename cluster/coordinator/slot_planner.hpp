// SPDX-License-Identifier: Apache-2.0
// SLOT PLANNER: which slots should go from which node to which. Pure: the COORDINATOR shows a plan, applies it to the
// slot table, and can undo it. A plan moves as little as it can: what dead and draining nodes have, what is pinned
// elsewhere, and then only what a node has above its share.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "cluster/slot_table.hpp"

namespace throng {

/// A node that slots may be on. A weight of 0 drains it: it keeps nothing.
struct node_share {
  node_index node;
  std::uint32_t weight = 1;  // its share of the load is in proportion
  friend bool operator==(const node_share&, const node_share&) = default;
};

struct slot_pin {
  slot_id slot;
  node_index node;
};

struct planner_input {
  std::span<const node_share> nodes{};     // the live ones
  std::span<const std::uint32_t> loads{};  // of each slot, as measured; empty: all alike. 0 counts as 1.
  std::span<const slot_pin> pins{};        // a pin to a node that isn't there doesn't count
  std::span<const slot_id> keeps{};        // slots that aren't moved for balance
  std::span<const node_index> only{};      // balancing moves are to or from one of these; empty: any
  /// A node may be this much above its share (in percent) before something is taken from it: loads waver, and a move
  /// costs a pause.
  std::uint32_t tolerance_percent = 5;
  /// Of the moves that only balance; those that must be are all in the plan.
  std::size_t balancing_moves_max = slot_count;
};

struct placement_plan {
  std::vector<slot_move> moves;  // by slot
  std::size_t forced = 0;        // how many of them are for dead and draining nodes and pins
  /// Of each node of the input, in its order.
  std::vector<std::pair<node_index, std::uint64_t>> load_before, load_after, shares;
};

/// REQUIRES: loads is empty or has slot_count numbers. No nodes, or none with a weight: no moves.
/// The same input gives the same plan on every node.
placement_plan plan_placement(const slot_table& table, const planner_input& input);

}  // namespace throng
