// SPDX-License-Identifier: Apache-2.0
// SLOT: supervisor of the entities of one slot. Activates an entity on its first message, passivates it when idle,
// starts it again when it has crashed, within a budget, and quarantines it past that. Also holds the slot's subscriber
// table, through which its entities publish. One actor; all its state is its own.
#pragma once

#include <atomic>
#include <memory>

#include <caf/actor.hpp>

#include "cluster/actor_messages.hpp"
#include "cluster/node_services.hpp"

namespace caf {
class actor_system;
}

namespace throng {

/// What the node keeps of a SLOT beside its actor.
struct slot_shell {
  explicit slot_shell(slot_id name) : slot(name) {}
  const slot_id slot;
  std::atomic<std::uint32_t> mailbox{0};  // envelopes sent to it, not yet handled
  std::atomic<bool> has_entities{false};
  /// A tick before this does nothing, unless the node has too many entities. Only the SLOT writes it.
  std::atomic<steady_time> next_tick{steady_time::max()};
  caf::actor actor;
  // Of a SLOT of guests: what the owner of the slot has lent this node, under its epoch (cluster/guest_set.hpp).
  node_index guest_of;  // 0: the slot is this node's own
  epoch_t guest_epoch = 0;
  std::atomic<bool> has_ended{false};  // its actor touches it no more
};

/// REQUIRES: `shell` outlives the actor: it lives as long as the actor system, or until it `has_ended`.
caf::actor spawn_slot(caf::actor_system& system, node_services& services, slot_shell& shell);

}  // namespace throng
