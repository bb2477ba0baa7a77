// SPDX-License-Identifier: Apache-2.0
// ROOT CACHE: the threads that were replied to last, so that only the first reply to a thread asks the store whether
// its root exists and who wrote it. Pure; bounded: the one that was used longest ago goes first.
#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <vector>

#include "storage/model/ids.hpp"
#include "storage/model/time.hpp"

namespace throng {

class root_cache {
 public:
  explicit root_cache(std::size_t roots_max) : roots_max_(roots_max) {}

  /// Who wrote `ts`, if it is known to be a root that can be replied to; makes it the newest.
  std::optional<user_id> use(message_ts ts) {
    auto found = std::ranges::find(newest_last_, ts, &root::ts);
    if (found == newest_last_.end()) return std::nullopt;
    std::rotate(found, found + 1, newest_last_.end());
    return newest_last_.back().author;
  }
  void add(message_ts ts, user_id author) {
    if (use(ts)) return;
    if (newest_last_.size() >= roots_max_) newest_last_.erase(newest_last_.begin());
    newest_last_.push_back({ts, author});
  }
  void remove(message_ts ts) {
    std::erase_if(newest_last_, [ts](const root& each) { return each.ts == ts; });
  }

 private:
  struct root {
    message_ts ts;
    user_id author;
  };
  std::size_t roots_max_;
  std::vector<root> newest_last_;
};

}  // namespace throng
