// SPDX-License-Identifier: Apache-2.0
// CONFIRMED DOMAINS: which workspaces' domains this node knows to be registered, so that a write of a workspace's row
// needs a look at another shard only once. What was confirmed holds for one epoch of the workspace's slot: nobody else
// writes the row as long as that lasts. Bounded; the least recently used one goes. Not thread-safe.
#pragma once

#include <list>
#include <string>
#include <unordered_map>
#include <utility>

#include "storage/model/ids.hpp"
#include "storage/model/keyspace.hpp"

namespace throng {

class confirmed_domains {
 public:
  explicit confirmed_domains(std::size_t count_max) : count_max_(count_max) {}

  bool has(team_id team, epoch_t epoch, std::string_view domain) {
    auto found = by_team_.find(team.value);
    if (epoch == 0 || found == by_team_.end()) return false;
    order_.splice(order_.begin(), order_, found->second);
    return found->second->epoch == epoch && found->second->domain == domain;
  }
  /// In the place of the team's former one. What isn't fenced (epoch 0) may change elsewhere, and isn't kept.
  void put(team_id team, epoch_t epoch, std::string domain) {
    forget(team);
    if (epoch == 0) return;
    order_.push_front({team.value, epoch, std::move(domain)});
    by_team_[team.value] = order_.begin();
    if (order_.size() <= count_max_) return;
    by_team_.erase(order_.back().team);
    order_.pop_back();
  }
  void forget(team_id team) {
    auto found = by_team_.find(team.value);
    if (found == by_team_.end()) return;
    order_.erase(found->second);
    by_team_.erase(found);
  }
  std::size_t size() const { return order_.size(); }

 private:
  struct entry {
    std::uint64_t team;
    epoch_t epoch;
    std::string domain;
  };
  std::size_t count_max_;
  std::list<entry> order_;  // the most recently used first
  std::unordered_map<std::uint64_t, std::list<entry>::iterator> by_team_;
};

}  // namespace throng
