// SPDX-License-Identifier: Apache-2.0
// Moments of a steady clock as they move from one node to another: as how long ago or ahead they are, in milliseconds.
// Pure. A moment that is long over, or never comes, stays so.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

#include "storage/model/time.hpp"

namespace throng {

/// 0 for a negative time; rounded up, so that nothing comes early.
inline std::uint64_t milliseconds_of(std::chrono::steady_clock::duration time) {
  return static_cast<std::uint64_t>(
      std::max<std::int64_t>(0, std::chrono::ceil<std::chrono::milliseconds>(time).count()));
}
/// At most ten years.
inline std::chrono::milliseconds milliseconds_from(std::uint64_t told) {
  constexpr std::uint64_t most = 10ull * 366 * 24 * 3'600'000;
  return std::chrono::milliseconds(std::min(told, most));
}

}  // namespace throng
