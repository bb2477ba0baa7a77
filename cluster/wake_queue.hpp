// SPDX-License-Identifier: Apache-2.0
// WAKE QUEUE of one SLOT: at most one timer for each entity, so that a node has one coarse tick instead of a timer an
// entity (CAF's are 256 bytes each and can't be cancelled).
#pragma once

#include <map>
#include <unordered_map>
#include <vector>

#include "cluster/envelope.hpp"

namespace throng {

class wake_queue {
 public:
  /// Replaces an earlier time of the same entity.
  void set(entity_key key, steady_time when);
  void cancel(entity_key key);
  /// Takes out the entities whose time is not after `now`, in the order of their times.
  std::vector<entity_key> due(steady_time now);
  bool empty() const noexcept { return times_.empty(); }
  /// REQUIRES: !empty().
  steady_time next() const { return queue_.begin()->first; }

 private:
  using queue = std::multimap<steady_time, entity_key>;
  queue queue_;
  std::unordered_map<entity_key, queue::iterator> times_;
};

}  // namespace throng
