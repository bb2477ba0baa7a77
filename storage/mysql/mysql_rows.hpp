// SPDX-License-Identifier: Apache-2.0
// How many rows each sharded table of one shard has, for operators. Blocking, with a connection of its own.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "storage/model/result.hpp"
#include "storage/mysql/mysql_connection.hpp"
#include "storage/topology/shard_map.hpp"

namespace throng {

/// By name. Exact counts read each table's key once; else InnoDB's estimates, which may be off by half.
result<std::vector<std::pair<std::string, std::uint64_t>>> count_mysql_rows(const server_address& server,
                                                                            const mysql::connect_options& options,
                                                                            bool is_exact);

}  // namespace throng
