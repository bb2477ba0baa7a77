// SPDX-License-Identifier: Apache-2.0
// GUEST SET: the SLOTs of this node that run what other nodes have lent it (cluster/handoff/slot_loans.hpp): one for
// each slot and epoch that something was lent of, as long as something of it is here. Thread-safe; nothing is called
// under its lock but a mailbox.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <utility>
#include <vector>

#include "cluster/slot_actor.hpp"

namespace throng {

class guest_set {
 public:
  static constexpr std::size_t guests_max = 10'000;

  struct loan {
    entity_key key;
    epoch_t epoch = 0;
    node_index lender;
  };

  guest_set(caf::actor_system& system, node_services& services) : system_(system), services_(services) {}

  /// Makes a place for it; null once the set is closed, or full.
  std::shared_ptr<slot_shell> begin(const loan& what);
  /// Null if it isn't here.
  std::shared_ptr<slot_shell> find(entity_key key, epoch_t epoch) const;
  /// The latest, by epoch.
  std::shared_ptr<slot_shell> find(entity_key key) const;
  /// Nothing of it is left here.
  void end(const loan& what);
  /// Lets go of the SLOTs that have ended since.
  void forget_ended();

  /// Those for which `is_over(loan)`.
  template <class Predicate>
  std::vector<loan> list(Predicate is_over) const {
    std::lock_guard lock(mutex_);
    std::vector<loan> all;
    for (const auto& [name, each] : places_)
      for (auto key : each.keys)
        if (const loan one{key, name.second, each.lender}; is_over(one)) all.push_back(one);
    return all;
  }
  std::vector<std::shared_ptr<slot_shell>> shells() const;
  std::size_t size() const;
  void close();

 private:
  struct place {
    std::shared_ptr<slot_shell> shell;
    node_index lender;
    std::set<entity_key> keys;
  };

  caf::actor_system& system_;
  node_services& services_;
  mutable std::mutex mutex_;
  std::map<std::pair<slot_id, epoch_t>, place> places_;
  std::vector<std::shared_ptr<slot_shell>> ending_;  // told to, and may still run
  std::size_t count_ = 0;
  bool is_closed_ = false;
};

}  // namespace throng
