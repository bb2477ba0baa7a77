// SPDX-License-Identifier: Apache-2.0
// SHARD METER: how many writes a second a shard has committed lately and how long that took, from counters that only
// rise. Pure; its owner guards it. Keeps `window` samples.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>

#include "storage/model/time.hpp"
#include "storage/router/latency_histogram.hpp"

namespace throng {

class shard_meter {
 public:
  static constexpr std::size_t window = 10;  // samples; taken once a second

  /// Counters that went back are another shard's of the same name: it starts anew.
  void add(steady_time now, std::uint64_t units, const latency_histogram& latency);
  double units_per_second() const;
  std::chrono::microseconds p99() const;

 private:
  struct sample {
    steady_time at;
    std::uint64_t units = 0;
    latency_histogram latency;
  };
  std::deque<sample> samples_;
};

}  // namespace throng
