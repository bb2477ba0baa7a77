// SPDX-License-Identifier: Apache-2.0
// TRIM PACE: how many rows the next trim of a job takes, and how long the writer is left alone after it. A trim is to
// keep the writer busy for a short moment only, whatever a row costs on this disk; and a backlog is to shrink: the
// longer trims find full batches, the larger their share of the writer's time, up to a half. Pure.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>

namespace throng {

class trim_pace {
 public:
  struct options {
    std::chrono::microseconds busy{15'000};  // of a trim: 5 ms below what a post may wait, for the commit's own part
    std::size_t rows_first = 100, rows_min = 10, rows_max = 5'000;
    int rest_times = 9;  // as long as the trim took, the writer is left alone after it, while the backlog is new
  };

  explicit trim_pace(const options& how) : options_(how), rows_(how.rows_first) {}

  std::size_t rows() const { return rows_; }

  /// A trim of rows() rows is over.
  void was_done(std::chrono::microseconds busy, bool is_through) {
    busy_ = busy;
    streak_ = is_through ? 0 : streak_ + 1;
    auto share = static_cast<double>(options_.busy.count()) / static_cast<double>(std::max<long>(busy.count(), 1));
    // Quickly down, at most doubling up; a batch that wasn't full says little about how much fits.
    if (is_through) share = std::min(share, 1.0);
    auto fitting = static_cast<double>(rows_) * std::min(share, 2.0);
    rows_ = std::clamp(static_cast<std::size_t>(fitting), options_.rows_min, options_.rows_max);
  }

  /// Until the next trim, if there is more: rest_times as long as the last took at first, then half of that, then once.
  std::chrono::microseconds rest() const {
    const int times = streak_ < 100 ? options_.rest_times : streak_ < 1'000 ? options_.rest_times / 2 : 1;
    return std::max<std::chrono::microseconds>(busy_ * times, std::chrono::milliseconds(10));
  }

 private:
  options options_;
  std::size_t rows_;
  std::size_t streak_ = 0;  // of trims that left something over
  std::chrono::microseconds busy_{};
};

}  // namespace throng
