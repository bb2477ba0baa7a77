// SPDX-License-Identifier: Apache-2.0
// NODE NUMBERS: which number a node's name has, and at which start it is. "node_claims/<number>" → name is made once
// for each number and never again, so two names never share one; "node_numbers/<name>" → {node, incarnation} is raised
// by each start, and by the coordinator when it declares the node dead: an incarnation that was passed is spent, and
// who finds its own spent is no member any more. A topology that has forgotten all is told by who still knows; one that
// starts before may be given the number of one that sleeps, and the store's fences tell the two apart
// (storage/fence_holder.hpp). Calls block as the topology's do.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "cluster/node_identity.hpp"
#include "storage/model/result.hpp"
#include "storage/model/time.hpp"
#include "storage/topology/topology_store.hpp"

namespace throng {

/// Ids that nodes give out (actors/id_generator.hpp) have room for so many.
inline constexpr std::uint16_t node_number_max = 1023;

/// A start of `name`: its number (the smallest free one if it has none yet), and an incarnation above all before, also
/// above those that a topology which was emptied has forgotten: it is the time in milliseconds, as far as clocks go.
/// Errors: those of the topology; errc::conflict if too many start at once (try again); errc::overloaded when all
/// numbers are taken.
result<node_start> begin_start(topology_store& topology, const std::string& name, wall_time now);

/// Is this start still the last one? Writes it down if the topology has forgotten it.
result<bool> is_current(topology_store& topology, const std::string& name, node_start start);

/// Writes down a start that the topology has forgotten. False if there is nothing to write: it knows one of this name,
/// or has given the number to another since.
result<bool> remember(topology_store& topology, const std::string& name, node_start start);

/// Spends a start, so that its process can't come back as it, even if the topology has forgotten it. Fine if it is
/// spent already.
result<> spend(topology_store& topology, const std::string& name, node_start start);

}  // namespace throng
