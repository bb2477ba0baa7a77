// SPDX-License-Identifier: Apache-2.0
#include "net/gateway/catch_up.hpp"

#include <utility>

namespace throng {

namespace {
/// What one held event costs beside its frame, which is shared with others.
constexpr std::size_t held_overhead_bytes = sizeof(arrival);

/// Whether whoever is at `at` has had `what`. A newer epoch may begin lower: it never is a repetition.
bool is_had(stream_position what, stream_position at) { return what.seq <= at.seq && what.epoch <= at.epoch; }
}  // namespace

catch_up::next catch_up::take(arrival event, std::vector<arrival>& out) {
  if (!event.is_numbered()) {
    // A sign-out doesn't wait for what is missing: what is held may be forgotten.
    if (is_settled_ || is_adrift_ || !event.frame)
      out.push_back(std::move(event));
    else if (event.source->priority == delivery_class::message)
      hold(std::move(event));  // typing would be stale by then
    return is_settled_ || is_adrift_ ? next::settled : next::ask;
  }
  if (!is_had(event.position(), newest_)) newest_ = event.position();
  if (is_adrift_) {
    if (is_had(event.position(), after_)) return next::settled;
    hold(std::move(event));
    return next::lost;
  }
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
  if (is_had(at, after_)) return next::settled;
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

stream_position catch_up::on_lost(std::vector<arrival>& out, stream_position reached) {
  idle_rounds_ = 0;
  // Of the held events the last dense run can follow the gap.
  std::vector<arrival> run;
  stream_position behind_gap;
  auto last = after_;
  for (auto& event : held_) {
    if (event.is_numbered()) {
      const auto at = event.position();
      if (is_had(at, last)) continue;
      if (!behind_gap.is_known() || at.seq != last.seq + 1) {
        run.clear();
        behind_gap = {at.epoch, at.seq - 1};
      }
      last = at;
    }
    run.push_back(std::move(event));
  }
  forget_held();
  if (behind_gap.is_known()) {
    after_ = last;
  } else {
    for (const auto known : {newest_, reached})
      if (known.is_known() && !is_had(known, last)) behind_gap = last = known;
    if (!behind_gap.is_known() && reached.is_known() && reached == after_) behind_gap = after_;
    if (behind_gap.is_known()) after_ = behind_gap;
  }
  is_settled_ = behind_gap.is_known();
  is_adrift_ = !is_settled_;
  for (auto& event : run) out.push_back(std::move(event));
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
