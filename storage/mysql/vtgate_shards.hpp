// SPDX-License-Identifier: Apache-2.0
// The shards behind a vtgate: asked for with SHOW VITESS_SHARDS, and each reached by the name of a database, as
// Vitess's shard targeting has it. So a vtgate looks like the shards of our own, but for failover and resharding, which
// are Vitess's.
//
//   SHOW VITESS_SHARDS ─► throng/-80, throng/80- ─► USE `throng:-80@primary`
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "storage/model/result.hpp"
#include "storage/mysql/mysql_connection.hpp"
#include "storage/topology/shard_map.hpp"

namespace throng {

struct vtgate_shard {
  key_range range;
  std::string name;  // Vitess's: "-80"; an unsharded keyspace's is "0"
  friend bool operator==(const vtgate_shard&, const vtgate_shard&) = default;
};

/// Of the answer's rows, those of `keyspace`, by range. Errors (errc::invalid_arguments): there are none; a range that
/// cuts a slot.
result<std::vector<vtgate_shard>> parse_vitess_shards(std::span<const std::string> rows, std::string_view keyspace);
/// "throng:-80@primary"
std::string vtgate_database(std::string_view keyspace, const vtgate_shard& shard);
/// Each shard's server being the vtgate. Errors: gaps and overlaps (while Vitess reshards, both sides are there).
result<shard_map> vtgate_map(const std::vector<vtgate_shard>& shards, const server_address& vtgate,
                             std::string_view keyspace);

/// Asks the vtgate. Blocking.
result<std::vector<vtgate_shard>> ask_vitess_shards(const server_address& vtgate, mysql::connect_options options,
                                                    std::string_view keyspace);

}  // namespace throng
