// SPDX-License-Identifier: Apache-2.0
#include "storage/failover/shard_steps.hpp"

#include <algorithm>
#include <utility>

#include "config/log.hpp"
#include "storage/failover/succession.hpp"
#include "storage/model/assert.hpp"

namespace throng::failover {

namespace {

using servers = std::vector<server_address>;

bool is_one_of(const server_address& server, const servers& all) { return std::ranges::find(all, server) != all.end(); }

std::string joined(const servers& all) {
  std::string out;
  for (const auto& one : all) out += (out.empty() ? "" : ", ") + one;
  return out;
}

server_session& primary_of(shard_round& round) { return round.on(round.record().primary); }

std::uint32_t id_of(server_session& session) {
  return static_cast<std::uint32_t>(session.connection().number("SELECT @@global.server_id"));
}

void remove_from_in_sync(shard_record& record, const servers& leaving) {
  std::erase_if(record.in_sync, [&](const auto& one) { return is_one_of(one, leaving); });
}

std::string alone(const server_address& primary) {
  return "no replica acknowledges, so writes are on " + primary + " alone";
}

/// Rule 2: shut them out, then let the others receive what was acknowledged until then, then write it down.
void remove_members(shard_round& round, const servers& leaving, const std::string& why) {
  auto& primary = primary_of(round);
  const auto& primary_name = round.record().primary;
  servers staying = members_of(round.record());
  std::erase_if(staying, [&](const auto& one) { return is_one_of(one, leaving); });
  const auto goes_alone = staying.empty() && round.how.policy.ackers_min == 0;
  std::vector<std::uint32_t> ids;
  for (const auto& one : staying) ids.push_back(id_of(round.on(one)));
  round.confirm();
  primary.close_gates_except(ids);
  if (!staying.empty()) {
    const auto acknowledged = primary.binlog_position();
    const auto has_it = std::ranges::any_of(staying, [&](const auto& one) {
      return round.on(one).wait_until_received(acknowledged, round.how.catch_up_patience);
    });
    if (!has_it) throw step_failed("none of " + joined(staying) + " has received what is committed");
  }
  round.raise_term(why + (goes_alone ? "; " + alone(primary_name) : ""),
                   [&](shard_record& record) { remove_from_in_sync(record, leaving); });
  if (goes_alone) primary.wait_for_acknowledgements(false);
  log::warn("shard {} goes on without {}: {}{}", round.record().name(), joined(leaving), why,
            goes_alone ? "; " + alone(primary_name) : "");
}

void leave(shard_round& round, const servers& leaving) {
  remove_members(round, leaving, joined(leaving) + " doesn't acknowledge");
}

void go_alone(shard_round& round) {
  auto& primary = primary_of(round);
  round.confirm();
  if (!members_of(round.record()).empty()) return;
  round.raise_term(alone(round.record().primary));
  primary.wait_for_acknowledgements(false);
  log::warn("shard {}: {}", round.record().name(), alone(round.record().primary));
}

/// Points a replica at the primary. What it had received and not applied is gone: so a member isn't trusted until it
/// has received everything again (rule 3).
void connect_replica(server_session& replica, server_session& primary) {
  const auto id = id_of(replica);
  if (id == id_of(primary))
    throw step_failed(replica.server() + " and " + primary.server() + " have the same server_id");
  primary.open_gate(id);
  replica.replicate_from(primary.server(), id);
}

bool is_kept_out(shard_round& round, server_session& replica, server_session& primary) {
  const auto errant = check_errant(round, replica, primary);
  if (!errant.empty())
    log::error("shard {} keeps {} out: its transactions {} are on no other server; seed it again",
               round.record().name(), replica.server(), errant);
  return !errant.empty();
}

void attach(shard_round& round, const server_address& server) {
  auto& primary = primary_of(round);
  auto& replica = round.on(server);
  round.confirm();
  if (is_kept_out(round, replica, primary)) return;
  const auto seen = replica.look();
  if (seen.replicates_from(primary.server()) && seen.replication->is_connecting && seen.replication->is_applying) {
    primary.open_gate(seen.gtids.server_id);  // that may be all; nothing that it received is lost
    replica.acknowledge();
    return;
  }
  round.note([&](shard_notes& notes) { notes.trusted_runs.erase(server); });
  connect_replica(replica, primary);
}

/// The run that `server` is in now is trusted, unless it is so young that the next one could begin in the same second,
/// by which runs are known: then step_t::trust does it later.
void note_trusted(shard_round& round, const server_address& server) {
  const auto seen = round.on(server).look();
  round.note([&](shard_notes& notes) {
    if (seen.uptime_s >= 1)
      notes.trusted_runs[server] = seen.start_s;
    else
      notes.trusted_runs.erase(server);
  });
}

void admit(shard_round& round, const server_address& server) {
  auto& primary = primary_of(round);
  auto& replica = round.on(server);
  round.confirm();
  if (is_kept_out(round, replica, primary)) return;
  // From now on this run keeps whatever it acknowledges; so far it can't have acknowledged anything.
  note_trusted(round, server);
  round.raise_term(server + " joins", [&](shard_record& record) { record.in_sync.push_back(server); });
  connect_replica(replica, primary);
  log::info("shard {} lets {} acknowledge writes", round.record().name(), server);
}

void form_in_sync(shard_round& round, const servers& joining) {
  auto& primary = primary_of(round);
  servers there;
  std::vector<std::uint32_t> ids;
  for (const auto& one : joining) {
    ids.push_back(id_of(round.on(one)));
    there.push_back(one);
  }
  round.confirm();
  if (!members_of(round.record()).empty()) return;
  const auto waited_before = primary.look().is_semi_sync_primary;
  primary.flush_each_commit();  // it may have been open before anyone supervised it
  primary.wait_for_acknowledgements(true);
  primary.close_gates_except(ids);
  const auto committed = primary.binlog_position();
  const auto has_it = std::ranges::any_of(there, [&](const auto& one) {
    return round.on(one).wait_until_received(committed, round.how.catch_up_patience) &&
           round.on(one).look().is_acknowledging;
  });
  if (!has_it) {
    // Nobody has joined: as it was. The primary alone has everything, and the record says so.
    if (!waited_before && round.how.policy.ackers_min == 0) primary.wait_for_acknowledgements(false);
    throw step_failed("none of " + joined(there) + " has caught up with " + primary.server());
  }
  for (const auto& one : there) note_trusted(round, one);
  round.raise_term(joined(there) + " caught up", [&](shard_record& record) {
    record.in_sync = {record.primary};
    record.in_sync.insert(record.in_sync.end(), there.begin(), there.end());
  });
  log::info("shard {}: {} has caught up, and every write waits for a replica", round.record().name(), joined(there));
}

void trust(shard_round& round, const server_address& server) {
  auto& replica = round.on(server);
  const auto committed = primary_of(round).binlog_position();
  if (!replica.wait_until_received(committed, round.how.catch_up_patience))
    throw step_failed(server + " hasn't received everything yet");
  note_trusted(round, server);  // this connection's run
}

void start_replication(shard_round& round, const server_address& server) {
  auto& replica = round.on(server);
  round.confirm();
  const auto seen = replica.look();
  if (!seen.replication) return;
  const auto receives = seen.replication->is_connected || seen.replication->is_connecting;
  if (!receives && !seen.replication->is_applying)  // MariaDB throws away what was received
    round.note([&](shard_notes& notes) { notes.trusted_runs.erase(server); });
  replica.start_replication();
}

void expel(shard_round& round, const server_address& server) {
  auto& primary = primary_of(round);
  auto& replica = round.on(server);
  round.confirm();
  if (!is_kept_out(round, replica, primary)) return;
  if (is_one_of(server, members_of(round.record())))
    remove_members(round, {server}, server + " has errant transactions " + round.notes().errant.at(server));
  if (replica.look().replication) replica.forget_source();
}

/// Whether some server may have received what the primary cut off the end of its log. Throws if the primary may not be
/// opened: rule 6, again, under the locks.
bool may_have_more(shard_round& round, const server_observation& primary) {
  bool may = false;
  for (const auto& one : round.record().servers) {
    if (one == primary.server) continue;
    const auto is_member = is_one_of(one, round.record().in_sync);
    try {
      const auto seen = round.on(one).look();
      if (primary.gtids.binlog_pos.covers(seen.received())) continue;
      const auto is_errant = round.notes().errant.contains(one) || !foreign_transactions(seen, primary).empty();
      if (is_member && !(is_errant && vouches(primary))) throw step_failed(one + " has more than " + primary.server);
    } catch (const server_away&) {
      if (is_member && !vouches(primary)) throw;  // one that vouches has in its own log what was acknowledged
    }
    may = true;
  }
  return may;
}

void open_primary(shard_round& round) {
  auto& primary = primary_of(round);
  const auto leaves_numbers_out = may_have_more(round, primary.look());
  round.confirm();
  round.raise_term(primary.server() + " takes writes");
  if (leaves_numbers_out) primary.leave_numbers_out();
  make_primary(round, primary);
  primary.open_for_writes();
  log::info("shard {}: primary {} takes writes", round.record().name(), primary.server());
}

void fence(shard_round& round, const server_address& server) {
  auto& session = round.on(server);
  round.confirm();
  session.close_for_writes(std::chrono::milliseconds(50));
  log::warn("shard {}: {} took writes without being the primary; it is read-only now", round.record().name(), server);
}

void listen_again(shard_round& round) {
  auto& primary = primary_of(round);
  round.confirm();
  if (!primary.stands_still(std::chrono::milliseconds(500))) return;  // a replica that has just come back was heard
  primary.listen_again();
  log::warn("shard {}: {} heard no acknowledgement; who waited for one has been refused", round.record().name(),
            primary.server());
}

void reset_primary(shard_round& round) {
  auto& primary = primary_of(round);
  round.confirm();
  const auto seen = primary.look();
  if (!seen.replication) return;
  if (!primary.wait_until_applied(seen.received(), round.how.catch_up_patience))
    throw step_failed(primary.server() + " is the primary and has not applied what it received");
  primary.forget_source();
}

}  // namespace

std::string check_errant(shard_round& round, server_session& replica, server_session& primary) {
  const auto theirs = replica.look().gtids;
  const auto ours = primary.look().gtids;  // after it
  std::string text;
  for (const auto& one : errant_transactions(theirs, ours)) text += (text.empty() ? "" : ",") + to_text(one);
  round.note([&](shard_notes& notes) {
    if (text.empty())
      notes.errant.erase(replica.server());
    else
      notes.errant[replica.server()] = text;
  });
  return text;
}

void make_primary(shard_round& round, server_session& primary) {
  const auto members = members_of(round.record());
  primary.flush_each_commit();
  if (members.empty()) {
    primary.wait_for_acknowledgements(round.how.policy.ackers_min > 0);
    return;
  }
  primary.wait_for_acknowledgements(true);
  std::vector<std::uint32_t> ids;
  for (const auto& one : members) {
    try {
      ids.push_back(id_of(round.on(one)));
    } catch (const server_away&) {
      // It is down: its gate may close, for it is attached or admitted again when it is back.
    }
  }
  primary.close_gates_except(ids);
  for (const auto id : ids) primary.open_gate(id);
}

void do_step(shard_round& round, const next_step& step) {
  switch (step.what) {
    case step_t::emergency_reparent:
      break;
    case step_t::reset_primary:
      return reset_primary(round);
    case step_t::open_primary:
      return open_primary(round);
    case step_t::set_semi_sync: {
      auto& primary = primary_of(round);
      round.confirm();
      return make_primary(round, primary);
    }
    case step_t::fence:
      return fence(round, step.servers.at(0));
    case step_t::listen_again:
      return listen_again(round);
    case step_t::expel:
      return expel(round, step.servers.at(0));
    case step_t::leave:
      return leave(round, step.servers);
    case step_t::go_alone:
      return go_alone(round);
    case step_t::start_replication:
      return start_replication(round, step.servers.at(0));
    case step_t::attach:
      return attach(round, step.servers.at(0));
    case step_t::admit:
      return admit(round, step.servers.at(0));
    case step_t::set_acknowledging: {
      auto& replica = round.on(step.servers.at(0));
      round.confirm();
      return replica.acknowledge();
    }
    case step_t::form_in_sync:
      return form_in_sync(round, step.servers);
    case step_t::trust:
      return trust(round, step.servers.at(0));
  }
  THRONG_ASSERT(false);
}

}  // namespace throng::failover
