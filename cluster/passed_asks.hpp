// SPDX-License-Identifier: Apache-2.0
// PASSED ASKS: questions of other nodes that went on from here to a third one: to who is lent the entity, or to who has
// the slot by now. If that one dies, whoever asked doesn't know where its question was; this node does, and tells it.
// When this node leaves, it tells everybody where theirs are.
// Thread-safe: 16 shards, each with a lock, for every passed ask comes by. Where an ask went last counts. An answer
// goes straight back, so an entry stays until its deadline. Bound: `count_max`, a sixteenth of it in each shard; then
// the oldest goes, whose asker falls back on its deadline.
#pragma once

#include <algorithm>
#include <array>
#include <deque>
#include <mutex>
#include <set>
#include <tuple>
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
  static constexpr std::size_t shard_count = 16;

  explicit passed_asks(std::size_t count_max = 65'536)
      : shard_max_(std::max<std::size_t>(count_max / shard_count, 1)) {}

  void note(const passed& ask, steady_time now) {
    auto& [mutex, asks] = shards_[ask.correlation % shard_count];  // an origin counts its asks
    const std::lock_guard lock(mutex);
    while (!asks.empty() && (asks.front().deadline <= now || asks.size() >= shard_max_)) asks.pop_front();
    asks.push_back(ask);
  }
  /// Those that went to that incarnation or one before, in the order in which each origin asked; they are forgotten.
  std::vector<passed> lose(node_start gone, steady_time now) {
    std::vector<passed> lost;
    for (auto& [mutex, asks] : shards_) {
      std::set<std::pair<node_index, std::uint64_t>> went_on;
      const std::lock_guard lock(mutex);
      for (auto each = asks.rbegin(); each != asks.rend(); ++each) {
        const bool is_last_place = went_on.emplace(each->origin, each->correlation).second;
        if (is_last_place && is_lost(*each, gone) && each->deadline > now) lost.push_back(*each);
      }
      std::erase_if(asks, [&](const passed& each) { return is_lost(each, gone); });
    }
    std::ranges::sort(lost, {}, [](const passed& each) { return std::tuple(each.origin, each.correlation); });
    return lost;
  }
  /// Where those are whose deadlines are to come, each once.
  std::vector<passed> all(steady_time now) {
    std::vector<passed> last;
    for (auto& [mutex, asks] : shards_) {
      std::set<std::pair<node_index, std::uint64_t>> seen;
      const std::lock_guard lock(mutex);
      for (auto each = asks.rbegin(); each != asks.rend(); ++each)
        if (seen.emplace(each->origin, each->correlation).second && each->deadline > now) last.push_back(*each);
    }
    return last;
  }

 private:
  struct alignas(64) shard {
    std::mutex mutex;
    std::deque<passed> asks;
  };

  static bool is_lost(const passed& ask, node_start gone) {
    return ask.to.node == gone.node && ask.to.incarnation <= gone.incarnation;
  }

  const std::size_t shard_max_;
  std::array<shard, shard_count> shards_;
};

}  // namespace throng
