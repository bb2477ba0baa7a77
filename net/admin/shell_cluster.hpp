// SPDX-License-Identifier: Apache-2.0
// What the shell shows of a cluster, from what this node knows of it. Pure.
#pragma once

#include <string>
#include <vector>

#include "cluster/inspection.hpp"
#include "cluster/membership/cluster_agent.hpp"
#include "net/admin/shell_reply.hpp"

namespace throng {

/// A row for each member, with this node's link to it.
shell_table nodes_table(const cluster_agent::view& now, const std::vector<links::view>& links);
/// The pins of entities, and whether each counts.
shell_table pins_table(const cluster_agent::view& now);
/// A member's name; "nobody", or the number of one that is gone.
std::string name_of(const cluster_agent::view& now, node_index node);
/// "active", "lent to n2", "active, lent from n1"; `now` is null on a node that is alone.
std::string state_of(const entity_view& view, const cluster_agent::view* now);
/// The name of the slot's owner.
std::string owner_of(const cluster_agent::view& now, slot_id slot);
/// "4096 slots: n1 1366, n2 1365, n3 1365; table 1767225600021"
std::string slots_summary(const cluster_agent::view& now);

}  // namespace throng
