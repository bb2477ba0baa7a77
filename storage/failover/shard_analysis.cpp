// SPDX-License-Identifier: Apache-2.0
#include "storage/failover/shard_analysis.hpp"

#include <algorithm>
#include <utility>

#include "storage/failover/succession.hpp"
#include "storage/model/assert.hpp"

namespace throng::failover {

namespace {

using std::ranges::find;

bool is_one_of(const server_address& server, const std::vector<server_address>& servers) {
  return find(servers, server) != servers.end();
}

std::string joined(const std::vector<server_address>& servers) {
  std::string out;
  for (const auto& one : servers) out += (out.empty() ? "" : ", ") + one;
  return out;
}

std::string joined(const std::vector<gtid>& transactions) {
  std::string out;
  for (const auto& one : transactions) out += (out.empty() ? "" : ",") + to_text(one);
  return out;
}

/// One look at a shard.
class analysis {
 public:
  analysis(const shard_record& record, const shard_notes& notes, const std::vector<server_observation>& seen,
           const analysis_policy& policy, steady_time now, silences& silent)
      : record_(record),
        notes_(notes),
        seen_(seen),
        policy_(policy),
        now_(now),
        silent_(silent),
        members_(members_of(record)) {}

  shard_assessment run() {
    const auto* primary = of(record_.primary);
    fence_writable_replicas();
    if (!primary) {
      add(problem_t::no_such_primary, record_.primary, "the record names no primary");
      if (find_succession(record_, notes_, seen_).objection.empty()) do_next(step_t::emergency_reparent, {});
    } else if (!primary->is_reachable) {
      primary_is_away(*primary);
    } else if (!primary->is_supported) {
      add(problem_t::unsupported_server, primary->server, unsupported(*primary));
    } else {
      primary_is_there(*primary);
    }
    std::ranges::stable_sort(out_.steps, {}, &next_step::what);
    std::ranges::stable_sort(out_.findings, {}, &finding::problem);
    return std::move(out_);
  }

 private:
  const server_observation* of(const server_address& server) const {
    const auto found = find(seen_, server, &server_observation::server);
    return found == seen_.end() ? nullptr : &*found;
  }
  void add(problem_t problem, const server_address& server, std::string detail) {
    out_.findings.push_back({problem, server, std::move(detail)});
  }
  void do_next(step_t what, std::vector<server_address> servers) { out_.steps.push_back({what, std::move(servers)}); }
  bool is_member(const server_address& server) const { return is_one_of(server, members_); }

  static std::string unsupported(const server_observation& seen) {
    return seen.server + " is " + seen.version +
           "; only MariaDB 10.3 and newer are supervised: use vtorc or Orchestrator for MySQL";
  }

  void fence_writable_replicas() {
    for (const auto& one : seen_)
      if (one.server != record_.primary && one.is_reachable && one.is_supported && !one.is_read_only) {
        add(problem_t::replica_is_writable, one.server, one.server + " takes writes and isn't the primary");
        do_next(step_t::fence, {one.server});
      }
  }

  // -- no primary ----------------------------------------------------------------------------------------------------

  void primary_is_away(const server_observation& primary) {
    for (const auto& one : seen_)
      if (one.is_reachable && one.replicates_from(primary.server) && one.replication->is_connected) {
        add(problem_t::unreachable_primary, primary.server,
            primary.server + " can't be reached (" + primary.trouble + "), but " + one.server + " still hears it");
        return;
      }
    const auto is_over = now_ - primary.since >= policy_.dead_after;
    const auto why = " (" + primary.trouble + ")";
    if (members_.empty()) {
      add(problem_t::dead_primary_without_in_sync, primary.server,
          primary.server + " is down" + why + " and nobody else has every acknowledged write: waiting for it");
      return;
    }
    const auto succession = find_succession(record_, notes_, seen_);
    if (succession.candidates.empty()) {
      add(problem_t::dead_primary_and_replicas, primary.server,
          primary.server + " is down" + why + ", and " + succession.objection);
    } else if (!succession.objection.empty()) {
      add(problem_t::dead_primary_and_some_replicas, primary.server,
          primary.server + " is down" + why + "; nothing is promoted, for " + succession.objection);
    } else {
      add(problem_t::dead_primary, primary.server, primary.server + " is down" + why);
      if (is_over) do_next(step_t::emergency_reparent, {});
    }
  }

  // -- a primary -----------------------------------------------------------------------------------------------------

  void primary_is_there(const server_observation& primary) {
    if (primary.replication) {
      add(problem_t::primary_has_primary, primary.server,
          primary.server + " replicates from " + primary.replication->source);
      do_next(step_t::reset_primary, {primary.server});
    }
    if (primary.is_read_only && !may_open(primary)) return;
    const auto needs_ack = !members_.empty() || policy_.ackers_min > 0;
    if (!primary.is_read_only && needs_ack && !primary.is_semi_sync_primary) {
      add(problem_t::primary_semi_sync_must_be_set, primary.server, primary.server + " commits without waiting");
      do_next(step_t::set_semi_sync, {primary.server});
    }
    for (const auto& one : seen_)
      if (one.server != primary.server) look_at_replica(one, primary);
    if (primary.is_read_only) return;
    if (is_deaf(primary)) {
      add(problem_t::primary_semi_sync_blocked, primary.server,
          "commits on " + primary.server + " wait, though a replica is connected: its acknowledgements aren't heard");
      do_next(step_t::listen_again, {primary.server});
    }
    if (members_.empty())
      without_members(primary);
    else
      with_members(primary);
  }

  /// Rule 6. Of who can't be asked, what it had when it last answered.
  bool may_open(const server_observation& primary) {
    const auto is_vouched = vouches(primary);
    std::string ahead;
    for (const auto& server : members_) {
      const auto* member = of(server);
      const auto knows_nothing = !member || !member->is_known;
      if (is_vouched && (knows_nothing || is_kept_out(*member, primary))) continue;
      if (knows_nothing || !primary.gtids.binlog_pos.covers(member->received()) ||
          (!is_vouched && !member->is_reachable))
        ahead += (ahead.empty() ? "" : ", ") + server;
    }
    if (ahead.empty()) {
      add(problem_t::primary_is_read_only, primary.server, primary.server + " is the primary and takes no writes");
      do_next(step_t::open_primary, {primary.server});
      return true;
    }
    const auto succession = find_succession(record_, notes_, seen_);
    const auto detail = primary.server + " came back " +
                        (is_vouched ? "at " + to_text(primary.gtids.binlog_pos) : "without its log") + ", behind " +
                        ahead;
    add(problem_t::primary_lost_writes, primary.server,
        detail + (succession.objection.empty() ? "" : "; nothing is promoted, for " + succession.objection));
    if (succession.objection.empty()) do_next(step_t::emergency_reparent, {});
    return false;
  }
  bool is_kept_out(const server_observation& replica, const server_observation& primary) const {
    return notes_.errant.contains(replica.server) || !foreign_transactions(replica, primary).empty();
  }

  bool is_errant(const server_observation& replica, const server_observation& primary) {
    if (primary.asked < replica.asked) return notes_.errant.contains(replica.server);
    return !errant_transactions(replica.gtids, primary.gtids).empty();
  }

  /// Rule 7.
  bool is_deaf(const server_observation& primary) const {
    return primary.is_semi_sync_primary && primary.standing_since &&
           now_ - *primary.standing_since >= policy_.deaf_after && std::ranges::any_of(seen_, [&](const auto& one) {
             return hears(one, primary) && now_ - one.quiet_since >= policy_.deaf_after;  // it isn't catching up
           });
  }
  static bool hears(const server_observation& replica, const server_observation& primary) {
    return replica.is_reachable && replica.replicates_from(primary.server) && replica.replication->is_connected;
  }
  static bool acknowledges(const server_observation& replica, const server_observation& primary) {
    return hears(replica, primary) && replica.is_acknowledging;
  }

  void look_at_replica(const server_observation& replica, const server_observation& primary) {
    const auto& server = replica.server;
    if (!replica.is_reachable) {
      add(problem_t::unreachable_replica, server, server + ": " + replica.trouble);
      return;
    }
    if (!replica.is_supported) {
      add(problem_t::unsupported_server, server, unsupported(replica));
      return;
    }
    if (is_errant(replica, primary)) {
      const auto known = notes_.errant.find(server);
      add(problem_t::errant_gtid_detected, server,
          server + " has transactions that the primary never had: " +
              (known != notes_.errant.end() ? known->second
                                            : joined(errant_transactions(replica.gtids, primary.gtids))) +
              "; it stays out until it is seeded again");
      if (is_member(server) || replica.replication || known == notes_.errant.end()) do_next(step_t::expel, {server});
      return;
    }
    if (!replica.is_read_only) return;  // it is fenced first
    if (replica.replicates_from(primary.server) && has_parted(*replica.replication)) {
      add(problem_t::errant_gtid_detected, server,
          server + " isn't a copy of " + primary.server + " any more: " + replica.replication->io_error +
              "; it stays out until it is seeded again");
      return;
    }
    const auto join = is_member(server) || members_.empty() ? step_t::attach : step_t::admit;
    if (!replica.replicates_from(primary.server)) {
      add(replica.replication ? problem_t::connected_to_wrong_primary : problem_t::not_connected_to_primary, server,
          server + (replica.replication ? " replicates from " + replica.replication->source : " doesn't replicate"));
      do_next(join, {server});
      return;
    }
    const auto& replication = *replica.replication;
    if (!replication.is_applying || (!replication.is_connected && !replication.is_connecting)) {
      add(problem_t::replication_stopped, server,
          server + " stopped replicating" + detail_of(replication.io_error) + detail_of(replication.sql_error));
      do_next(step_t::start_replication, {server});
    } else if (is_shut_out(replication) || (!is_member(server) && (replication.is_connecting || !members_.empty()))) {
      if (replication.is_connecting)
        add(problem_t::not_connected_to_primary, server, server + " isn't connected" + detail_of(replication.io_error));
      do_next(join, {server});
    } else if (replication.is_connected && !replica.is_acknowledging) {
      add(problem_t::replica_semi_sync_must_be_set, server, server + " doesn't acknowledge");
      do_next(step_t::set_acknowledging, {server});
    }
    if (is_member(server) && !notes_.trusts(replica)) {
      add(problem_t::replica_restarted, server, server + " was restarted and is receiving again");
      // A run is known by its second: nothing younger may be confused with the next one.
      if (acknowledges(replica, primary) && replica.uptime_s >= 1) do_next(step_t::trust, {server});
    }
  }
  /// It asked the primary for what follows on a transaction that the primary never had. The numbers can't tell: the
  /// primary has written higher ones since (rule 6).
  static bool has_parted(const replication_state& replication) {
    return !replication.is_connected && (replication.io_error.find("is missing the GTID") != std::string::npos ||
                                         replication.io_error.find("the slave has diverged") != std::string::npos);
  }
  /// Its account is locked, or has another password.
  static bool is_shut_out(const replication_state& replication) {
    return replication.is_connecting && (replication.io_error.find("locked") != std::string::npos ||
                                         replication.io_error.find("denied") != std::string::npos);
  }
  static std::string detail_of(const std::string& what) { return what.empty() ? "" : ": " + what; }

  // -- who acknowledges ----------------------------------------------------------------------------------------------

  std::chrono::steady_clock::duration silence_of(const server_address& server, bool is_silent) {
    if (!is_silent) {
      silent_.erase(server);
      return {};
    }
    return now_ - silent_.try_emplace(server, now_).first->second;
  }

  void with_members(const server_observation& primary) {
    std::erase_if(silent_, [&](const auto& each) { return !is_member(each.first); });
    std::vector<server_address> leaving;
    std::size_t heard = 0;
    for (const auto& server : members_) heard += acknowledges(*of(server), primary) ? 1 : 0;
    const auto patience = heard == 0 ? policy_.blocked_after : policy_.leave_after;
    for (const auto& server : members_) {
      const auto is_silent = !acknowledges(*of(server), primary);
      if (silence_of(server, is_silent) >= patience && is_silent) leaving.push_back(server);
    }
    if (heard == 0)
      add(problem_t::primary_semi_sync_blocked, primary.server,
          "commits on " + primary.server + " wait: nobody acknowledges (" + joined(members_) + ")");
    if (leaving.empty()) return;
    if (heard == 0 && (leaving.size() < members_.size() || policy_.ackers_min > 0)) return;
    do_next(step_t::leave, leaving);
  }

  void without_members(const server_observation& primary) {
    std::erase_if(silent_, [](const auto& each) { return !each.first.empty(); });
    std::vector<server_address> connected;
    auto is_near = false, is_anyone_there = false;
    for (const auto& one : seen_) {
      if (one.server == primary.server || is_errant(one, primary)) continue;
      is_anyone_there = is_anyone_there || one.is_reachable;
      if (!acknowledges(one, primary)) continue;
      add(problem_t::replica_not_in_sync, one.server, one.server + " is catching up");
      connected.push_back(one.server);
      is_near = is_near || one.received().behind(primary.gtids.binlog_pos) <= policy_.form_within;
    }
    if (is_near) {
      silent_.erase("");
      do_next(step_t::form_in_sync, connected);
      return;
    }
    const auto silence = silence_of("", true);
    if (!primary.is_semi_sync_primary) {
      if (seen_.size() > 1)
        add(problem_t::primary_without_acker, primary.server, "only " + primary.server + " has what it commits");
    } else {
      add(problem_t::primary_semi_sync_blocked, primary.server, "commits on " + primary.server + " wait for a replica");
      if (policy_.ackers_min == 0 && (!is_anyone_there || silence >= policy_.blocked_after))
        do_next(step_t::go_alone, {primary.server});
    }
  }

  const shard_record& record_;
  const shard_notes& notes_;
  const std::vector<server_observation>& seen_;
  const analysis_policy& policy_;
  const steady_time now_;
  silences& silent_;
  const std::vector<server_address> members_;
  shard_assessment out_;
};

}  // namespace

std::string_view to_string(problem_t problem) {
  switch (problem) {
    case problem_t::none:
      return "NoProblem";
    case problem_t::unsupported_server:
      return "UnsupportedServer";
    case problem_t::no_such_primary:
      return "ClusterHasNoPrimary";
    case problem_t::unreachable_primary:
      return "UnreachablePrimary";
    case problem_t::dead_primary:
      return "DeadPrimary";
    case problem_t::dead_primary_and_some_replicas:
      return "DeadPrimaryAndSomeReplicas";
    case problem_t::dead_primary_and_replicas:
      return "DeadPrimaryAndReplicas";
    case problem_t::dead_primary_without_in_sync:
      return "DeadPrimaryWithoutInSync";
    case problem_t::primary_has_primary:
      return "PrimaryHasPrimary";
    case problem_t::primary_is_read_only:
      return "PrimaryIsReadOnly";
    case problem_t::primary_lost_writes:
      return "PrimaryLostWrites";
    case problem_t::primary_semi_sync_must_be_set:
      return "PrimarySemiSyncMustBeSet";
    case problem_t::primary_semi_sync_blocked:
      return "PrimarySemiSyncBlocked";
    case problem_t::primary_without_acker:
      return "PrimaryWithoutAcker";
    case problem_t::replica_is_writable:
      return "ReplicaIsWritable";
    case problem_t::errant_gtid_detected:
      return "ErrantGTIDDetected";
    case problem_t::not_connected_to_primary:
      return "NotConnectedToPrimary";
    case problem_t::connected_to_wrong_primary:
      return "ConnectedToWrongPrimary";
    case problem_t::replication_stopped:
      return "ReplicationStopped";
    case problem_t::replica_semi_sync_must_be_set:
      return "ReplicaSemiSyncMustBeSet";
    case problem_t::replica_not_in_sync:
      return "ReplicaNotInSync";
    case problem_t::replica_restarted:
      return "ReplicaRestarted";
    case problem_t::unreachable_replica:
      return "UnreachableReplica";
  }
  THRONG_ASSERT(false);
}

std::string_view to_string(step_t step) {
  switch (step) {
    case step_t::emergency_reparent:
      return "EmergencyReparentShard";
    case step_t::reset_primary:
      return "ResetPrimary";
    case step_t::open_primary:
      return "OpenPrimary";
    case step_t::set_semi_sync:
      return "SetSemiSync";
    case step_t::fence:
      return "Fence";
    case step_t::listen_again:
      return "ListenAgain";
    case step_t::expel:
      return "Expel";
    case step_t::leave:
      return "LeaveInSync";
    case step_t::go_alone:
      return "GoAlone";
    case step_t::start_replication:
      return "StartReplication";
    case step_t::attach:
      return "Attach";
    case step_t::admit:
      return "Admit";
    case step_t::set_acknowledging:
      return "SetAcknowledging";
    case step_t::form_in_sync:
      return "FormInSync";
    case step_t::trust:
      return "Trust";
  }
  THRONG_ASSERT(false);
}

std::vector<server_address> members_of(const shard_record& record) {
  auto members = record.in_sync;
  std::erase(members, record.primary);
  return members;
}

shard_assessment assess(const shard_record& record, const shard_notes& notes,
                        const std::vector<server_observation>& seen, const analysis_policy& policy, steady_time now,
                        silences& silent) {
  return analysis(record, notes, seen, policy, now, silent).run();
}

}  // namespace throng::failover
