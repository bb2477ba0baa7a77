// SPDX-License-Identifier: Apache-2.0
#include "storage/failover/reparent.hpp"

#include <algorithm>
#include <future>

#include "config/log.hpp"
#include "storage/failover/shard_steps.hpp"
#include "storage/failover/succession.hpp"

namespace throng::failover {

namespace {

using clock = std::chrono::steady_clock;

class stopwatch {
 public:
  explicit stopwatch(reparent_report& report) : report_(report) {}
  void phase(std::string name) {
    const auto now = clock::now();
    report_.phases.emplace_back(std::move(name), std::chrono::duration_cast<std::chrono::microseconds>(now - last_));
    report_.total = std::chrono::duration_cast<std::chrono::microseconds>(now - begin_);
    last_ = now;
  }

 private:
  reparent_report& report_;
  const clock::time_point begin_ = clock::now();
  clock::time_point last_ = begin_;
};

reparent_report report_of(const server_address& from, bool is_planned) {
  reparent_report report;
  report.from = from;
  report.is_planned = is_planned;
  report.at = std::chrono::time_point_cast<std::chrono::microseconds>(std::chrono::system_clock::now());
  return report;
}

/// Calls `action` with 0 … count-1, each on a thread. Throws what one of them threw, when all have ended.
template <class Action>
void in_parallel(std::size_t count, Action action) {
  std::vector<std::future<void>> all;
  for (std::size_t i = 0; i < count; ++i) all.push_back(std::async(std::launch::async, [&action, i] { action(i); }));
  for (auto& one : all) one.get();
}

/// Takes what a member has received, and makes sure that it never acknowledges the old primary again.
server_observation stop_member(server_session& session, const shard_record& record, const shard_notes& notes,
                               bool is_vouched, bool primary_is_away) {
  const auto& server = session.server();
  auto seen = session.look();
  if (!is_vouched && !notes.trusts(seen)) throw step_failed(server + " was restarted meanwhile");
  if (seen.replication) {
    const auto& replication = *seen.replication;
    if (primary_is_away && replication.is_connected && replication.source == record.primary)
      throw step_failed(server + " still hears " + replication.source);
    // Once both threads are stopped nothing can be applied without losing what was received.
    if (!replication.is_applying && (replication.is_connected || replication.is_connecting)) session.start_applying();
    session.stop_receiving();
    seen = session.look();
    if (!seen.replication->is_applying && !seen.gtids.binlog_pos.covers(seen.received()))
      throw step_failed(server + " can't apply what it received: " + seen.replication->sql_error);
  }
  return seen;
}

std::vector<std::uint32_t> ids_of_others(const std::vector<server_observation>& servers, const server_address& one) {
  std::vector<std::uint32_t> ids;
  for (const auto& each : servers)
    if (each.server != one && each.is_known && each.is_supported) ids.push_back(each.gtids.server_id);
  return ids;
}

/// A server that has applied everything becomes what the next primary must be, but for writes.
void prepare_successor(shard_round& round, server_session& successor, bool has_ackers,
                       const std::vector<server_observation>& servers) {
  successor.forget_source();
  successor.flush_each_commit();
  successor.wait_for_acknowledgements(has_ackers || round.how.policy.ackers_min > 0);
  for (const auto id : ids_of_others(servers, successor.server())) successor.open_gate(id);
}

std::uint32_t id_in(const std::vector<server_observation>& servers, const server_address& server) {
  return std::ranges::find(servers, server, &server_observation::server)->gtids.server_id;
}

std::string timing_of(const reparent_report& report) {
  std::string text;
  for (const auto& [name, time] : report.phases)
    text += (text.empty() ? "" : ", ") + name + " " + std::to_string(time.count() / 1000) + " ms";
  return text;
}

}  // namespace

reparent_report reparent_emergency(shard_round& round, const std::vector<server_observation>& servers) {
  const auto old = round.record().primary;
  const auto succession = find_succession(round.record(), round.notes(), servers);
  if (!succession.objection.empty()) throw step_failed(succession.objection);
  const auto& members = succession.candidates;
  auto report = report_of(old, false);
  stopwatch watch(report);
  const auto old_seen = std::ranges::find(servers, old, &server_observation::server);
  const auto is_away = old_seen == servers.end() || !old_seen->is_reachable;

  round.raise_term("replaces " + old);
  for (const auto& one : members) round.on(one);
  std::optional<server_observation> voucher;  // rule 6: under its lock nobody opens it
  if (succession.is_vouched) voucher = round.on(old).look();
  round.confirm();
  if (voucher && !vouches(*voucher)) throw step_failed(old + " isn't as it was a moment ago");
  watch.phase("claim");

  // At once: stopping takes a second or two where the old primary hangs and a replica is just connecting to it.
  std::vector<server_observation> stopped(members.size());
  in_parallel(members.size(), [&](std::size_t i) {
    stopped[i] = stop_member(round.on(members[i]), round.record(), round.notes(), succession.is_vouched, is_away);
  });
  const auto chosen = choose_successor(stopped);
  if (!chosen) throw step_failed(chosen.failure().detail);
  const auto& winner = *std::ranges::find(stopped, *chosen, &server_observation::server);
  const auto everything = winner.received();
  if (voucher && (!everything.covers(voucher->gtids.binlog_pos) || !foreign_transactions(winner, *voucher).empty()))
    throw step_failed(*chosen + " has not what " + old + " has");
  watch.phase("stop");

  auto& successor = round.on(*chosen);
  if (!successor.wait_until_applied(everything, round.how.drain_patience)) {
    const auto missing = successor.binlog_position().behind(everything);
    throw step_failed(*chosen + " still has " + std::to_string(missing) + " transactions to apply");
  }
  round.confirm();
  watch.phase("drain");

  // The others first: one that is restarted from here on must not go back to the old primary and acknowledge it.
  prepare_successor(round, successor, members.size() > 1, servers);
  in_parallel(members.size(), [&](std::size_t i) {
    if (members[i] != *chosen) round.on(members[i]).replicate_from(*chosen, stopped[i].gtids.server_id);
  });
  watch.phase("repoint");

  const auto is_left_alone = members.size() == 1 && round.how.policy.ackers_min == 0;
  round.name_primary(*chosen, *chosen + " replaces " + old +
                                  (is_left_alone ? "; no replica acknowledges, so writes are on it alone" : ""));
  watch.phase("publish");
  successor.open_for_writes();
  watch.phase("open");
  report.to = *chosen;
  log::warn("shard {}: {} replaces {} as primary, in term {} ({})", round.record().name(), *chosen, old,
            round.record().term, timing_of(report));
  return report;
}

reparent_report reparent_planned(shard_round& round, const server_address& to,
                                 const std::vector<server_observation>& servers) {
  const auto old = round.record().primary;
  const auto members = members_of(round.record());
  const auto& how = round.how;
  auto report = report_of(old, true);
  report.to = to;
  if (to == old) throw step_failed(to + " is the primary already");
  if (std::ranges::find(members, to) == members.end())
    throw step_failed(to + " isn't in sync, so it may lack acknowledged writes");

  auto& primary = round.on(old);
  auto& successor = round.on(to);
  const auto seen = successor.look();
  if (!seen.replicates_from(old) || !seen.replication->is_connected || !seen.replication->is_applying)
    throw step_failed(to + " doesn't replicate from " + old);
  // Before anything is stopped it must apply what is committed now, within the bound.
  if (!successor.wait_until_applied(primary.binlog_position(), how.reparent_lag_max))
    throw step_failed(to + " is more than " + std::to_string(how.reparent_lag_max.count()) + " s behind " + old);
  if (const auto errant = check_errant(round, successor, primary); !errant.empty())
    throw step_failed(to + " has errant transactions " + errant);
  std::vector<server_address> others;  // that follow, beside the old primary
  for (const auto& one : servers)
    if (one.server != old && one.server != to && one.is_reachable && one.replicates_from(old)) {
      round.on(one.server);
      others.push_back(one.server);
    }
  round.raise_term(to + " is going to replace " + old);
  round.confirm();

  stopwatch watch(report);  // from here on writes wait
  auto has_forgotten = false;
  try {
    primary.close_for_writes(how.write_patience);
    watch.phase("stop writes");
    if (!successor.wait_until_applied(primary.binlog_position(), how.reparent_patience))
      throw step_failed(to + " didn't catch up in " + std::to_string(how.reparent_patience.count()) + " ms");
    watch.phase("catch up");
    has_forgotten = true;
    prepare_successor(round, successor, true, servers);
    watch.phase("prepare");
    round.name_primary(to, to + " replaces " + old + ", as planned");
    watch.phase("publish");
  } catch (const std::exception&) {
    // Undone, if the record is still ours. Whatever can't be undone here the next look at the shard repairs.
    try {
      round.confirm();
      if (has_forgotten) {
        round.note([&](shard_notes& notes) { notes.trusted_runs.erase(to); });
        successor.replicate_from(old, id_in(servers, to));
      }
      primary.open_for_writes();
    } catch (const std::exception& why) {
      log::error("shard {}: a planned reparent could not be undone at once: {}", round.record().name(), why.what());
    }
    throw;
  }
  successor.open_for_writes();
  watch.phase("open");
  try {
    others.push_back(old);
    in_parallel(others.size(),
                [&](std::size_t i) { round.on(others[i]).replicate_from(to, id_in(servers, others[i])); });
  } catch (const std::exception& why) {
    log::warn("shard {}: {}; it is repaired later", round.record().name(), why.what());
  }
  watch.phase("repoint");
  log::info("shard {}: {} replaces {} as primary, as planned ({})", round.record().name(), to, old, timing_of(report));
  return report;
}

}  // namespace throng::failover
