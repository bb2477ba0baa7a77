// SPDX-License-Identifier: Apache-2.0
// ASK CROWD: keeps so many asks outstanding at the CHANNELs of a benchmark, in turn; each answer asks the next.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <vector>

#include "cluster/region.hpp"
#include "tools/throngbench/latency_histogram.hpp"

namespace throng {

class ask_crowd {
 public:
  ask_crowd(region& door, message_ptr request, std::size_t channels, std::size_t outstanding)
      : door_(door), request_(std::move(request)), channels_(channels), lanes_(outstanding) {}

  /// Asks `count` times, or until stop() if it is 0, and returns when all are answered; the first error.
  result<> run(std::size_t count);
  void stop() { limit_ = 0; }

  latency_histogram latencies() const;
  void forget();

 private:
  struct lane {  // one ask after the other, so its members need no lock
    std::int64_t started = 0;
    std::vector<std::int64_t> latencies;
  };
  void next(lane& own);
  void end(result<> outcome);

  region& door_;
  const message_ptr request_;
  const std::size_t channels_;
  std::vector<lane> lanes_;
  std::atomic<std::size_t> asked_{0}, limit_{0};
  std::mutex mutex_;
  std::condition_variable ended_;
  std::size_t running_ = 0;
  result<> failure_ = done;
};

}  // namespace throng
