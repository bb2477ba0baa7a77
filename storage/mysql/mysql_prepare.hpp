// SPDX-License-Identifier: Apache-2.0
// Makes the database of one shard ready on its primary: there, up to date, ours, and of that shard. Blocking.
#pragma once

#include "storage/model/key_range.hpp"
#include "storage/model/result.hpp"
#include "storage/mysql/mysql_connection.hpp"
#include "storage/topology/shard_map.hpp"

namespace throng::mysql {

/// Errors: errc::fatal_error for what no waiting mends (another program's database, another shard's, a newer schema, a
/// server that takes no large rows), else errc::service_unavailable.
result<> prepare_database(const server_address& primary, const key_range& range, const connect_options& options);

}  // namespace throng::mysql
