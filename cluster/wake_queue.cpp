// SPDX-License-Identifier: Apache-2.0
#include "cluster/wake_queue.hpp"

#include <algorithm>

namespace throng {

void wake_queue::set(entity_key key, steady_time when) {
  cancel(key);
  auto later = std::ranges::upper_bound(times_, when, {}, [](const auto& each) { return each.first; });
  times_.insert(later, {when, key});
}

void wake_queue::cancel(entity_key key) {
  auto found = std::ranges::find(times_, key, [](const auto& each) { return each.second; });
  if (found != times_.end()) times_.erase(found);
}

std::optional<steady_time> wake_queue::find(entity_key key) const {
  auto found = std::ranges::find(times_, key, [](const auto& each) { return each.second; });
  return found == times_.end() ? std::nullopt : std::optional(found->first);
}

std::vector<entity_key> wake_queue::due(steady_time now) {
  std::vector<entity_key> keys;
  auto first = times_.begin();
  for (; first != times_.end() && first->first <= now; ++first) keys.push_back(first->second);
  times_.erase(times_.begin(), first);
  return keys;
}

}  // namespace throng
