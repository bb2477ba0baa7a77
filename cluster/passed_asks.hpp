// SPDX-License-Identifier: Apache-2.0
// PASSED ASKS: questions of other nodes that went on from here to a third one: to who is lent the entity, or to who has
// the slot by now. If that one dies, whoever asked doesn't know where its question was; this node does, and tells it.
// Thread-safe. Where an ask went last counts. An answer goes straight back, so an entry stays until its deadline.
// Bound: `count_max`; then the oldest goes, whose asker falls back on its deadline.
#pragma once

#include <algorithm>
#include <deque>
#include <mutex>
#include <set>
#include <utility>
#include <vector>

#include "cluster/envelope.hpp"
#include "cluster/node_identity.hpp"

namespace throng {

class passed_asks {
 public:
  struct passed {
    steady_time deadline{};
    node_start to;  // of this node: it is back
    node_index origin;
    std::uint64_t correlation = 0;
  };

  explicit passed_asks(std::size_t count_max = 65'536) : count_max_(count_max) {}

  void note(const passed& ask, steady_time now) {
    const std::lock_guard lock(mutex_);
    while (!asks_.empty() && (asks_.front().deadline <= now || asks_.size() >= count_max_)) asks_.pop_front();
    asks_.push_back(ask);
  }
  /// Those that went to that incarnation or one before, in the order in which they did; they are forgotten.
  std::vector<passed> lose(node_start gone, steady_time now) {
    std::vector<passed> lost;
    std::set<std::pair<node_index, std::uint64_t>> went_on;
    const std::lock_guard lock(mutex_);
    for (auto each = asks_.rbegin(); each != asks_.rend(); ++each) {
      const bool is_last_place = went_on.emplace(each->origin, each->correlation).second;
      if (is_last_place && is_lost(*each, gone) && each->deadline > now) lost.push_back(*each);
    }
    std::erase_if(asks_, [&](const passed& each) { return is_lost(each, gone); });
    std::ranges::reverse(lost);
    return lost;
  }

 private:
  static bool is_lost(const passed& ask, node_start gone) {
    return ask.to.node == gone.node && ask.to.incarnation <= gone.incarnation;
  }

  const std::size_t count_max_;
  std::mutex mutex_;
  std::deque<passed> asks_;
};

}  // namespace throng
