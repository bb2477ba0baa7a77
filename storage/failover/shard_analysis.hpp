// SPDX-License-Identifier: Apache-2.0
// SHARD ANALYSIS: from what was seen of a shard's servers to what is wrong (in vtorc's words) and what to do next.
// Pure.
//
// What must hold, so that no acknowledged write is lost, ever:
//  1. M, the replicas in record.in_sync, together received every write that the primary acknowledged. An
//  acknowledgement
//     needs one replica only, so one of them alone may lack some; if M is empty, only the primary has everything.
//  2. If M isn't empty, only its members can acknowledge: each replica connects with an account of its own, and on the
//     primary the accounts of the others are locked (their "gate" is closed). So a server joins M before its gate
//     opens, and leaves M after its gate was closed and another member has received what was acknowledged until then.
//     If M is empty any gate may be open, for nobody but the primary may be promoted.
//  3. A member that was restarted has thrown away what it received and hadn't applied (MariaDB does, with GTID): it
//     isn't trusted until it has received everything again. The notes say which run of it is trusted.
//  4. A promotion needs every member of M: each is asked, its receiving is stopped, so that the old primary, wherever
//  it
//     is, never again gets an acknowledgement; the one that received most wins, and applies all of it before it opens.
//     If one can't be asked nothing is promoted. So with M empty the shard waits for its primary.
//  5. The record names the new primary (CAS, in the term of the promotion) before that takes writes; M is then empty.
//     Servers that aren't the record's primary are set read-only before anything else is done with them.
//  6. A primary that was restarted opens again only if no member of M has more than it: a restart as
//     --init-rpl-role=SLAVE cuts off the end of the binlog, so that the primary's tail that nobody acknowledged is no
//     obstacle to its return as a replica. (A cut also takes acknowledged writes whose commit InnoDB had not written
//     yet: seen with innodb_flush_log_at_trx_commit=1. So primaries run with 3.) If some server can't be asked, or has
//     more, the primary leaves numbers out before it opens: a replica must never take its new transactions for those
//     that were cut off.
//  7. A primary whose commits wait for an acknowledgement keeps waiting (the timeout is 11 days) until someone joins M
//     or, with ackers_min = 0, until M is recorded as empty. It is never switched to asynchronous while it isn't the
//     primary any more: that would answer the commits which wait.
//  8. Whoever has a transaction that the primary never had (an errant one) is reported and kept out.
// Replication faults that don't touch these rules are repaired as vtorc does.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "storage/failover/server_observation.hpp"

namespace throng::failover {

/// What a supervisor remembers for its successors, under failover/<keyspace>/<range>.
struct shard_notes {
  std::map<server_address, std::int64_t> trusted_runs;  // of members: start_s of the run that is trusted (rule 3)
  std::map<server_address, std::string> errant;         // server → its errant transactions
  topology_version version = 0;                         // not in the JSON
  bool trusts(const server_observation& seen) const {
    const auto run = trusted_runs.find(seen.server);
    return run != trusted_runs.end() && run->second == seen.start_s;
  }
  friend bool operator==(const shard_notes&, const shard_notes&) = default;
};
std::string notes_key(const shard_record& record);
std::string to_json(const shard_notes& notes);
result<shard_notes> parse_shard_notes(const topology_entry& entry);

enum class problem_t : std::uint8_t {
  none,
  unsupported_server,   // MySQL: use vtorc or Orchestrator
  no_such_primary,      // ClusterHasNoPrimary
  unreachable_primary,  // replicas still hear it: nothing is done
  dead_primary,
  dead_primary_and_some_replicas,
  dead_primary_and_replicas,
  dead_primary_without_in_sync,  // nobody else has everything: wait for it
  primary_has_primary,
  primary_is_read_only,
  primary_lost_writes,  // restarted, and a member of M has more than it
  primary_semi_sync_must_be_set,
  primary_semi_sync_blocked,
  primary_without_acker,  // writes are on the primary alone, as ackers_min = 0 allows
  replica_is_writable,
  errant_gtid_detected,
  not_connected_to_primary,
  connected_to_wrong_primary,
  replication_stopped,
  replica_semi_sync_must_be_set,
  replica_not_in_sync,
  replica_restarted,
  unreachable_replica,
};
std::string_view to_string(problem_t problem);  // "DeadPrimary", …

struct finding {
  problem_t problem{};
  server_address server;
  std::string detail;  // a sentence for a person
  friend bool operator==(const finding&, const finding&) = default;
};

/// In the order of their urgency.
enum class step_t : std::uint8_t {
  emergency_reparent,
  reset_primary,      // it is the primary and replicates from someone
  open_primary,       // read_only = 0
  set_semi_sync,      // on the primary: M isn't empty
  fence,              // read_only = 1 on who isn't the primary
  expel,              // remove from M, stop it: errant
  leave,              // remove from M, for it doesn't acknowledge
  go_alone,           // M is empty and the primary waits: semi-sync off
  start_replication,  // the threads that don't run
  attach,             // point at the primary; M is empty, or it is a member: no change of M
  admit,              // into M, then as attach
  set_acknowledging,  // a member that connected without semi-sync
  form_in_sync,       // M is empty, someone has caught up: semi-sync on, then M
  trust,              // a member that was restarted has everything again
};
std::string_view to_string(step_t step);

struct next_step {
  step_t what{};
  std::vector<server_address> servers;  // whom it is about
  friend bool operator==(const next_step&, const next_step&) = default;
};

struct analysis_policy {
  unsigned ackers_min = 0;                       // 0: without a replica the primary goes on alone; 1: it waits
  std::chrono::milliseconds dead_after{75};      // unreachable for so long
  std::chrono::milliseconds leave_after{1000};   // a member doesn't acknowledge for so long, and others do
  std::chrono::milliseconds blocked_after{300};  // nobody does, so that commits wait
  std::uint64_t form_within = 2000;              // transactions behind the primary that commits may wait for
};

struct shard_assessment {
  std::vector<finding> findings;  // the gravest first
  std::vector<next_step> steps;   // in this order; one is done, then the shard is looked at again
};

/// Since when nobody hears an acknowledgement from a member of M ("" stands for all replicas, when M is empty).
using silences = std::map<server_address, steady_time>;

/// `seen` has one observation for each of record.servers. `silent` is kept by the caller between calls.
shard_assessment assess(const shard_record& record, const shard_notes& notes,
                        const std::vector<server_observation>& seen, const analysis_policy& policy, steady_time now,
                        silences& silent);

/// Who of the members that were stopped (rule 4) is promoted: of those that received most, the one that has least left
/// to apply. Errors: conflict, if there are none, or their positions can't be compared.
result<server_address> choose_successor(const std::vector<server_observation>& stopped);

/// record.in_sync without the primary.
std::vector<server_address> members_of(const shard_record& record);

}  // namespace throng::failover
