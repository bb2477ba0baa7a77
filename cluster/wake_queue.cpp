// SPDX-License-Identifier: Apache-2.0
#include "cluster/wake_queue.hpp"

namespace throng {

void wake_queue::set(entity_key key, steady_time when) {
  cancel(key);
  times_.emplace(key, queue_.emplace(when, key));
}

void wake_queue::cancel(entity_key key) {
  auto found = times_.find(key);
  if (found == times_.end()) return;
  queue_.erase(found->second);
  times_.erase(found);
}

std::vector<entity_key> wake_queue::due(steady_time now) {
  std::vector<entity_key> keys;
  while (!queue_.empty() && queue_.begin()->first <= now) {
    keys.push_back(queue_.begin()->second);
    times_.erase(queue_.begin()->second);
    queue_.erase(queue_.begin());
  }
  return keys;
}

}  // namespace throng
