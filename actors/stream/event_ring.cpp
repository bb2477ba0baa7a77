// SPDX-License-Identifier: Apache-2.0
#include "actors/stream/event_ring.hpp"

#include <iterator>
#include <memory>

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
    oldest.event = {};
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
    if (const auto* event = std::get_if<std::shared_ptr<const Event>>(&each->event))
      entry.set_event((*event)->SerializeAsString());
    else
      entry.set_event(std::get<std::string>(each->event));
  }
  return handed;
}

bool event_ring::take_over(const RecentEvents& handed, steady_time now) {
  const auto count = static_cast<seq_t>(handed.entries_size());
  if (handed.end_seq() != end_ || count > end_) return false;
  auto seq = end_ - count;
  *this = event_ring(limits_, end_);
  entries_.reserve(count);
  for (const auto& each : handed.entries()) {
    entries_.push_back({++seq, each.bytes(), now - milliseconds_from(each.ago_ms()), each.event()});
    bytes_ += each.bytes();
  }
  trim(now);
  return true;
}

result<> event_ring::replay(seq_t after, ReplayReply& into) const {
  if (after > end_ || end_ - after > count()) return errc::too_old;
  const auto had = into.events_size();
  for (auto each = entries_.end() - static_cast<std::ptrdiff_t>(end_ - after); each != entries_.end(); ++each) {
    auto& next = *into.add_events();
    next.set_seq(each->seq);
    if (const auto* event = std::get_if<std::shared_ptr<const Event>>(&each->event)) {
      *next.mutable_event() = **event;
    } else if (!next.mutable_event()->ParseFromString(std::get<std::string>(each->event))) {
      into.mutable_events()->DeleteSubrange(had, into.events_size() - had);
      return errc::too_old;
    }
  }
  return done;
}

}  // namespace throng
