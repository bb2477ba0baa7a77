// SPDX-License-Identifier: Apache-2.0
// MOVE PACE: how many slots move at once, and how long all rest before the next. A step keeps both nodes busy with what
// they hand over and take; steps without a break would keep everybody waiting who posts meanwhile, until the last slot
// is there. So a full step is followed by a rest as long as itself, and what takes too long is done in smaller steps.
// What the dead had isn't paced. Pure; owned by the leader's CLUSTER AGENT.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <optional>

#include "storage/model/time.hpp"

namespace throng {

class move_pace {
 public:
  // Measured with two nodes and a Consul on one machine, where a step of 64 slots takes 40 ms with one entity a slot.
  static constexpr std::size_t slots_min = 8;
  static constexpr std::chrono::milliseconds fast{60}, slow{120}, rest_max{1'000};

  explicit move_pace(std::size_t slots_max) : slots_max_(slots_max), slots_(slots_max) {}

  /// At once; never more than `slots_max`.
  std::size_t slots() const { return slots_; }
  bool rests(steady_time now) const { return now < rests_until_; }

  void has_begun(std::size_t slots, steady_time now) {
    step_ = step{slots, now};
    rests_until_ = {};
  }
  /// Everybody is where the last table says. May be called again and again.
  void has_settled(steady_time now) {
    if (!step_) return;
    const auto took = now - step_->begun;
    const auto share = std::min(step_->slots, slots_);  // of a full step
    rests_until_ = now + std::min<steady_time::duration>(took * share / slots_, rest_max);
    if (took > slow)
      slots_ = std::max(slots_ / 2, std::min(slots_min, slots_max_));
    else if (took < fast && step_->slots >= slots_)
      slots_ = std::min(slots_ * 2, slots_max_);
    step_.reset();
  }

 private:
  struct step {
    std::size_t slots = 0;
    steady_time begun{};
  };

  const std::size_t slots_max_;
  std::size_t slots_;
  std::optional<step> step_;
  steady_time rests_until_{};
};

}  // namespace throng
