// SPDX-License-Identifier: Apache-2.0
#include "tools/throngbench/delivery_check.hpp"

#include <charconv>
#include <cstdio>

namespace throng {

delivery_check::delivery_check(const town_plan& plan)
    : plan_(plan),
      posted_(plan.channels),
      seen_(plan.channels * plan.members_each),
      posted_at_(new std::atomic<std::int64_t>[plan.channels * under_way_max]()) {}

std::string delivery_check::to_text(mark of) {
  char text[32];
  std::snprintf(text, sizeof text, "#c%06u m%08u ", of.channel % 1'000'000, of.number % 100'000'000);
  return text;
}

std::optional<delivery_check::mark> delivery_check::find_mark(std::string_view payload) {
  constexpr std::string_view lead = "\"text\":\"#c";
  const auto at = payload.find(lead);
  if (at == payload.npos || payload.size() < at + lead.size() + mark_bytes - 2) return std::nullopt;
  const char* digits = payload.data() + at + lead.size();
  mark found;
  if (std::from_chars(digits, digits + 6, found.channel).ptr != digits + 6) return std::nullopt;
  if (std::from_chars(digits + 8, digits + 16, found.number).ptr != digits + 16) return std::nullopt;
  return found;
}

void delivery_check::begin() {
  latencies_.clear();
  delivered_ = 0;
}

delivery_check::mark delivery_check::next_post(std::size_t channel, std::int64_t now) {
  const auto number = ++posted_[channel];
  posted_at_[channel * under_way_max + number % under_way_max].store(now, std::memory_order_release);
  return {static_cast<std::uint32_t>(channel), number};
}

void delivery_check::deliver(std::size_t person, std::string_view payload, std::int64_t now) {
  const auto found = find_mark(payload);
  if (!found || found->channel >= plan_.channels) return;
  const auto place = plan_.place_of(person, found->channel);
  if (!place) {
    wrong_.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  auto& seen = seen_[found->channel * plan_.members_each + *place];
  if (found->number != seen + 1) wrong_.fetch_add(1, std::memory_order_relaxed);
  seen = found->number;
  latencies_.add(
      now - posted_at_[found->channel * under_way_max + found->number % under_way_max].load(std::memory_order_acquire));
  delivered_.fetch_add(1, std::memory_order_release);
}

result<> delivery_check::verdict(std::uint64_t expected) const {
  const auto wrong = wrong_.load();
  if (wrong > 0)
    return error{errc::internal_error,
                 std::to_string(wrong) + " deliveries were out of order, repeated, or to a stranger"};
  if (delivered() != expected)
    return error{errc::internal_error,
                 std::to_string(delivered()) + " deliveries of " + std::to_string(expected) + " came"};
  return done;
}

}  // namespace throng
