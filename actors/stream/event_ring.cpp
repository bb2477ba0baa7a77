// SPDX-License-Identifier: Apache-2.0
#include "actors/stream/event_ring.hpp"

#include <iterator>

#include "actors/proto/event.pb.h"
#include "actors/stream/relative_time.hpp"
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

RecentEvents event_ring::handover(std::size_t bytes_max, steady_time now) const {
  auto oldest = entries_.end();
  const auto first = entries_.begin() + static_cast<std::ptrdiff_t>(first_);
  for (std::size_t bytes = 0; oldest != first; --oldest) {
    const auto& next = *std::prev(oldest);
    bytes += next.bytes;
    if (bytes > bytes_max || now - next.at > limits_.window) break;
  }
  RecentEvents handed;
  handed.set_end_seq(end_);
  for (auto each = oldest; each != entries_.end(); ++each) {
    auto& entry = *handed.add_entries();
    entry.set_ago_ms(milliseconds_of(now - each->at));
    entry.set_bytes(each->bytes);
    *entry.mutable_event() = *each->event;
  }
  return handed;
}

bool event_ring::take_over(const RecentEvents& handed, steady_time now) {
  const auto count = static_cast<seq_t>(handed.entries_size());
  if (handed.end_seq() != end_ || count > end_) return false;
  *this = event_ring(limits_, end_ - count);
  for (const auto& each : handed.entries())
    append(end_ + 1, std::make_shared<const Event>(each.event()), each.bytes(), now - milliseconds_from(each.ago_ms()));
  return true;
}

result<std::span<const event_ring::entry>> event_ring::after(seq_t seq) const {
  if (seq > end_) return errc::too_old;
  auto missed = end_ - seq;
  if (missed > count()) return errc::too_old;
  return std::span<const entry>(entries_).last(static_cast<std::size_t>(missed));
}

}  // namespace throng
