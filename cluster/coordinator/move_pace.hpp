// SPDX-License-Identifier: Apache-2.0
// MOVE PACE: how long everybody rests between the steps in which slots move. A step keeps both nodes busy with what
// they hand over and take; steps without a break would keep everybody waiting who posts meanwhile, until the last slot
// is there. So a full step is followed by a rest as long as itself, a smaller one by a share of that. What the dead had
// isn't paced. Pure; owned by the leader's CLUSTER AGENT.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <optional>

#include "storage/model/time.hpp"

namespace throng {

class move_pace {
 public:
  /// So that a node which gives 2,000 slots away, 64 at once, takes 3 s longer at most: it may have a deadline.
  static constexpr std::chrono::milliseconds rest_max{100};

  explicit move_pace(std::size_t full_step) : full_step_(full_step) {}

  bool rests(steady_time now) const { return now < rests_until_; }

  void has_begun(std::size_t slots, steady_time now) {
    step_ = step{std::min(slots, full_step_), now};
    rests_until_ = {};
  }
  /// Everybody is where the last table says. May be said again and again.
  void has_settled(steady_time now) {
    if (!step_) return;
    const auto took = std::max(now - step_->begun, steady_time::duration{});
    const auto rest = std::chrono::duration<double>(took) * step_->slots / static_cast<double>(full_step_);
    rests_until_ =
        now + std::min(std::chrono::duration_cast<steady_time::duration>(rest), steady_time::duration(rest_max));
    step_.reset();
  }

 private:
  struct step {
    std::size_t slots = 0;
    steady_time begun{};
  };

  const std::size_t full_step_;
  std::optional<step> step_;
  steady_time rests_until_{};
};

}  // namespace throng
