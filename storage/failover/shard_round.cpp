// SPDX-License-Identifier: Apache-2.0
#include "storage/failover/shard_round.hpp"

#include <utility>

namespace throng::failover {

server_session& shard_round::on(const server_address& server) {
  if (const auto known = sessions_.find(server); known != sessions_.end()) return *known->second;
  if (const auto known = away_.find(server); known != away_.end()) throw server_away(known->second);
  try {
    auto fresh = std::make_unique<server_session>(server, how.admin, how.replication);
    fresh->lock(how.lock_patience);
    return *sessions_.emplace(server, std::move(fresh)).first->second;
  } catch (const mysql::failure& why) {
    away_[server] = server + ": " + why.what();
    throw server_away(away_[server]);
  }
}

void shard_round::confirm() const {
  const auto now = topology_.get(shard_key(record_.keyspace, record_.range));
  if (!now) throw step_failed("the topology can't be read: " + now.failure().detail);
  if (!*now || (*now)->version != record_.version) throw step_failed("another supervisor has changed the shard");
}

void shard_round::name_primary(const server_address& primary, const std::string& reason) {
  auto next = record_;
  next.primary = primary;
  next.in_sync = {primary};
  write(std::move(next), reason);
}

void shard_round::write(shard_record next, const std::string& reason) {
  next.reason = how.name + ": " + reason;
  const auto version = topology_.put(shard_key(next.keyspace, next.range), to_json(next), record_.version);
  if (!version)
    throw step_failed(version.code() == errc::conflict ? "another supervisor has changed the shard"
                                                       : "the topology can't be written: " + version.failure().detail);
  next.version = *version;
  record_ = std::move(next);
}

void shard_round::write(shard_notes next) {
  const auto version = topology_.put(notes_key(record_), to_json(next), notes_.version);
  if (!version) throw step_failed("the notes of the shard can't be written: " + version.failure().detail);
  next.version = *version;
  notes_ = std::move(next);
}

result<shard_record> read_record(topology_store& topology, const std::string& key) {
  const auto entry = topology.get(key);
  if (!entry) return entry.failure();
  if (!*entry) return error{errc::not_found, "the topology has no " + key};
  return parse_shard_record(**entry);
}

result<shard_notes> read_notes(topology_store& topology, const shard_record& record) {
  const auto entry = topology.get(notes_key(record));
  if (!entry) return entry.failure();
  if (!*entry) return shard_notes{};
  return parse_shard_notes(**entry);
}

}  // namespace throng::failover
