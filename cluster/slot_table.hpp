// SPDX-License-Identifier: Apache-2.0
// SLOT TABLE: which node owns which slot, since which epoch. An immutable, versioned snapshot; a change makes a new one
// with the next version.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cluster/envelope.hpp"
#include "storage/model/records.hpp"
#include "storage/model/result.hpp"

namespace throng {

struct slot_move {
  slot_id slot;
  node_index from;  // 0: nobody had it
  node_index to;
  friend bool operator==(const slot_move&, const slot_move&) = default;
};

class slot_table {
 public:
  struct owner {
    node_index node;  // 0: nobody
    epoch_t epoch = 0;
    node_index previous;  // who had it before, and must have let go of it if it lives; 0: nobody
    friend bool operator==(const owner&, const owner&) = default;
  };

  /// How far the last change by hand has come that was begun. In the table, so that one write says both what moves
  /// and that it needn't be moved again.
  struct change_mark {
    std::uint64_t change = 0;  // 0: there was none
    std::uint32_t steps = 0;   // of its moves, that have been done or passed over
    friend bool operator==(const change_mark&, const change_mark&) = default;
  };

  std::uint64_t version() const noexcept { return version_; }
  const change_mark& mark() const noexcept { return mark_; }
  owner owner_of(slot_id slot) const noexcept { return owners_[slot.value]; }
  std::size_t owned_by(node_index node) const;

  /// A table in which `node` owns every slot, each one epoch above what `fences` says it had.
  static slot_table single_node(node_index node, const std::vector<fence>& fences);
  /// The table before the first of a cluster: nobody owns anything, and what follows has epochs above `fences`.
  static slot_table unowned(std::uint64_t version, const std::vector<fence>& fences);
  /// The next version: each moved slot has its new owner, one epoch above. Epochs never fall, so undoing a move is
  /// another move. REQUIRES: every `from` is the owner.
  slot_table after(std::span<const slot_move> moves) const;
  slot_table after(std::span<const slot_move> moves, change_mark mark) const;
  /// The same table, but that what follows has epochs above `fences`.
  slot_table above(std::span<const fence> fences) const;
  /// The slots whose owner differs, as the moves from this table to `next`.
  std::vector<slot_move> moves_to(const slot_table& next) const;

  /// As the topology store keeps it (cluster/proto/cluster.proto); about 12 KB.
  std::string encode() const;
  /// Errors: errc::invalid_arguments for bytes that are no table of slot_count slots.
  static result<slot_table> decode(std::string_view bytes);

  friend bool operator==(const slot_table&, const slot_table&) = default;

  /// What a store's raise_fences() needs to know of the slots that `node` owns.
  std::vector<fence> fences_of(node_index node) const;

 private:
  std::uint64_t version_ = 0;
  change_mark mark_;
  std::array<owner, slot_count> owners_{};
};

}  // namespace throng
