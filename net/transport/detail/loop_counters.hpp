// SPDX-License-Identifier: Apache-2.0
// The counters of one io loop: written by its thread alone, read by any. A plain load, add and store each.
#pragma once

#include <atomic>
#include <cstdint>

#include "net/transport/figures.hpp"

namespace throng::detail {

class counter {
 public:
  void add(std::uint64_t n = 1) { value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed); }
  void subtract(std::uint64_t n = 1) { add(~n + 1); }
  std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

struct loop_counters {
#define THRONG_DECLARE_COUNTER(name) counter name;
  THRONG_TRANSPORT_FIGURES(THRONG_DECLARE_COUNTER)
#undef THRONG_DECLARE_COUNTER

  void add_to(transport_figures& sum) const {
#define THRONG_ADD_COUNTER(name) sum.name += name.value();
    THRONG_TRANSPORT_FIGURES(THRONG_ADD_COUNTER)
#undef THRONG_ADD_COUNTER
  }
};

}  // namespace throng::detail
