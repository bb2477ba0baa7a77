// SPDX-License-Identifier: Apache-2.0
#include "net/gateway/loop_inbox.hpp"

#include <utility>

namespace throng {

namespace {
/// An event without a frame takes room too.
std::size_t cost_of(const arrival& event) { return event.bytes() + sizeof(arrival); }
}  // namespace

std::size_t loop_inbox::bound_of(delivery_class priority) const {
  switch (priority) {
    case delivery_class::typing:
      return bytes_max_ / 2;
    case delivery_class::presence:
      return bytes_max_ / 4 * 3;
    default:
      return bytes_max_;
  }
}

loop_inbox::outcome loop_inbox::push(arrival event) {
  const std::lock_guard lock(mutex_);
  const auto cost = cost_of(event);
  const auto priority = event.source->priority;
  // Sign-outs have no frame, can't be asked for again, and are few.
  const bool must_stay = priority == delivery_class::message && !event.frame;
  if (!must_stay && bytes_ + cost > bound_of(priority)) {
    ++dropped_[static_cast<std::size_t>(priority)];
    // What isn't numbered can't be asked for again; the clients hear of it as a gap all the same.
    if (priority != delivery_class::message) return outcome::dropped;
    gapped_.insert(event.source->stream);
  } else {
    bytes_ += cost;
    events_.push_back(std::move(event));
  }
  return std::exchange(is_woken_, true) ? outcome::queued : outcome::queued_first;
}

bool loop_inbox::push_gap(entity_key stream) {
  const std::lock_guard lock(mutex_);
  gapped_.insert(stream);
  return !std::exchange(is_woken_, true);
}

void loop_inbox::take(std::vector<arrival>& events, std::vector<entity_key>& gapped) {
  const std::lock_guard lock(mutex_);
  events.swap(events_);
  gapped.assign(gapped_.begin(), gapped_.end());
  gapped_.clear();
  bytes_ = 0;
  is_woken_ = false;
}

std::size_t loop_inbox::bytes() const {
  const std::lock_guard lock(mutex_);
  return bytes_;
}

std::array<std::uint64_t, 3> loop_inbox::dropped() const {
  const std::lock_guard lock(mutex_);
  return dropped_;
}

}  // namespace throng
