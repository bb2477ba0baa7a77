// SPDX-License-Identifier: Apache-2.0
// TIMER WHEEL: one coarse deadline for each of very many connections. Arming and disarming are a few pointer moves;
// nothing is allocated. A deadline fires up to one tick late, never early. Pure: it is told the time.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include "storage/model/time.hpp"

namespace throng {

class timer_wheel {
 public:
  static constexpr std::chrono::milliseconds tick{50};

  /// Base of what has a deadline. Must be disarmed before it is destroyed.
  class entry {
   public:
    entry() = default;
    entry(const entry&) = delete;
    entry& operator=(const entry&) = delete;
    bool is_armed() const { return next_ != nullptr; }
    steady_time due() const { return due_; }

   protected:
    virtual ~entry() = default;
    /// The deadline has passed. The entry is disarmed and may be armed again from here, or destroyed.
    virtual void on_due(steady_time now) = 0;

   private:
    friend class timer_wheel;
    entry* previous_ = nullptr;
    entry* next_ = nullptr;
    steady_time due_{};
  };

  explicit timer_wheel(steady_time start);
  timer_wheel(const timer_wheel&) = delete;
  timer_wheel& operator=(const timer_wheel&) = delete;

  /// Sets or moves the deadline of `e`.
  void arm(entry& e, steady_time due);
  void disarm(entry& e);
  /// Fires all deadlines up to `now`.
  void advance(steady_time now);

  bool empty() const { return armed_count_ == 0; }
  /// When advance() has something to look at next. REQUIRES: !empty().
  steady_time next_tick() const { return start_ + tick * static_cast<std::int64_t>(tick_now_ + 1); }

 private:
  struct list_head final : entry {
    void on_due(steady_time) override {}
  };
  static constexpr std::size_t slot_count = 1024;  // 51 s; a later deadline is looked at once a round

  std::uint64_t tick_of(steady_time at) const;
  void link(entry& e, std::uint64_t at_tick);
  static void unlink(entry& e);

  steady_time start_;
  std::uint64_t tick_now_ = 0;  // all deadlines up to this tick have fired
  std::size_t armed_count_ = 0;
  std::array<list_head, slot_count> slots_;
};

}  // namespace throng
