// SPDX-License-Identifier: Apache-2.0
// What the SUPERVISOR knows about one database server: the result of its last probe, and since when it answers or
// doesn't. Values, made by server_probe, read by shard_analysis and by the status of a shard.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "storage/failover/gtid_list.hpp"
#include "storage/model/time.hpp"
#include "storage/topology/shard_map.hpp"

namespace throng::failover {

/// SHOW SLAVE STATUS, as far as we look.
struct replication_state {
  server_address source;       // "host:port" of its primary
  bool is_connected = false;   // the I/O thread runs and hears its primary (heartbeats or events)
  bool is_connecting = false;  // the I/O thread runs, without a connection
  bool is_applying = false;    // the SQL thread runs
  bool uses_gtid = false;
  gtid_list received;  // Gtid_IO_Pos
  std::optional<std::uint32_t> lag_s;
  std::string io_error, sql_error;
};

struct server_observation {
  server_address server;
  bool was_tried = false;  // false: nothing is known yet
  bool is_reachable = false;
  steady_time since{};    // reachable or not since then
  std::string trouble;    // why it isn't reachable, for a person
  bool is_known = false;  // it answered once: what follows is what it said last
  steady_time asked{};    // when that question was asked

  bool is_supported = false;  // MariaDB 10.3 or newer
  std::string version;
  std::int64_t start_s = 0;  // when it was started, by its own clock: another value, another run
  std::uint32_t uptime_s = 0;
  bool is_read_only = false;
  gtid_history gtids;
  std::optional<replication_state> replication;

  bool is_semi_sync_primary = false;    // its commits wait for an acknowledgement
  std::uint32_t semi_sync_clients = 0;  // replicas that are asked for one
  std::uint32_t waiting_commits = 0;
  steady_time quiet_since{};                  // it has received and written nothing since then
  std::optional<steady_time> standing_since;  // and commits wait since then
  bool is_semi_sync_replica = false;          // will acknowledge when it connects the next time
  bool is_acknowledging = false;              // is connected as one that does

  /// All it has, applied or only in its relay log.
  gtid_list received() const {
    return replication ? later_of(gtids.binlog_pos, replication->received) : gtids.binlog_pos;
  }
  bool replicates_from(const server_address& source) const { return replication && replication->source == source; }
};

/// Sets quiet_since and standing_since of what was `seen` of a server, by what was seen `before`. Looks further apart
/// than `pause_max` say nothing of the time between them: the server or we were paused.
inline void keep_standstill(const server_observation& before, server_observation& seen,
                            std::chrono::milliseconds pause_max = std::chrono::seconds(1)) {
  const auto is_as_before =
      before.start_s == seen.start_s && before.received() == seen.received() && seen.asked - before.asked <= pause_max;
  seen.quiet_since = is_as_before ? before.quiet_since : seen.asked;
  seen.standing_since.reset();
  if (seen.waiting_commits > 0)
    seen.standing_since = is_as_before && before.standing_since ? *before.standing_since : seen.asked;
}

}  // namespace throng::failover
