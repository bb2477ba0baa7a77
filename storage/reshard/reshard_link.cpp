// SPDX-License-Identifier: Apache-2.0
#include "storage/reshard/reshard_link.hpp"

#include <thread>

#include "storage/mysql/open_transaction.hpp"

namespace throng {

namespace {

using std::chrono::milliseconds;

constexpr int er_option_prevents_statement = 1290;  // what a read-only server says
constexpr int er_bad_db = 1049;
constexpr int cr_connection_error = 2002;

std::string update_guard(std::uint64_t runner, guard_state state, std::uint64_t generation) {
  return "UPDATE shard_guard g, reshard_owner o SET g.generation=GREATEST(g.generation+1," +
         std::to_string(generation) + "), g.state=" + std::to_string(static_cast<int>(state)) +
         " WHERE g.id=0 AND o.id=1 AND o.runner=" + std::to_string(runner);
}

/// Writers that hold locks and do nothing: their process is paused or cut off. Ending them is safe: a store that loses
/// its connection finds out what became of its batch. Not so one that waits for a replica: it may wait for others too,
/// whom the server would answer then.
void end_stuck_writers(mysql::connection& db) {
  auto stuck = db.query(
      "SELECT t.trx_mysql_thread_id FROM information_schema.innodb_trx t JOIN information_schema.processlist p"
      " ON p.id=t.trx_mysql_thread_id WHERE p.command='Sleep' AND t.trx_lock_structs>0"
      " AND t.trx_started<=NOW()-INTERVAL 1 SECOND");
  while (stuck.next()) {
    try {
      db.run("KILL CONNECTION " + std::to_string(stuck.unsigned_number()));
    } catch (const mysql::failure& why) {
      if (why.is_connection_lost()) throw;  // else it is gone by itself
    }
  }
}

}  // namespace

std::unique_ptr<mysql::connection> connect_primary(const reshard_context& context, const key_range& shard) {
  const auto map = context.shards.current();
  const auto* record = map->find(shard);
  if (!record) throw mysql::failure(er_bad_db, "the topology knows no shard " + to_text(shard));
  if (record->primary.empty())
    throw mysql::failure(cr_connection_error, "shard " + to_text(shard) + " has no primary now");
  auto db = std::make_unique<mysql::connection>(record->primary, context.admin, record->name());
  if (db->number("SELECT @@global.read_only") != 0)
    throw mysql::failure(er_option_prevents_statement, record->primary + " is read-only");
  db->run("SET @throng_feeder=1");
  return db;
}

guard_row read_guard(mysql::connection& db) {
  auto found = db.query("SELECT shard, generation, state FROM shard_guard WHERE id=0");
  if (!found.next()) throw mysql::failure(er_bad_db, "shard " + db.shard() + " has no guard row");
  guard_row row;
  row.shard = found.bytes();
  row.generation = found.unsigned_number();
  row.state = static_cast<guard_state>(found.number());
  return row;
}

void set_guard(mysql::connection& db, std::uint64_t runner, guard_state state, std::uint64_t generation) {
  if (db.run(update_guard(runner, state, generation)) == 0) throw superseded();
}

std::chrono::steady_clock::time_point freeze(mysql::connection& db, std::uint64_t runner, milliseconds attempt,
                                             milliseconds at_most) {
  using clock = std::chrono::steady_clock;
  const auto limited =
      "SET STATEMENT max_statement_time=" + std::to_string(static_cast<double>(attempt.count()) / 1000) + " FOR " +
      update_guard(runner, guard_state::frozen, 0);
  for (const auto deadline = clock::now() + at_most;;) {
    const auto began = clock::now();
    try {
      mysql::open_transaction freezing(db);  // its COMMIT has no limit: it may wait for a replica, for others too
      if (db.run(limited) == 0) throw superseded();
      freezing.release();
      db.run("COMMIT");
      return began;
    } catch (const mysql::failure& why) {
      if (!(why.is_timeout() || why.is_conflict_of_locks()) || clock::now() >= deadline) throw;
    }
    end_stuck_writers(db);
    std::this_thread::sleep_for(attempt / 2);  // the writers that waited behind us go first
  }
}

void take_over(mysql::connection& db, std::uint64_t runner) {
  db.run("INSERT INTO reshard_owner(id, runner) VALUES(1," + std::to_string(runner) +
         ") ON DUPLICATE KEY UPDATE runner=VALUES(runner)");
}

void begin_filling(mysql::connection& db, std::uint64_t runner) {
  db.run("START TRANSACTION");
  auto found = db.query(
      "SELECT g.state, o.runner, @@global.read_only FROM shard_guard g JOIN reshard_owner o"
      " WHERE g.id=0 AND o.id=1 LOCK IN SHARE MODE");
  if (!found.next()) throw mysql::failure(er_bad_db, "shard " + db.shard() + " has no guard row");
  const auto state = static_cast<guard_state>(found.number());
  const auto owner = found.unsigned_number();
  if (found.flag()) throw mysql::failure(er_option_prevents_statement, "shard " + db.shard() + " is read-only");
  if (owner != runner) throw superseded();
  if (state != guard_state::filling)
    throw mysql::failure(er_option_prevents_statement, "shard " + db.shard() + " isn't being filled");
}

}  // namespace throng
