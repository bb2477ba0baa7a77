// SPDX-License-Identifier: Apache-2.0
// WAKE QUEUE of one SLOT: at most one timer for each entity, so that a node has one coarse tick instead of a timer an
// entity (CAF's are 256 bytes each and can't be cancelled). A SLOT has tens of entities: a sorted vector is 24 bytes
// for each of them, where a tree and an index took 150, and walking it is quicker.
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "cluster/envelope.hpp"

namespace throng {

class wake_queue {
 public:
  /// Replaces an earlier time of the same entity.
  void set(entity_key key, steady_time when);
  void cancel(entity_key key);
  /// Nullopt if none is set.
  std::optional<steady_time> find(entity_key key) const;
  /// Takes out the entities whose time is not after `now`, in the order of their times.
  std::vector<entity_key> due(steady_time now);
  bool empty() const noexcept { return times_.empty(); }
  /// REQUIRES: !empty().
  steady_time next() const { return times_.front().first; }

 private:
  std::vector<std::pair<steady_time, entity_key>> times_;  // the soonest first; equal ones as they were set
};

}  // namespace throng
