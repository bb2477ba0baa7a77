// SPDX-License-Identifier: Apache-2.0
#include "storage/mysql/mysql_prepare.hpp"

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "storage/mysql/batch_sql.hpp"
#include "storage/mysql/mysql_schema.hpp"
#include "storage/store.hpp"

namespace throng::mysql {

namespace {

// A row, and around it what its statement and its event in the binary log need.
constexpr std::uint64_t packet_bytes_min = row_bytes_max + (1u << 20);

constexpr std::chrono::hours writers_kept{24 * 7};  // far longer than an outcome stays unknown

std::unique_ptr<connection> connect(const server_address& primary, const key_range& range,
                                    const connect_options& options) {
  try {
    return std::make_unique<connection>(primary, options, to_text(range));
  } catch (const failure& why) {
    if (!why.is_unknown_database()) throw;
  }
  auto without = options;
  without.database.clear();
  connection server(primary, without, to_text(range));
  std::string quoted = "`";
  for (auto letter : options.database) quoted.append(letter == '`' ? 2 : 1, letter);
  server.run("CREATE DATABASE IF NOT EXISTS " + quoted + "` CHARACTER SET binary");
  return std::make_unique<connection>(primary, options, to_text(range));
}

result<> check_server(connection& db) {
  if (db.number("SELECT @@global.read_only") != 0)
    return error{errc::service_unavailable, "it is read-only, so it isn't the primary"};
  if (auto bytes = db.number("SELECT @@global.max_allowed_packet"); bytes < packet_bytes_min)
    return error{errc::fatal_error, "its max_allowed_packet is " + std::to_string(bytes) + " bytes, and rows need " +
                                        std::to_string(packet_bytes_min)};
  return done;
}

/// Looks before it writes: other nodes open the shard too, and some of them write already.
result<> check_shard(connection& db, const std::string& name) {
  constexpr std::string_view query = "SELECT shard FROM shard_guard WHERE id = 0";
  auto found = db.words(query);
  if (found.empty()) {
    db.run("INSERT IGNORE INTO shard_guard(id, shard, generation, state) VALUES(0, " + literal(name) + ", 1, 0)");
    found = db.words(query);
  }
  if (found == name) return done;
  return error{errc::fatal_error, "it holds the shard " + found};
}

/// By id, because a range would lock what others are writing.
void forget_old_writers(connection& db) {
  auto before = std::chrono::system_clock::now().time_since_epoch() - writers_kept;
  auto micros = std::to_string(std::chrono::duration_cast<std::chrono::microseconds>(before).count());
  std::vector<std::uint64_t> old;
  auto found = db.query("SELECT id FROM writers WHERE at < " + micros + " LIMIT " + std::to_string(listed_keys_max));
  while (found.next()) old.push_back(found.unsigned_number());
  if (!old.empty()) db.run("DELETE FROM writers WHERE id IN (" + literals<std::uint64_t>(old) + ") AND at < " + micros);
}

result<> prepare_once(const server_address& primary, const key_range& range, const connect_options& options) {
  auto db = connect(primary, range, options);
  if (auto fit = check_server(*db); !fit) return fit;
  if (auto current = migrate(*db, migrations()); !current) return current;
  if (auto ours = check_shard(*db, to_text(range)); !ours) return ours;
  forget_old_writers(*db);
  return done;
}

result<> prepare(const server_address& primary, const key_range& range, const connect_options& options) {
  constexpr int tries_max = 10;  // deadlocks with others who do the same
  for (int tries = 1;; ++tries) {
    try {
      return prepare_once(primary, range, options);
    } catch (const failure& why) {
      if (!why.is_conflict_of_locks() || tries == tries_max) return why.to_error();
    }
  }
}

}  // namespace

result<> prepare_database(const server_address& primary, const key_range& range, const connect_options& options) {
  auto ready = prepare(primary, range, options);
  if (ready) return ready;
  return error{ready.code(), "the database " + options.database + " on " + primary + ", for the shard " +
                                 to_text(range) + ", can't be opened: " + ready.failure().detail};
}

}  // namespace throng::mysql
