// SPDX-License-Identifier: Apache-2.0
// NODE: the actor system of one process, with its region, its SLOTs and the tick that drives their timers. One a
// process; the sim ring runs it on CAF's test scheduler.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "cluster/clock.hpp"
#include "cluster/entity.hpp"
#include "cluster/inspection.hpp"
#include "cluster/node_services.hpp"
#include "cluster/region.hpp"

namespace throng {

class node {
 public:
  /// What is placed on nodes: which factory makes which kind.
  using kinds = std::vector<std::pair<entity_kind, entity_factory>>;

  struct parts {
    node_index self{1};
    node_options options;
    std::shared_ptr<const slot_table> table;  // its fences are raised in the store already
    time_source& clock;
    commit_queue& commits;
    reader_pool& readers;
    bool is_simulated = false;  // CAF's test scheduler; run() and tick() by hand
  };

  static std::unique_ptr<node> start(parts with, kinds placed);
  virtual ~node() = default;  // stop(), if nobody has

  virtual region& door() = 0;
  virtual inspection& inspect() = 0;

  /// Answers what waits with errc::stopping, ends all actors, and returns when they are gone. The commit queue must
  /// still run: what entities have submitted is committed by it.
  virtual void stop() = 0;

  // -- simulated nodes
  // -------------------------------------------------------------------------------------------------

  /// Handles all messages that are there and that follow from them; how many.
  virtual std::size_t run() = 0;
  /// What the ticker does every 100 ms of a real node: expires asks, wakes entities, passivates idle ones.
  virtual void tick() = 0;
};

}  // namespace throng
