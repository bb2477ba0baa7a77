// SPDX-License-Identifier: Apache-2.0
// WHY: where a message was, and when, from the client's call to the outboxes of its readers. Each node knows its part:
// the channel's node how the post came to it and was stored, each gateway what it passed on. Pure.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "cluster/inspection.hpp"
#include "net/admin/shell_reply.hpp"
#include "net/gateway/delivery_log.hpp"
#include "storage/json/json.hpp"
#include "storage/model/records.hpp"

namespace throng {

struct why_hop {
  wall_time at{};
  std::string node, step, what;
};

/// On the node that has the entity. `name_of`: a node's name.
std::vector<why_hop> hops_of(const passage& past, const std::string& here,
                             const std::function<std::string(node_index)>& name_of);
why_hop hop_of(const delivery_note& note, const std::string& here);

/// What the store says of it now; its time is the post's own.
why_hop stored_hop(entity_key channel, message_ts ts, const result<message_record>& row, const std::string& here);

/// A node's part as a table, and back: hops that aren't understood are left out.
shell_table why_part(const std::vector<why_hop>& hops);
std::vector<why_hop> hops_of(json_value part);

/// By time, each with what has passed since the first. Nodes' clocks differ, and so may the order of hops on two nodes.
shell_table why_table(std::vector<why_hop> hops);

}  // namespace throng
