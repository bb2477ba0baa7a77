// SPDX-License-Identifier: Apache-2.0
// SLOT SET: the SLOT actors of a node, each made when somebody first talks to it. Thread-safe.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <mutex>

#include <caf/actor_system.hpp>
#include <caf/send.hpp>

#include "cluster/borrowed_logger.hpp"
#include "cluster/slot_actor.hpp"

namespace throng {

class slot_set {
 public:
  slot_set(caf::actor_system& system, node_services& services) : system_(system), services_(services) {}
  ~slot_set() {
    for (auto& each : slots_) delete each.load();
  }

  /// Null if it was never used.
  slot_shell* find(slot_id slot) const { return slots_[slot.value].load(std::memory_order_acquire); }
  /// Null once the set is closed, for a slot that wasn't used before.
  slot_shell* at(slot_id slot) {
    auto& place = slots_[slot.value];
    if (auto* shell = place.load(std::memory_order_acquire)) return shell;
    std::lock_guard lock(making_);
    if (auto* shell = place.load(std::memory_order_acquire)) return shell;
    if (is_closed_) return nullptr;
    auto made = std::make_unique<slot_shell>(slot);
    borrowed_logger until_it_is_made;
    made->actor = spawn_slot(system_, services_, *made);
    place.store(made.get(), std::memory_order_release);
    return made.release();
  }
  /// False if the slot could not be reached any more.
  bool send(slot_id slot, slot_input input) {
    auto* shell = at(slot);
    if (shell) caf::anon_send(shell->actor, std::move(input));
    return shell != nullptr;
  }
  void close() {
    std::lock_guard lock(making_);
    is_closed_ = true;
  }
  template <class Visit>
  void each(Visit visit) {
    for (auto& place : slots_)
      if (auto* shell = place.load(std::memory_order_acquire)) visit(*shell);
  }

 private:
  caf::actor_system& system_;
  node_services& services_;
  std::mutex making_;
  bool is_closed_ = false;
  std::array<std::atomic<slot_shell*>, slot_count> slots_{};
};

}  // namespace throng
