// SPDX-License-Identifier: Apache-2.0
// LOAD COUNTERS: what each slot of this node has cost so far. Written on the hot path by SLOTs and entities: a relaxed
// increment a message, and two looks at the thread's CPU clock for one of 64 pieces of work. Read once a second by the
// LOAD METER, which makes rates of it. 48 KB a node; all numbers wrap around.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <ctime>

#include "storage/model/keyspace.hpp"

namespace throng {

class load_counters {
 public:
  struct slot {
    std::atomic<std::uint32_t> messages{0};  // into its mailbox, and publications out of it
    std::atomic<std::uint32_t> cpu_us{0};    // of its entities' work, extrapolated
    std::atomic<bool> is_crowded{false};     // one of its entities had a long mailbox since the meter last looked
  };

  slot& operator[](slot_id which) { return slots_[which.value]; }
  void count(slot_id which) { slots_[which.value].messages.fetch_add(1, std::memory_order_relaxed); }

  /// Off in simulations, whose time is virtual.
  bool times_work = true;

 private:
  std::array<slot, slot_count> slots_{};
};

/// Around a piece of an entity's work: counts its CPU time for the slot, if it is one of those that are timed.
class timed_work {
 public:
  timed_work(load_counters& counters, entity_key whose) {
    thread_local unsigned pieces = 0;
    if (++pieces % one_of != 0 || !counters.times_work) return;
    counter_ = &counters[slot_of(whose)].cpu_us;
    began_ns_ = thread_ns();
  }
  timed_work(const timed_work&) = delete;
  timed_work& operator=(const timed_work&) = delete;
  ~timed_work() {
    if (!counter_) return;
    const auto took_us = (thread_ns() - began_ns_) * one_of / 1'000;
    counter_->fetch_add(static_cast<std::uint32_t>(took_us), std::memory_order_relaxed);
  }

 private:
  static constexpr unsigned one_of = 64;

  static std::int64_t thread_ns() {
    timespec now{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
  }

  std::atomic<std::uint32_t>* counter_ = nullptr;
  std::int64_t began_ns_ = 0;
};

}  // namespace throng
