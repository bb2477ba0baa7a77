// SPDX-License-Identifier: Apache-2.0
// RESTART POLICY: Erlang/OTP's intensity and period, for one entity. An entity that crashes more often than
// `restarts_max` times within `period` is quarantined instead of being started again.
#pragma once

#include <chrono>
#include <vector>

#include "storage/model/time.hpp"

namespace throng {

struct restart_limits {
  std::uint32_t restarts_max = 5;
  std::chrono::milliseconds period{60'000};
};

class restart_policy {
 public:
  enum class verdict { restart, quarantine };

  restart_policy() = default;
  /// Goes on with what another has counted; `recent` is in order.
  restart_policy(std::uint64_t total, std::vector<steady_time> recent, const restart_limits& limits);

  /// One more crash, at `now`.
  verdict crashed(steady_time now, const restart_limits& limits);
  /// Crashes that still count at `now`.
  std::size_t recent(steady_time now, const restart_limits& limits) const;
  std::uint64_t total() const noexcept { return total_; }
  /// The last ones, in order.
  const std::vector<steady_time>& times() const noexcept { return crashes_; }
  /// Somebody has released it by hand: earlier crashes don't count any more.
  void forgive() { crashes_.clear(); }

 private:
  std::vector<steady_time> crashes_;  // at most restarts_max + 1
  std::uint64_t total_ = 0;
};

}  // namespace throng
