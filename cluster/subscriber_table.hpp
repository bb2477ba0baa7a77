// SPDX-License-Identifier: Apache-2.0
// SUBSCRIBER TABLE of one SLOT: which gateway nodes want which stream. It outlives the streams' entities, so that a
// quiet channel costs an entry here and no actor: 24 bytes in a sorted vector, for every connection has streams of its
// own. Bounded by the number of nodes per stream.
#pragma once

#include <span>
#include <vector>

#include "cluster/envelope.hpp"

namespace throng {

class subscriber_table {
 public:
  struct subscription {
    entity_key stream;
    node_index node;
    friend constexpr auto operator<=>(const subscription&, const subscription&) = default;
  };

  /// Idempotent; false if it was there.
  bool add(entity_key stream, node_index node);
  bool remove(entity_key stream, node_index node);
  void remove_node(node_index node);
  /// Empty for a stream that nobody wants. Valid until the next change.
  std::span<const subscription> subscribers(entity_key stream) const;
  std::size_t stream_count() const;
  /// By stream.
  std::span<const subscription> all() const { return all_; }

 private:
  std::vector<subscription> all_;  // sorted: a SLOT has tens of streams, at most some hundreds
};

}  // namespace throng
