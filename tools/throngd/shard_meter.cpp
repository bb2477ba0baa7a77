// SPDX-License-Identifier: Apache-2.0
#include "tools/throngd/shard_meter.hpp"

namespace throng {

void shard_meter::add(steady_time now, std::uint64_t units, const latency_histogram& latency) {
  if (!samples_.empty() && units < samples_.back().units) samples_.clear();
  samples_.push_back({now, units, latency});
  if (samples_.size() > window + 1) samples_.pop_front();
}

double shard_meter::units_per_second() const {
  if (samples_.size() < 2) return 0;
  const std::chrono::duration<double> time = samples_.back().at - samples_.front().at;
  if (time.count() <= 0) return 0;
  return static_cast<double>(samples_.back().units - samples_.front().units) / time.count();
}

std::chrono::microseconds shard_meter::p99() const {
  if (samples_.empty()) return {};
  auto lately = samples_.back().latency;
  for (std::size_t i = 0; i < lately.buckets.size(); ++i)
    if (samples_.size() > 1) lately.buckets[i] -= samples_.front().latency.buckets[i];
  return std::chrono::microseconds(lately.micros_at(0.99));
}

}  // namespace throng
