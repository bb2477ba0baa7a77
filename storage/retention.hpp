// SPDX-License-Identifier: Apache-2.0
// RETENTION: keeps the event log as long as the configuration says. Driven by tick(): every so often it submits one
// small trim through the COMMIT QUEUE, where it shares the transaction of whatever else waits; while full batches are
// found, the next one follows at the next tick. One trim is under way at a time. Used by one thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <random>

#include "storage/commit_queue.hpp"

namespace throng {

class retention {
 public:
  struct options {
    std::chrono::microseconds events_kept = std::chrono::hours(24 * 7);
    std::size_t batch = 500;                  // events; a guess: not to hold up commits for long
    std::chrono::milliseconds pause{60'000};  // ±25 %, so that nodes that started together part
  };
  struct figures {
    std::uint64_t trimmed = 0, failures = 0;
  };

  /// Starts at a random point of the first pause. `queue` must outlive it; a trim under way may outlive it.
  retention(commit_queue& queue, const options& how, std::uint64_t seed);

  void tick(steady_time now, wall_time wall);
  figures read_figures() const;

 private:
  struct trim;  // one, and what came of it

  void submit(wall_time before);
  void settle(steady_time now);
  std::chrono::milliseconds jittered(double least, double most);

  commit_queue& queue_;
  const options options_;
  std::mt19937_64 random_;
  std::shared_ptr<trim> under_way_;
  bool has_started_ = false;
  steady_time next_{};
  figures figures_;
};

}  // namespace throng
