// SPDX-License-Identifier: Apache-2.0
// COMMIT QUEUE: gathers the writes of all actors into one transaction and answers each writer after the commit.
//
//   submit() ─► waiting ──(the writer is idle)──► store.commit(batch) ─► each callback
//                  ▲ fills while a commit is in flight: the batch grows with the load, without a timer
//
// Units of one caller are committed in the order they were submitted. Bounded by units and bytes: past the bound
// submit() refuses with errc::overloaded and nothing was queued.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

#include "storage/store.hpp"

namespace throng {

class commit_queue {
 public:
  /// Called once, on the writer thread; must not block or throw.
  using callback = std::function<void(result<>)>;

  struct limits {
    std::size_t batch_units_max = 512;        // a batch's size; facts: past some hundred rows only latency grows
    std::size_t batch_bytes_max = 16u << 20;  // …unless a single unit is larger
    std::size_t waiting_units_max = 100'000;  // then errc::overloaded
    std::size_t waiting_bytes_max = 256u << 20;
  };
  struct figures {  // since the start; for /metrics and throngbench. What waits includes the batch in flight.
    std::uint64_t units = 0, batches = 0, failed_units = 0, refused_units = 0, store_errors = 0;
    std::size_t waiting_units = 0, waiting_bytes = 0;
  };

  virtual ~commit_queue() = default;
  /// Any thread. On errc::overloaded or errc::stopping the callback is called at once, on the caller's thread.
  virtual void submit(commit_unit unit, callback done) = 0;
  virtual figures read_figures() const = 0;
  /// Commits what was submitted, then refuses with errc::stopping. Blocks until the writer is idle.
  virtual void stop() = 0;
};

/// With a writer thread of its own. A store error (full disk, locked file) is answered to each unit of the batch; the
/// queue itself goes on.
std::unique_ptr<commit_queue> make_threaded_commit_queue(store& target, commit_queue::limits limits);

/// For tests on a virtual clock: nothing happens until pump(), which commits one batch on the caller's thread.
class manual_commit_queue : public commit_queue {
 public:
  /// How many units were committed or refused; 0 if none waited.
  virtual std::size_t pump() = 0;
};
std::unique_ptr<manual_commit_queue> make_manual_commit_queue(store& target, commit_queue::limits limits);

}  // namespace throng
