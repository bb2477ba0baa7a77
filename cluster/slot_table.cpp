// SPDX-License-Identifier: Apache-2.0
#include "cluster/slot_table.hpp"

#include <algorithm>

#include "cluster/proto/cluster.pb.h"
#include "storage/model/assert.hpp"

namespace throng {

std::size_t slot_table::owned_by(node_index node) const {
  return static_cast<std::size_t>(
      std::count_if(owners_.begin(), owners_.end(), [node](const owner& each) { return each.node == node; }));
}

slot_table slot_table::single_node(node_index node, const std::vector<fence>& fences) {
  auto table = unowned(1, fences);
  for (auto& each : table.owners_) {
    each.node = node;
    ++each.epoch;
  }
  return table;
}

slot_table slot_table::unowned(std::uint64_t version, const std::vector<fence>& fences) {
  slot_table table;
  table.version_ = version;
  return table.above(fences);
}

std::vector<fence> slot_table::fences_of(node_index node) const {
  std::vector<fence> fences;
  for (std::uint16_t slot = 0; slot < slot_count; ++slot)
    if (owners_[slot].node == node) fences.push_back({slot_id{slot}, owners_[slot].epoch});
  return fences;
}

slot_table slot_table::after(std::span<const slot_move> moves) const { return after(moves, mark_); }

slot_table slot_table::after(std::span<const slot_move> moves, change_mark mark) const {
  auto next = *this;
  ++next.version_;
  next.mark_ = mark;
  for (const auto& each : moves) {
    auto& place = next.owners_[each.slot.value];
    THRONG_ASSERT(place.node == each.from);
    place = {each.to, place.epoch + 1, each.from};
  }
  return next;
}

slot_table slot_table::above(std::span<const fence> fences) const {
  auto same = *this;
  for (const auto& each : fences) {
    if (each.slot.value >= slot_count) continue;
    auto& place = same.owners_[each.slot.value];
    place.epoch = std::max(place.epoch, each.epoch);
  }
  return same;
}

std::vector<slot_move> slot_table::moves_to(const slot_table& next) const {
  std::vector<slot_move> moves;
  for (std::uint16_t slot = 0; slot < slot_count; ++slot)
    if (owners_[slot].node != next.owners_[slot].node)
      moves.push_back({slot_id{slot}, owners_[slot].node, next.owners_[slot].node});
  return moves;
}

std::string slot_table::encode() const {
  SlotTable message;
  message.set_version(version_);
  message.set_change(mark_.change);
  message.set_change_steps(mark_.steps);
  for (const auto& each : owners_) {
    message.add_nodes(each.node.value);
    message.add_epochs(each.epoch);
    message.add_previous(each.previous.value);
  }
  return message.SerializeAsString();
}

result<slot_table> slot_table::decode(std::string_view bytes) {
  SlotTable message;
  if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
    return error{errc::invalid_arguments, "not a slot table"};
  for (auto count : {message.nodes_size(), message.epochs_size(), message.previous_size()})
    if (count != int{slot_count})
      return error{errc::invalid_arguments, "a slot table of " + std::to_string(count) + " slots"};
  slot_table table;
  table.version_ = message.version();
  table.mark_ = {message.change(), message.change_steps()};
  for (int slot = 0; slot < int{slot_count}; ++slot) {
    for (auto node : {message.nodes(slot), message.previous(slot)})
      if (node > UINT16_MAX) return error{errc::invalid_arguments, "node " + std::to_string(node) + " can't be"};
    table.owners_[static_cast<std::size_t>(slot)] = {{static_cast<std::uint16_t>(message.nodes(slot))},
                                                     message.epochs(slot),
                                                     {static_cast<std::uint16_t>(message.previous(slot))}};
  }
  return table;
}

}  // namespace throng
