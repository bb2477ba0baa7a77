// SPDX-License-Identifier: Apache-2.0
#include "actors/stream/event_ring.hpp"

#include "actors/proto/event.pb.h"
#include "storage/model/assert.hpp"

namespace throng {

void event_ring::append(seq_t seq, std::shared_ptr<const Event> event, std::size_t bytes, steady_time now) {
  THRONG_ASSERT(seq == end_ + 1);
  entries_.push_back({seq, bytes, now, std::move(event)});
  end_ = seq;
  bytes_ += bytes;
  trim(now);
}

void event_ring::trim(steady_time now) {
  while (count() != 0) {
    auto& oldest = entries_[first_];
    if (count() <= limits_.events_max && bytes_ <= limits_.bytes_max && now - oldest.at <= limits_.window) break;
    bytes_ -= oldest.bytes;
    oldest.event.reset();
    ++first_;
  }
  if (first_ * 2 < entries_.size()) return;
  entries_.erase(entries_.begin(), entries_.begin() + static_cast<std::ptrdiff_t>(first_));
  first_ = 0;
}

result<std::span<const event_ring::entry>> event_ring::after(seq_t seq) const {
  if (seq > end_) return errc::too_old;
  auto missed = end_ - seq;
  if (missed > count()) return errc::too_old;
  return std::span<const entry>(entries_).last(static_cast<std::size_t>(missed));
}

}  // namespace throng
