// SPDX-License-Identifier: Apache-2.0
// Lines that wait to be written. Bounded; what matters least is refused first:
//
//   0 ───────── 1/2 ───── 3/4 ───── 7/8 ──── lines_max
//               no debug  no info   no warn  no error
//
// So a flood of one level leaves room for what is worse. Not thread-safe: log.cpp holds its lock.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "config/configuration.hpp"

namespace throng {

struct log_line {
  std::chrono::system_clock::time_point time;
  log_level level = log_level::info;
  std::string text;
};

class log_queue {
 public:
  explicit log_queue(std::size_t lines_max) : lines_max_(lines_max) {}

  /// Whether it was kept; if not, it is counted.
  bool push(log_line line) {
    if (waiting_.size() >= room_for(line.level)) {
      ++dropped_;
      return false;
    }
    waiting_.push_back(std::move(line));
    return true;
  }

  /// All that waits, oldest first. Leaves the queue empty.
  std::vector<log_line> take() { return std::exchange(waiting_, {}); }

  bool empty() const { return waiting_.empty(); }
  std::uint64_t dropped() const { return dropped_; }

 private:
  std::size_t room_for(log_level level) const {
    switch (level) {
      case log_level::debug:
        return lines_max_ / 2;
      case log_level::info:
        return lines_max_ / 4 * 3;
      case log_level::warn:
        return lines_max_ / 8 * 7;
      default:
        return lines_max_;
    }
  }

  std::size_t lines_max_;
  std::vector<log_line> waiting_;
  std::uint64_t dropped_ = 0;
};

}  // namespace throng
