// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <map>
#include <utility>

#include "config/log.hpp"
#include "storage/failover/shard_supervisor.hpp"

namespace throng::failover {

namespace {

struct candidate {
  server_observation seen;
  bool has_data = false;
};

/// Throws step_failed with what keeps a server from being supervised.
candidate examine(const server_address& server, const supervisor_options& how) {
  server_session session(server, how.admin, how.replication);
  candidate one;
  one.seen = session.look();
  if (!one.seen.is_supported)
    throw step_failed(server + " is " + one.seen.version +
                      "; only MariaDB 10.3 and newer are supervised: use vtorc or Orchestrator for MySQL");
  const auto demand = [&](const char* setting, const std::string& wanted) {
    const auto is = session.connection().words("SELECT @@global." + std::string(setting));
    if (is != wanted)
      throw step_failed(server + " has " + setting + "=" + is + "; the supervisor needs " + setting + "=" + wanted);
  };
  demand("log_bin", "1");
  demand("log_slave_updates", "1");
  demand("gtid_strict_mode", "1");
  demand("binlog_format", "ROW");
  host_and_port(server);
  one.has_data = !one.seen.gtids.binlog_pos.empty() || !one.seen.gtids.slave_pos.empty() || session.count_tables() > 0;
  return one;
}

/// Who of them is the primary. Throws step_failed if they don't fit together.
server_address choose_primary(const shard_record& record, const std::map<server_address, candidate>& all) {
  std::map<std::uint32_t, server_address> ids;
  for (const auto& [server, one] : all)
    if (const auto [known, is_new] = ids.emplace(one.seen.gtids.server_id, server); !is_new)
      throw step_failed(server + " and " + known->second + " have the same server_id, " +
                        std::to_string(one.seen.gtids.server_id));
  std::vector<const candidate*> with_data;
  for (const auto& [server, one] : all)
    if (one.has_data) with_data.push_back(&one);
  if (with_data.empty()) return record.primary.empty() ? record.servers.front() : record.primary;

  const auto longest = *std::ranges::max_element(with_data, {}, [&](const candidate* one) {
    // The record's wins a draw.
    return std::pair(one->seen.gtids.binlog_pos.last_of(0), one->seen.server == record.primary);
  });
  for (const auto* one : with_data) {
    if (one == longest) continue;
    const auto foreign = errant_transactions(one->seen.gtids, longest->seen.gtids);
    if (!foreign.empty() || one->seen.gtids.binlog_pos.empty())
      throw step_failed(one->seen.server + " has data that isn't from " + longest->seen.server +
                        "; empty it, or seed it from there (mariadb-backup)");
  }
  return longest->seen.server;
}

/// While people write: who takes writes is the primary, whatever is remembered. If nobody does, who has most is.
server_address choose_remembered_primary(const shard_record& last, const std::map<server_address, candidate>& all) {
  std::vector<server_address> writable;
  for (const auto& [server, one] : all)
    if (!one.seen.is_read_only) writable.push_back(server);
  if (writable.size() > 1) throw step_failed(writable[0] + " and " + writable[1] + " both take writes");
  return writable.empty() ? choose_primary(last, all) : writable.front();
}

}  // namespace

result<> prepare_shard(topology_store& topology, const std::string& key, const supervisor_options& how) {
  const auto entry = topology.get(key);
  if (!entry) return entry.failure();
  if (!*entry) return error{errc::not_found, "the topology has no " + key};
  auto record = parse_shard_record(**entry);
  if (!record) return record.failure();
  if (record->term > 1) return done;  // it has been supervised: servers may be down, and that is no matter
  try {
    std::map<server_address, candidate> all;
    for (const auto& server : record->servers) all.emplace(server, examine(server, how));
    const auto primary = choose_primary(*record, all);
    if (record->primary == primary && record->in_sync == std::vector{primary}) return done;
    auto next = *record;
    ++next.term;
    next.primary = primary;
    next.in_sync = {primary};  // the others join when they have caught up
    next.reason = how.name + ": " + primary + " is the first primary";
    const auto version = topology.put(key, to_json(next), record->version);
    if (!version && version.code() != errc::conflict) return version.failure();
    if (!version) return prepare_shard(topology, key, how);  // another node was faster
    log::info("shard {}: {} is the first primary", record->name(), primary);
    return done;
  } catch (const mysql::failure& why) {
    return error{errc::service_unavailable, "shard " + record->name() + ": " + why.what()};
  } catch (const step_failed& why) {
    return error{errc::invalid_arguments, "shard " + record->name() + ": " + why.what()};
  }
}

result<> restore_shard(topology_store& topology, const shard_record& last, const supervisor_options& how) {
  // A reshard erases records too, of shards that don't serve any more; a topology that was emptied doesn't know who
  // serves, or has been told already, and misses this one.
  const auto serving = topology.get(serving_key(last.keyspace));
  if (!serving) return serving.failure();
  if (*serving) {
    const auto ranges = parse_serving(**serving);
    if (!ranges) return ranges.failure();
    if (std::ranges::find(*ranges, last.range) == ranges->end()) return done;
  }
  try {
    std::map<server_address, candidate> all;
    for (const auto& server : last.servers) all.emplace(server, examine(server, how));
    auto next = last;
    next.primary = choose_remembered_primary(last, all);
    ++next.term;
    // Who is in sync may have changed behind our back; the primary alone has everything for sure.
    next.in_sync = {next.primary};
    next.reason = how.name + ": the topology had forgotten the shard";
    const auto version = topology.put(shard_key(last.keyspace, last.range), to_json(next), 0);
    if (!version && version.code() != errc::conflict) return version.failure();
    if (version)
      log::warn("shard {} was gone from the topology, and is there again: {} is its primary, in term {}", last.name(),
                next.primary, next.term);
    return done;  // else another node was faster
  } catch (const mysql::failure& why) {
    return error{errc::service_unavailable, "shard " + last.name() + ": " + why.what()};
  } catch (const step_failed& why) {
    return error{errc::invalid_arguments, "shard " + last.name() + ": " + why.what()};
  }
}

}  // namespace throng::failover
