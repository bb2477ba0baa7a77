// SPDX-License-Identifier: Apache-2.0
// SHARD ANALYSIS: from what was seen of a shard's servers to what is wrong (in vtorc's words) and what to do next.
// Pure.
//
// What must hold, so that no acknowledged write is lost, ever:
//  1. M, the replicas in record.in_sync, together received every write that the primary acknowledged. One of them alone
//     may lack some, for an acknowledgement needs one replica only; if M is empty, only the primary has everything.
//  2. If M isn't empty, only its members can acknowledge: each replica connects with an account of its own, and on the
//     primary the accounts of the others are locked (their "gate" is closed). So a server joins M before its gate
//     opens, and leaves M after its gate was closed and another member has received what was acknowledged until then.
//     If M is empty any gate may be open, for nobody but the primary may be promoted.
//  3. A member that was restarted has thrown away what it received and hadn't applied (MariaDB does, with GTID): it
//     isn't trusted until it has received everything again. The notes say which run of it is trusted.
//  4. A promotion in place of a primary that is away needs every member of M: each is asked, its receiving is stopped,
//     so that the old primary, wherever it is, never again gets an acknowledgement; the one that received most wins,
//     and applies all of it before it opens. If one can't be asked, or isn't trusted, nothing is promoted. So with M
//     empty the shard waits for its primary.
//  5. The record names the new primary (CAS, in the term of the promotion) before that takes writes; M is then empty.
//     Servers that aren't the record's primary are set read-only before anything else is done with them.
//  6. A primary that is there again has every write that it acknowledged: each was in its binlog and in InnoDB's own
//     log, both on the disk, before the client was told, and what it had when it was opened was flushed first (it runs
//     with innodb_flush_log_at_trx_commit=3; with 1 a restart as --init-rpl-role=SLAVE was seen to cut acknowledged
//     writes off the binlog, whose commit InnoDB had not written yet). All that such a restart cuts off now is its
//     tail, which nobody was told of. So while it is there and takes no writes, it vouches, under the locks of a round:
//      - If it has all that the members received (who can't be asked: when last seen), it opens again, as the primary.
//      - If a member has more, that one takes its place, for it has all of the primary's log and so every acknowledged
//        write. Trust (rule 3) doesn't matter, nor do members that can't be asked (rule 4): both rules are there to put
//        together from several what the primary has alone, and to shut out a primary that can't be asked to stop, while
//        this one is read-only and locked, and starts read-only. The winner must have what each member was last seen to
//        have: whoever has more would have to be seeded again.
//      - A member with an errant transaction is no matter for either, and can't win.
//     A primary without any binlog (replaced, seeded) vouches for nothing. Files older than its last write must never
//     be put under a primary: nothing here would see that. Whoever sets sync_binlog=0 or a flush of 0 or 2 has chosen
//     that a power loss, unlike a crash, may cost writes.
//     Numbers that a restart cut off must not be given to other transactions: a replica that has the old ones would
//     take the new ones for those. So if some server can't be asked, or has more, a primary that was restarted leaves
//     numbers out before it opens; MariaDB refuses a replica that stands in such a gap, and it is reported as errant.
//  7. A primary whose commits wait for an acknowledgement keeps waiting (the timeout is 11 days) until someone joins M
//     or, with ackers_min = 0, until M is recorded as empty. It is never switched to asynchronous while it isn't the
//     primary any more: that would answer the commits which wait.
//     An acknowledgement can be lost for good though its replica is there: MariaDB counts one only behind an event that
//     it sent to that connection, and sends none while commits wait; and its thread that hears them can miss that a
//     connection has ended, which then never ends (10.11.19: Ack_receiver::remove_slave). So when commits stand still
//     while a replica hears the primary and receives nothing, who waits is refused (a client that gets an error knows
//     nothing, and asks by a commit of its own), and that thread is started anew. A commit that waits, waits for others
//     too, who are answered when it is killed: so nothing may kill it but server_session, which ends the others first.
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

/// What a supervisor remembers for its successors, under failover/<keyspace>/<range>. They watch it, and nobody acts
/// who can't read the newest.
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
  primary_lost_writes,  // restarted, and a member of M has more than it: rule 6
  primary_semi_sync_must_be_set,
  primary_semi_sync_blocked,  // commits wait: nobody acknowledges, or nobody's acknowledgement is heard
  primary_without_acker,      // writes are on the primary alone, as ackers_min = 0 allows
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
  listen_again,       // the primary hears no acknowledgement
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
  std::chrono::milliseconds deaf_after{1500};    // someone does, and they wait; a guess: disks stall for a second
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

/// record.in_sync without the primary.
std::vector<server_address> members_of(const shard_record& record);

}  // namespace throng::failover
