// SPDX-License-Identifier: Apache-2.0
// Latencies, counted by steps of 50 µs up to 10 s: fixed memory however many there are. One writer at a time.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace throng {

class latency_histogram {
 public:
  void add(std::int64_t ns) {
    const auto step = std::max<std::int64_t>(0, ns) / step_ns;
    ++counts_[static_cast<std::size_t>(std::min<std::int64_t>(step, steps - 1))];
    ++total_;
  }
  void add(const latency_histogram& other) {
    for (std::size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
    total_ += other.total_;
  }
  void clear() {
    std::fill(counts_.begin(), counts_.end(), 0);
    total_ = 0;
  }
  /// `share` from 0 to 1; the upper edge of the step it lies in. 0 if nothing was counted.
  double percentile_ms(double share) const {
    auto left = static_cast<std::uint64_t>(share * static_cast<double>(total_));
    for (std::size_t i = 0; i < counts_.size() && total_ > 0; ++i) {
      if (counts_[i] > left) return static_cast<double>(i + 1) * step_ns / 1e6;
      left -= counts_[i];
    }
    return 0;
  }
  std::uint64_t count() const { return total_; }

 private:
  static constexpr std::int64_t step_ns = 50'000, steps = 200'000;
  std::vector<std::uint32_t> counts_ = std::vector<std::uint32_t>(steps);
  std::uint64_t total_ = 0;
};

}  // namespace throng
