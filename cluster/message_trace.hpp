// SPDX-License-Identifier: Apache-2.0
// MESSAGE TRACE: the shell's look at messages on their way into entities. Bounded in count and time, switches itself
// off; costs one relaxed load a message while off. Thread-safe.
#pragma once

#include <atomic>
#include <mutex>
#include <optional>
#include <vector>

#include "cluster/inspection.hpp"

namespace throng {

class message_trace {
 public:
  static constexpr std::size_t records_max = 10'000;

  void start(std::optional<entity_key> key, std::size_t count_max, steady_time until);
  bool is_on() const noexcept { return is_on_.load(std::memory_order_relaxed); }
  void record(const envelope& message, std::uint32_t mailbox, steady_time now, wall_time wall);
  std::vector<trace_record> read() const;

 private:
  std::atomic<bool> is_on_{false};
  mutable std::mutex mutex_;
  std::optional<entity_key> key_;
  std::size_t count_max_ = 0;
  steady_time until_{};
  std::vector<trace_record> records_;
};

}  // namespace throng
