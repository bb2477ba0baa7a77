// SPDX-License-Identifier: Apache-2.0
// SLOT TABLE: which node owns which slot, since which epoch. An immutable, versioned snapshot; a change makes a new one
// with the next version.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "cluster/envelope.hpp"
#include "storage/model/records.hpp"

namespace throng {

class slot_table {
 public:
  struct owner {
    node_index node;  // 0: nobody
    epoch_t epoch = 0;
  };

  std::uint64_t version() const noexcept { return version_; }
  owner owner_of(slot_id slot) const noexcept { return owners_[slot.value]; }
  std::size_t owned_by(node_index node) const;

  /// A table in which `node` owns every slot, each one epoch above what `fences` says it had.
  static slot_table single_node(node_index node, const std::vector<fence>& fences);
  /// What a store's raise_fences() needs to know of the slots that `node` owns.
  std::vector<fence> fences_of(node_index node) const;

 private:
  std::uint64_t version_ = 0;
  std::array<owner, slot_count> owners_{};
};

}  // namespace throng
