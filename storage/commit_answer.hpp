// SPDX-License-Identifier: Apache-2.0
// What everything does that takes units and answers them: the COMMIT QUEUE, and the ROUTER with its many lanes.
#pragma once

#include <utility>

#include "storage/commit_queue.hpp"

namespace throng {

/// A callback that throws would leave the rest of its batch without an answer: end the process, as a thread would.
inline void answer(commit_queue::callback& done, result<> outcome) noexcept {
  done(std::move(outcome));
  done = nullptr;  // what it captured goes before the next one is called
}

/// The store does this for a unit that it refuses; here are the failures that it doesn't see or answer one by one.
/// Before any callback, which may submit what builds on the unit.
inline void break_lineage(const commit_unit& unit) {
  if (unit.lineage) unit.lineage->store(true);
}

}  // namespace throng
