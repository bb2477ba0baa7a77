// SPDX-License-Identifier: Apache-2.0
#include "storage/reshard/reshard_databases.hpp"

#include <thread>

#include "storage/mysql/mysql_schema.hpp"
#include "storage/reshard/reshard_sql.hpp"

namespace throng {

namespace {

using std::chrono::milliseconds;
using clock = std::chrono::steady_clock;

/// DDL that may have to wait for writers.
void run_patiently(const reshard_context& context, mysql::connection& db, std::string_view sql,
                   clock::time_point deadline) {
  for (;;) {
    try {
      db.run(sql);
      return;
    } catch (const mysql::failure& why) {
      if (!why.is_conflict_of_locks() || clock::now() >= deadline || context.is_ending()) throw;
    }
    std::this_thread::sleep_for(milliseconds(50));  // those who waited behind us go first
  }
}

/// A second at most for a table's metadata lock: as long as we wait for it, nobody else gets it.
void wait_shortly(mysql::connection& db) { db.run("SET SESSION lock_wait_timeout=1"); }

constexpr int er_trigger_missing = 1360;

/// Only in a shard that is being filled, so never in one that serves. One statement: whatever happens to this process,
/// a pause of an hour too, nothing comes between the look and the deed.
void run_where_unused(mysql::connection& db, const std::string& sql) {
  db.run("BEGIN NOT ATOMIC IF EXISTS(SELECT 1 FROM shard_guard WHERE id=0 AND state=2) THEN " + sql +
         "; ELSE SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT='the shard serves: its rows are not deleted'; END IF; END");
}

void make_database(const reshard_context& context, const key_range& shard) {
  auto without = context;
  without.admin.database.clear();
  auto db = connect_primary(without, shard);
  std::string name;
  for (const char c : context.admin.database) name += c == '`' ? std::string("``") : std::string(1, c);
  db->run("CREATE DATABASE IF NOT EXISTS `" + name + "` CHARACTER SET binary");
}

}  // namespace

result<> prepare_target(const reshard_context& context, const key_range& shard) {
  make_database(context, shard);
  auto db = connect_primary(context, shard);
  const auto name = to_text(shard);
  const auto server = [&] { return "the server of target " + name; };
  if (auto migrated = mysql::migrate(*db, mysql::migrations()); !migrated) return migrated.failure();
  const auto owner = db->words("SELECT shard FROM shard_guard WHERE id=0");
  if (!owner.empty() && owner != name) return error{errc::conflict, server() + " holds shard " + owner};
  for (const auto& table : mysql::sharded_tables())
    if (db->query("SELECT 1 FROM " + std::string(table.name) + " LIMIT 1").next())
      return error{errc::conflict, server() + " has rows in " + std::string(table.name) + ": it must be empty"};
  db->run("INSERT INTO shard_guard(id, shard, generation, state) VALUES(0," + db->quoted(name) +
          ",1,2) ON DUPLICATE KEY UPDATE shard=VALUES(shard), state=2");
  return done;
}

void install_journal(const reshard_context& context, const key_range& shard, milliseconds at_most) {
  const auto deadline = clock::now() + at_most;
  auto db = connect_primary(context, shard);
  wait_shortly(*db);
  for (const auto sql : reshard_sql::own_tables()) db->run(sql);
  take_over(*db, context.runner);
  for (const auto& table : mysql::sharded_tables())
    for (const auto& sql : reshard_sql::journal_triggers(table)) run_patiently(context, *db, sql, deadline);
}

void remove_journal(const reshard_context& context, const key_range& shard, milliseconds at_most) {
  const auto deadline = clock::now() + at_most;
  auto db = connect_primary(context, shard);
  wait_shortly(*db);
  // The tables last: a trigger without its journal would fail the writers.
  for (const auto& table : mysql::sharded_tables())
    for (const auto& sql : reshard_sql::drop_journal_triggers(table)) run_patiently(context, *db, sql, deadline);
  for (const auto sql : reshard_sql::drop_own_tables()) run_patiently(context, *db, sql, deadline);
}

void empty_shard(const reshard_context& context, const key_range& shard) {
  auto db = connect_primary(context, shard);
  // The guard row stays, as nobody's: a node that has slept through all this must not take the shard for a new one. So
  // do the marks of writers, for one that still wants to know what became of its last batch; and where that was posts
  // without a mark, the guard row says, before they go, that they are to be looked for elsewhere.
  run_where_unused(*db, "UPDATE shard_guard SET shard='', generation=generation+1");
  for (const auto& table : mysql::sharded_tables()) run_where_unused(*db, "TRUNCATE TABLE " + std::string(table.name));
}

void check_journal(const reshard_context& context, const key_range& shard) {
  auto db = connect_primary(context, shard);
  const auto there = db->number(
      "SELECT COUNT(*) FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA=DATABASE() AND TRIGGER_NAME LIKE"
      " 'reshard\\_%' AND ACTION_STATEMENT LIKE '%reshard_journal%'");
  std::size_t wanted = 0;
  for (const auto& table : mysql::sharded_tables()) wanted += reshard_sql::journal_triggers(table).size();
  if (there < wanted)
    throw mysql::failure(er_trigger_missing, "shard " + db->shard() + " has " + std::to_string(there) + " of " +
                                                 std::to_string(wanted) +
                                                 " journal triggers: changes may be missing, cancel and start again");
}

void clear_target(const reshard_context& context, const key_range& shard, milliseconds at_most) {
  {
    auto db = connect_primary(context, shard);
    const auto is_ours = db->number(
        "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema=DATABASE() AND table_name='reshard_owner'");
    if (is_ours == 0) return;
  }
  empty_shard(context, shard);
  remove_journal(context, shard, at_most);
}

}  // namespace throng
