// SPDX-License-Identifier: Apache-2.0
// SUBSCRIBER TABLE of one SLOT: which gateway nodes want which stream. It outlives the streams' entities, so that a
// quiet channel costs an entry here and no actor. Bounded by the number of nodes per stream.
#pragma once

#include <unordered_map>
#include <vector>

#include "cluster/envelope.hpp"

namespace throng {

class subscriber_table {
 public:
  /// Idempotent; false if it was there.
  bool add(entity_key stream, node_index node);
  bool remove(entity_key stream, node_index node);
  void remove_node(node_index node);
  /// Empty for a stream that nobody wants. Valid until the next change.
  const std::vector<node_index>& subscribers(entity_key stream) const;
  std::size_t stream_count() const noexcept { return streams_.size(); }

 private:
  std::unordered_map<entity_key, std::vector<node_index>> streams_;
};

}  // namespace throng
