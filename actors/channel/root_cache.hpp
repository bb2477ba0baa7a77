// SPDX-License-Identifier: Apache-2.0
// ROOT CACHE: the threads that were replied to last, so that only the first reply to a thread asks the store whether
// its root exists. Pure; bounded: the one that was used longest ago goes first.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "storage/model/time.hpp"

namespace throng {

class root_cache {
 public:
  explicit root_cache(std::size_t roots_max) : roots_max_(roots_max) {}

  /// Whether `ts` is known to be a root that can be replied to; makes it the newest.
  bool use(message_ts ts) {
    auto found = std::ranges::find(newest_last_, ts);
    if (found == newest_last_.end()) return false;
    std::rotate(found, found + 1, newest_last_.end());
    return true;
  }
  void add(message_ts ts) {
    if (use(ts)) return;
    if (newest_last_.size() >= roots_max_) newest_last_.erase(newest_last_.begin());
    newest_last_.push_back(ts);
  }
  void remove(message_ts ts) { std::erase(newest_last_, ts); }

 private:
  std::size_t roots_max_;
  std::vector<message_ts> newest_last_;
};

}  // namespace throng
