// SPDX-License-Identifier: Apache-2.0
// LATENCY HISTOGRAM: how long something took, in buckets that double: enough to see a shard's p99, small enough to keep
// one a shard. A plain value; its owner guards it.
#pragma once

#include <array>
#include <bit>
#include <chrono>
#include <cstdint>

namespace throng {

struct latency_histogram {
  /// Bucket i counts what took less than 2^i microseconds and is in no bucket before; the last one everything above.
  std::array<std::uint64_t, 28> buckets{};
  std::uint64_t micros = 0;  // the sum

  static constexpr std::size_t bucket_of(std::uint64_t micros) {
    auto width = static_cast<std::size_t>(std::bit_width(micros));
    return width < 28 ? width : 27;
  }
  void add(std::chrono::steady_clock::duration took, std::uint64_t count = 1) {
    auto rounded = std::chrono::duration_cast<std::chrono::microseconds>(took).count();
    auto each = rounded > 0 ? static_cast<std::uint64_t>(rounded) : 0;
    buckets[bucket_of(each)] += count;
    micros += each * count;
  }
  void add(const latency_histogram& other) {
    for (std::size_t i = 0; i < buckets.size(); ++i) buckets[i] += other.buckets[i];
    micros += other.micros;
  }
  std::uint64_t count() const {
    std::uint64_t all = 0;
    for (auto one : buckets) all += one;
    return all;
  }
  /// What `share` (0.99) of them took at most, rounded up to a power of two; 0 if there are none.
  std::uint64_t micros_at(double share) const {
    auto all = count();
    std::uint64_t below = 0;
    for (std::size_t i = 0; i < buckets.size(); ++i) {
      below += buckets[i];
      if (all != 0 && static_cast<double>(below) >= share * static_cast<double>(all)) return std::uint64_t{1} << i;
    }
    return 0;
  }
};

}  // namespace throng
