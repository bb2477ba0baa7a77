// SPDX-License-Identifier: Apache-2.0
#include "actors/id_generator.hpp"

#include <algorithm>

#include "storage/model/assert.hpp"

namespace throng {

namespace {

constexpr int counter_bits = 11;
constexpr int node_bits = 10;
constexpr std::uint64_t counter_mask = (1u << counter_bits) - 1;
constexpr std::int64_t first_ms = 1'577'836'800'000;  // 2020-01-01 UTC

}  // namespace

id_generator::id_generator(node_index node, const time_source& clock, std::uint64_t start)
    : node_bits_(std::uint64_t{node.value} << counter_bits),
      clock_(clock),
      start_((start & counter_mask) / 2) {  // the lower half: the upper one is left for the millisecond's own ids
  THRONG_ASSERT(node.value < (1u << node_bits));
}

std::uint64_t id_generator::next(std::uint64_t count) {
  using std::chrono::milliseconds;
  auto now_ms = std::chrono::duration_cast<milliseconds>(clock_.wall().time_since_epoch()).count();
  auto clock_position =
      (static_cast<std::uint64_t>(std::max<std::int64_t>(now_ms - first_ms, 1)) << counter_bits) + start_;
  auto used = used_.load(std::memory_order_relaxed);
  for (;;) {
    auto position = (std::max(used + 1, clock_position) + count - 1) & ~(count - 1);
    if (used_.compare_exchange_weak(used, position + count - 1, std::memory_order_relaxed))
      return ((position & ~counter_mask) << node_bits) | node_bits_ | (position & counter_mask);
  }
}

}  // namespace throng
