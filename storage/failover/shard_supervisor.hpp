// SPDX-License-Identifier: Apache-2.0
// SHARD SUPERVISOR (vtorc's and Orchestrator's role): keeps one shard writable. It watches the servers of the shard's
// record, replaces a dead primary, takes it back as a replica, and keeps the record saying who has every acknowledged
// write. On many nodes exactly one supervisor of a shard acts, the leader; the others watch, and take over when it
// goes. What it does and why that loses nothing: storage/failover/shard_analysis.hpp.
//
// Threads: one a shard, and one for each of its servers. What it needs of the servers, beside MariaDB 10.3 or newer:
// distinct server_id, log_bin, log_slave_updates, binlog_format=ROW, gtid_strict_mode, and --read-only=1
// --rpl-semi-sync-slave-enabled=1 --init-rpl-role=SLAVE at every start: only the supervisor opens a server for writes.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "storage/failover/reparent.hpp"

namespace throng::failover {

struct shard_figures {
  std::uint64_t failovers = 0, reparents = 0, rounds = 0, rounds_failed = 0;
};

/// What a supervisor knows, for the shell and for metrics.
struct shard_status {
  shard_record record;
  bool is_leading = false;
  std::vector<server_observation> servers;  // as record.servers
  std::vector<finding> findings;            // empty: all is well
  std::string trouble;  // of the last round that failed; empty: one has succeeded since, or all is well
  std::optional<reparent_report> last_reparent;
  shard_figures figures;
};

/// Any thread.
class shard_supervisor {
 public:
  /// `key` is the shard's in `topology` (shard_key()), which must outlive it.
  static std::unique_ptr<shard_supervisor> start(topology_store& topology, std::string key,
                                                 const supervisor_options& how);
  /// Waits for the round under way.
  virtual ~shard_supervisor() = default;

  virtual shard_status status() const = 0;
  /// Blocks until `to` is the primary, or tells why it isn't. Errors: conflict (refused, or undone), not_allowed
  /// (another node leads), service_unavailable.
  virtual result<reparent_report> reparent(const server_address& to) = 0;
  /// Blocks until the primary takes writes and all reachable servers are in sync, at most `patience`.
  virtual bool wait_until_well(std::chrono::milliseconds patience) const = 0;
};

/// Makes the first record of a new shard fit its servers: checks that each can be supervised, and that only one of them
/// has data, which then is the primary. Does nothing to a shard that has been supervised before. Errors:
/// invalid_arguments, in a sentence that names the server; service_unavailable.
result<> prepare_shard(topology_store& topology, const std::string& key, const supervisor_options& how);

/// Writes the record of a shard that the topology has forgotten (it was restarted, empty), from what is remembered and
/// what all of its servers say: they must all answer. Its replicas join again when they have caught up. Does nothing if
/// there is a record, or while the topology says who serves: then it was erased on purpose. Errors: as above.
result<> restore_shard(topology_store& topology, const shard_record& last, const supervisor_options& how);

}  // namespace throng::failover
