// SPDX-License-Identifier: Apache-2.0
// MEMBER SET: who is in a channel; a sorted vector, because a channel may have 100,000 members and is asked for one of
// them with each post. Changing it moves what lies behind (tens of microseconds at 100,000); that is rare. Pure.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

#include "storage/model/ids.hpp"

namespace throng {

class member_set {
 public:
  member_set() = default;
  explicit member_set(std::vector<user_id> users) : users_(std::move(users)) {
    std::ranges::sort(users_);
    auto repeats = std::ranges::unique(users_);
    users_.erase(repeats.begin(), repeats.end());
  }

  bool contains(user_id user) const { return std::ranges::binary_search(users_, user); }
  std::size_t count() const { return users_.size(); }

  /// False if it was there already.
  bool add(user_id user) {
    auto place = std::ranges::lower_bound(users_, user);
    if (place != users_.end() && *place == user) return false;
    users_.insert(place, user);
    return true;
  }
  /// False if it wasn't there.
  bool remove(user_id user) {
    auto place = std::ranges::lower_bound(users_, user);
    if (place == users_.end() || *place != user) return false;
    users_.erase(place);
    return true;
  }

  /// In id order, those after `after`, at most `count_max`.
  std::span<const user_id> page(user_id after, std::size_t count_max) const {
    auto first = static_cast<std::size_t>(std::ranges::upper_bound(users_, after) - users_.begin());
    return std::span(users_).subspan(first, std::min(count_max, users_.size() - first));
  }
  std::span<const user_id> all() const { return users_; }

 private:
  std::vector<user_id> users_;
};

}  // namespace throng
