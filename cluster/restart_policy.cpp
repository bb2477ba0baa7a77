// SPDX-License-Identifier: Apache-2.0
#include "cluster/restart_policy.hpp"

#include <algorithm>

namespace throng {

restart_policy::restart_policy(std::uint64_t total, std::vector<steady_time> recent, const restart_limits& limits)
    : crashes_(std::move(recent)), total_(total) {
  const std::size_t count_max = limits.restarts_max + 1;  // whoever told may count more
  if (crashes_.size() > count_max)
    crashes_.erase(crashes_.begin(), crashes_.end() - static_cast<std::ptrdiff_t>(count_max));
}

restart_policy::verdict restart_policy::crashed(steady_time now, const restart_limits& limits) {
  ++total_;
  std::erase_if(crashes_, [&](steady_time each) { return now - each >= limits.period; });
  crashes_.push_back(now);
  return crashes_.size() > limits.restarts_max ? verdict::quarantine : verdict::restart;
}

std::size_t restart_policy::recent(steady_time now, const restart_limits& limits) const {
  return static_cast<std::size_t>(
      std::count_if(crashes_.begin(), crashes_.end(), [&](steady_time each) { return now - each < limits.period; }));
}

}  // namespace throng
