// SPDX-License-Identifier: Apache-2.0
#include "cluster/slot_table.hpp"

#include <algorithm>

namespace throng {

std::size_t slot_table::owned_by(node_index node) const {
  return static_cast<std::size_t>(
      std::count_if(owners_.begin(), owners_.end(), [node](const owner& each) { return each.node == node; }));
}

slot_table slot_table::single_node(node_index node, const std::vector<fence>& fences) {
  slot_table table;
  table.version_ = 1;
  for (const auto& each : fences)
    if (each.slot.value < slot_count) table.owners_[each.slot.value].epoch = each.epoch;
  for (auto& each : table.owners_) {
    each.node = node;
    ++each.epoch;
  }
  return table;
}

std::vector<fence> slot_table::fences_of(node_index node) const {
  std::vector<fence> fences;
  for (std::uint16_t slot = 0; slot < slot_count; ++slot)
    if (owners_[slot].node == node) fences.push_back({slot_id{slot}, owners_[slot].epoch});
  return fences;
}

}  // namespace throng
