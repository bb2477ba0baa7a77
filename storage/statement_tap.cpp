// SPDX-License-Identifier: Apache-2.0
#include "storage/statement_tap.hpp"

#include <utility>

namespace throng {

statement_tap& statement_tap::instance() {
  static statement_tap one;
  return one;
}

void statement_tap::record(std::string_view shard, std::string_view statement, std::uint64_t rows,
                           std::chrono::microseconds took, unsigned trips) {
  round_trips_.fetch_add(trips, std::memory_order_relaxed);
  rows_.fetch_add(rows, std::memory_order_relaxed);
  micros_.fetch_add(static_cast<std::uint64_t>(took.count()), std::memory_order_relaxed);
  if (!is_recording_.load(std::memory_order_relaxed)) return;
  std::lock_guard lock(mutex_);
  if (record_.size() < count_max_) record_.push_back({std::string(shard), std::string(statement), rows, took});
}

statement_tap::figures statement_tap::read_figures() const {
  return {round_trips_.load(std::memory_order_relaxed), rows_.load(std::memory_order_relaxed),
          micros_.load(std::memory_order_relaxed)};
}

bool statement_tap::start(std::size_t count_max) {
  std::lock_guard lock(mutex_);
  if (is_recording_.load(std::memory_order_relaxed)) return false;
  record_.clear();
  count_max_ = count_max;
  is_recording_.store(true, std::memory_order_relaxed);
  return true;
}

std::vector<statement_tap::seen> statement_tap::stop() {
  std::lock_guard lock(mutex_);
  is_recording_.store(false, std::memory_order_relaxed);
  return std::exchange(record_, {});
}

}  // namespace throng
