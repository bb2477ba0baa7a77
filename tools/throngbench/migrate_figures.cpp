// SPDX-License-Identifier: Apache-2.0
#include "tools/throngbench/migrate_figures.hpp"

#include <algorithm>
#include <map>
#include <optional>

namespace throng {

using verify::happening;

namespace {

struct span_ns {
  std::int64_t begin = 0, end = 0;
};

/// The longest of the times between two acknowledgements that touch the window.
std::optional<double> longest_pause(const std::vector<std::int64_t>& acks, span_ns window) {
  auto next = std::ranges::upper_bound(acks, window.begin);
  if (next == acks.begin() || next == acks.end()) return std::nullopt;
  std::int64_t longest = 0;
  for (; next != acks.end() && *std::prev(next) < window.end; ++next)
    longest = std::max(longest, *next - *std::prev(next));
  return static_cast<double>(longest) / 1e6;
}

}  // namespace

move_samples move_samples_of(const verify::history& seen, const std::vector<move_mark>& marks) {
  std::map<channel_id, std::vector<std::int64_t>> acks;
  std::map<std::uint32_t, span_ns> windows;  // by the number of the move
  for (std::size_t i = 0; i < seen.events.size(); ++i) {
    const auto& event = seen.events[i];
    if (event.what == happening::post && event.phase == verify::phase::acknowledged)
      acks[event.channel].push_back(event.at_ns);
    if (event.what == happening::fault_begun) windows[event.other].begin = event.at_ns;
    if (event.what == happening::fault_ended) windows[event.other].end = event.at_ns;
  }
  move_samples all;
  for (const auto& each : marks) {
    const auto window = windows[each.when.value];
    if (auto pause = longest_pause(acks[each.channel], window)) all.pause_ms.push_back(*pause);
    if (auto pause = longest_pause(acks[each.bystander], window)) all.bystander_ms.push_back(*pause);
  }
  return all;
}

}  // namespace throng
