// SPDX-License-Identifier: Apache-2.0
// NODE NUMBERS: which number a node's name has, and at which start it is. "node_claims/<number>" → name is made once
// for each number and never again, so two names never share one; "node_numbers/<name>" → {node, incarnation} is raised
// by each start, and by the coordinator when it declares the node dead: an incarnation that was passed is spent, and
// who finds its own spent is no member any more. Calls block as the topology's do.
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

/// Spends an incarnation, so that its process can't come back under it. Fine if it is spent already.
result<> spend(topology_store& topology, const std::string& name, std::uint64_t incarnation);

}  // namespace throng
