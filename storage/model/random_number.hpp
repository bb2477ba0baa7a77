// SPDX-License-Identifier: Apache-2.0
// RANDOM NUMBER: 64 bits of the system's randomness, for names that nobody else draws. Any thread.
#pragma once

#include <cstdint>
#include <random>

namespace throng {

inline std::uint64_t random_number() {
  std::random_device source;
  return std::uint64_t{source()} << 32 | source();
}

}  // namespace throng
