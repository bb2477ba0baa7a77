// SPDX-License-Identifier: Apache-2.0
#include "net/gateway/catch_up.hpp"

#include <utility>

namespace throng {

namespace {
/// What one held event costs beside its frame, which is shared with others.
constexpr std::size_t held_overhead_bytes = sizeof(arrival);
}  // namespace

catch_up::next catch_up::take(arrival event, std::vector<arrival>& out) {
  if (!event.is_numbered()) {
    if (is_settled_)
      out.push_back(std::move(event));
    else if (event.source->priority == delivery_class::message)
      hold(std::move(event));  // typing would be stale by then
    return is_settled_ ? next::settled : next::ask;
  }
  newest_ = event.position();
  if (!is_settled_) {
    hold(std::move(event));
    return next::ask;
  }
  const auto at = event.position();
  if (!after_.is_known() || at.seq == after_.seq + 1) {
    after_ = at;
    out.push_back(std::move(event));
    return next::settled;
  }
  if (at.seq <= after_.seq && at.epoch <= after_.epoch) return next::settled;  // a repetition
  is_settled_ = false;
  hold(std::move(event));
  return next::ask;
}

catch_up::next catch_up::on_page(epoch_t epoch, seq_t end_seq, std::span<const arrival> events,
                                 std::vector<arrival>& out) {
  const auto before = after_;
  for (const auto& event : events) {
    const auto seq = event.source->seq;
    if (seq <= after_.seq) continue;
    if (seq != after_.seq + 1) break;  // not what was asked for: the next page will tell, or idle_rounds_max
    out.push_back(event);
    after_ = {epoch, seq};
  }
  if (after_.seq >= end_seq) {
    after_.epoch = epoch;
    if (const auto then = release_held(out); then == next::settled) return then;
  }
  idle_rounds_ = after_.seq > before.seq ? 0 : idle_rounds_ + 1;
  return idle_rounds_ >= limits_.idle_rounds_max ? next::lost : next::ask;
}

catch_up::next catch_up::release_held(std::vector<arrival>& out) {
  std::size_t taken = 0;
  for (; taken < held_.size(); ++taken) {
    auto& event = held_[taken];
    if (event.is_numbered()) {
      const auto at = event.position();
      if (at.seq <= after_.seq) continue;
      if (at.seq != after_.seq + 1) break;
      after_ = at;
    }
    held_bytes_ -= event.bytes() + held_overhead_bytes;
    out.push_back(std::move(event));
    event.source = nullptr;
  }
  for (std::size_t i = 0; i < taken; ++i)
    if (held_[i].source) held_bytes_ -= held_[i].bytes() + held_overhead_bytes;
  held_.erase(held_.begin(), held_.begin() + static_cast<std::ptrdiff_t>(taken));
  // Behind `newest_` when held events were forgotten at the bound.
  is_settled_ = held_.empty() && after_.seq >= newest_.seq;
  if (is_settled_) forget_held();
  return is_settled_ ? next::settled : next::ask;
}

stream_position catch_up::on_lost(std::vector<arrival>& out) {
  is_settled_ = true;
  idle_rounds_ = 0;
  stream_position behind_gap = newest_;
  bool is_first = true;
  after_ = newest_;
  for (auto& event : held_) {
    if (event.is_numbered() && std::exchange(is_first, false))
      behind_gap = {event.source->epoch, event.source->seq - 1};
    out.push_back(std::move(event));
  }
  forget_held();
  return behind_gap;
}

void catch_up::hold(arrival event) {
  held_bytes_ += event.bytes() + held_overhead_bytes;
  held_.push_back(std::move(event));
  if (held_bytes_ > limits_.held_bytes_max) forget_held();
}

void catch_up::forget_held() {
  held_.clear();
  held_.shrink_to_fit();
  held_bytes_ = 0;
}

}  // namespace throng
