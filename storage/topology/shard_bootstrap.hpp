// SPDX-License-Identifier: Apache-2.0
// What the topology is told of shards the first time a cluster starts, from storage.mysql.shards. From then on the
// topology is the truth: the setting isn't read again.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "storage/topology/shard_map.hpp"

namespace throng {

/// "-80=h:1,h:2 80-=h:3,h:4": shards with their servers, the first of each being its primary and the only one known to
/// have everything. Errors (errc::invalid_arguments) say which word is wrong, or what shard_map::make() says.
result<std::vector<shard_record>> parse_bootstrap(std::string_view text, std::string_view keyspace);

/// Registers these shards and that they serve, unless the keyspace serves already. Several nodes may do so at once:
/// each entry is written by the first of them, the serving one last, so whoever sees that sees all.
result<> register_shards(topology_store& topology, std::string_view keyspace, const std::vector<shard_record>& shards);

/// Writes again that the shards of this map serve, if the topology has forgotten it (it was restarted, empty) and has
/// their records again. Does nothing otherwise. Errors: those of the topology.
result<> restore_serving(topology_store& topology, std::string_view keyspace, const shard_map& last);

}  // namespace throng
