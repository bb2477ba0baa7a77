// SPDX-License-Identifier: Apache-2.0
// PASSED ASKS: questions of other nodes that went on from here to a third one: to who is lent the entity, or to who has
// the slot by now. If that one dies, whoever asked doesn't know where its question was; this node does, and tells it.
// Thread-safe. An answer goes straight back, so an entry stays until its deadline. Bound: `count_max`; then the oldest
// goes, whose asker falls back on its deadline.
#pragma once

#include <deque>
#include <mutex>
#include <vector>

#include "cluster/envelope.hpp"

namespace throng {

class passed_asks {
 public:
  struct passed {
    steady_time deadline{};
    node_index to;
    node_index origin;
    std::uint64_t correlation = 0;
  };

  explicit passed_asks(std::size_t count_max = 65'536) : count_max_(count_max) {}

  void note(const passed& ask, steady_time now) {
    const std::lock_guard lock(mutex_);
    while (!asks_.empty() && (asks_.front().deadline <= now || asks_.size() >= count_max_)) asks_.pop_front();
    asks_.push_back(ask);
  }
  /// Those that went there, in the order in which they did; they are forgotten.
  std::vector<passed> lose(node_index to, steady_time now) {
    std::vector<passed> lost;
    const std::lock_guard lock(mutex_);
    std::erase_if(asks_, [&](const passed& each) {
      if (each.to != to) return false;
      if (each.deadline > now) lost.push_back(each);
      return true;
    });
    return lost;
  }

 private:
  const std::size_t count_max_;
  std::mutex mutex_;
  std::deque<passed> asks_;
};

}  // namespace throng
