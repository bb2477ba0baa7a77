// SPDX-License-Identifier: Apache-2.0
// PLACEMENT ADMIN: the shell's commands on the placement, over the topology store: it changes what people wish
// (cluster/coordinator/placement_wishes.hpp), and waits until the COORDINATOR has begun with it.
#pragma once

#include <functional>
#include <memory>

#include "cluster/membership/cluster_agent.hpp"
#include "net/admin/cluster_admin.hpp"
#include "storage/topology/topology_store.hpp"

namespace throng {

/// `look` gives what this node knows of its cluster; null before it has joined.
std::unique_ptr<cluster_admin> make_placement_admin(topology_store& topology,
                                                    std::function<std::shared_ptr<const cluster_agent::view>()> look,
                                                    coordinator_options how);

}  // namespace throng
