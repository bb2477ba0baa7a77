// SPDX-License-Identifier: Apache-2.0
#include "net/transport/timer_wheel.hpp"

#include <algorithm>

namespace throng {

timer_wheel::timer_wheel(steady_time start) : start_(start) {
  for (auto& slot : slots_) slot.previous_ = slot.next_ = &slot;
}

// Rounded up, so that a deadline's tick has begun only when the deadline has passed.
std::uint64_t timer_wheel::tick_of(steady_time at) const {
  const auto since = std::max(at - start_, steady_time::duration{0});
  const auto length = std::chrono::duration_cast<steady_time::duration>(tick);
  return static_cast<std::uint64_t>((since + length - steady_time::duration{1}) / length);
}

void timer_wheel::link(entry& e, std::uint64_t at_tick) {
  entry& slot = slots_[at_tick % slot_count];
  e.previous_ = slot.previous_;
  e.next_ = &slot;
  slot.previous_->next_ = &e;
  slot.previous_ = &e;
}

void timer_wheel::unlink(entry& e) {
  e.previous_->next_ = e.next_;
  e.next_->previous_ = e.previous_;
  e.previous_ = e.next_ = nullptr;
}

void timer_wheel::arm(entry& e, steady_time due) {
  disarm(e);
  e.due_ = due;
  link(e, std::max(tick_of(due), tick_now_ + 1));
  ++armed_count_;
}

void timer_wheel::disarm(entry& e) {
  if (!e.is_armed()) return;
  unlink(e);
  --armed_count_;
}

void timer_wheel::advance(steady_time now) {
  if (now < start_) return;
  const auto target =
      static_cast<std::uint64_t>((now - start_) / std::chrono::duration_cast<steady_time::duration>(tick));
  if (target <= tick_now_) return;
  // After a long pause every slot is visited once, not once per missed tick.
  const auto first = target - tick_now_ > slot_count ? target - slot_count + 1 : tick_now_ + 1;
  tick_now_ = target;
  for (auto at = first; at <= target; ++at) {
    // What is armed from on_due goes to later ticks, so a detached list can't grow while it is walked; and since it
    // is an ordinary list, an entry in it can still be disarmed by its neighbour's on_due.
    list_head pending;
    entry& slot = slots_[at % slot_count];
    if (slot.next_ == &slot) continue;
    pending.next_ = slot.next_;
    pending.previous_ = slot.previous_;
    pending.next_->previous_ = &pending;
    pending.previous_->next_ = &pending;
    slot.next_ = slot.previous_ = &slot;
    while (pending.next_ != &pending) {
      entry& e = *pending.next_;
      unlink(e);
      if (e.due_ > now) {
        link(e, std::max(tick_of(e.due_), tick_now_ + 1));
      } else {
        --armed_count_;
        e.on_due(now);
      }
    }
    pending.next_ = pending.previous_ = nullptr;
  }
}

}  // namespace throng
