// SPDX-License-Identifier: Apache-2.0
// What the shell does to the place of one entity: it changes the pins (cluster/membership/pin_records.hpp), and the
// nodes follow. Each says in a sentence what it has done. Blocks as the topology does. Errors: errc::not_found for a
// node that is no member or an entity that isn't pinned, and change_pin()'s.
#pragma once

#include <string>
#include <string_view>

#include "cluster/membership/cluster_agent.hpp"
#include "storage/topology/topology_store.hpp"

namespace throng {

/// Null: there is none.
const node_record* member_called(const cluster_agent::view& now, std::string_view name);

/// It goes there, and stays there while that node is a member.
result<std::string> pin_entity(topology_store& topology, const cluster_agent::view& now, entity_key key,
                               std::string_view node);
result<std::string> unpin_entity(topology_store& topology, const cluster_agent::view& now, entity_key key);
/// The same as pinning it there; to the owner of its slot: it isn't pinned any more.
result<std::string> migrate_entity(topology_store& topology, const cluster_agent::view& now, entity_key key,
                                   std::string_view node);

}  // namespace throng
