// SPDX-License-Identifier: Apache-2.0
// ENTITY ACTOR: the CAF actor around one incarnation of an entity, and its entity_context. Spawned and ended by its
// SLOT, which is also the only sender of envelopes to it, and keeps count of them (entity_cell::mailbox).
#pragma once

#include <caf/actor.hpp>

#include "cluster/actor_messages.hpp"
#include "cluster/node_services.hpp"

namespace caf {
class actor_system;
}

namespace throng {

/// `handed` is the state that a former incarnation left (entity_handover::state); it may be empty.
caf::actor spawn_entity(caf::actor_system& system, node_services& services, caf::actor slot, epoch_t epoch,
                        entity_cell_ptr cell, std::string handed);

}  // namespace throng
