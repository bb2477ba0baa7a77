// SPDX-License-Identifier: Apache-2.0
// What the API counts, per method. Written by the io threads, read by /metrics; each number is exact, a set of them is
// not of one moment.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace throng {

struct method_figures {
  /// Upper ends of the latency buckets in milliseconds; the last bucket is open.
  static constexpr std::array<std::uint32_t, 12> bounds_ms{1, 2, 5, 10, 20, 50, 100, 200, 500, 1'000, 5'000, 20'000};

  std::atomic<std::uint64_t> calls{0};
  std::atomic<std::uint64_t> errors{0};    // ok:false, whatever the reason
  std::atomic<std::uint64_t> failures{0};  // of these, those that are ours: internal_error, service_unavailable, …
  std::atomic<std::uint64_t> ratelimited{0};
  std::atomic<std::uint64_t> latency_us_sum{0};
  std::array<std::atomic<std::uint64_t>, bounds_ms.size() + 1> latency{};  // calls in each bucket, not cumulated

  void record_latency(std::chrono::steady_clock::duration took) {
    const auto us = std::chrono::duration_cast<std::chrono::microseconds>(took).count();
    const auto value = static_cast<std::uint64_t>(us < 0 ? 0 : us);
    latency_us_sum.fetch_add(value, std::memory_order_relaxed);
    std::size_t bucket = 0;
    while (bucket < bounds_ms.size() && value > std::uint64_t{1000} * bounds_ms[bucket]) ++bucket;
    latency[bucket].fetch_add(1, std::memory_order_relaxed);
  }
};

}  // namespace throng
