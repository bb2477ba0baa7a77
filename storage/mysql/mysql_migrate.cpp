// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <chrono>
#include <thread>

#include "storage/model/assert.hpp"
#include "storage/mysql/mysql_schema.hpp"
#include "storage/mysql/mysql_store.hpp"

namespace throng::mysql {

namespace {

// The comment marks the database as ours: a table of this name is common.
constexpr std::string_view version_table =
    "CREATE TABLE IF NOT EXISTS schema_version("
    " version BIGINT NOT NULL PRIMARY KEY, applied DATETIME NOT NULL)"
    " ENGINE=InnoDB DEFAULT CHARSET=binary COMMENT='Throng'";

constexpr auto others_patience = std::chrono::minutes(10);  // guess: longer than anybody's index takes
constexpr int table_lock_tries = 100;
constexpr auto table_lock_pause = std::chrono::milliseconds(200);

/// The right to migrate, given up when it goes; a lost connection gives it up too.
class migration_lock {
 public:
  explicit migration_lock(connection& db) : db_(db) {}
  ~migration_lock() {
    if (!is_held_) return;
    try {
      db_.run("DO RELEASE_LOCK(CONCAT('throng.migrate.', DATABASE()))");
    } catch (const failure&) {  // the connection is lost, and the lock with it
    }
  }
  migration_lock(const migration_lock&) = delete;
  migration_lock& operator=(const migration_lock&) = delete;

  /// A second at a time, for a statement that waits long loses its connection.
  bool take() {
    auto deadline = std::chrono::steady_clock::now() + others_patience;
    while (!is_held_ && std::chrono::steady_clock::now() < deadline)
      is_held_ = db_.number("SELECT COALESCE(GET_LOCK(CONCAT('throng.migrate.', DATABASE()), 1), 0)") == 1;
    return is_held_;
  }

 private:
  connection& db_;
  bool is_held_ = false;
};

std::uint64_t tables_with(connection& db, std::string_view condition) {
  return db.number("SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE()" +
                   std::string(condition));
}

bool is_done_already(const failure& why) {
  constexpr std::array codes{1050, 1060, 1061, 1091};  // table, column, index exists; to be dropped isn't there
  return std::find(codes.begin(), codes.end(), why.code()) != codes.end();
}

/// While DDL waits for a table, everything else that wants the table waits behind it. So it waits for a second only,
/// lets the others go on, and tries again.
void apply(connection& db, std::string_view sql) {
  for (int tries = 1;; ++tries) {
    try {
      db.run(sql);
      return;
    } catch (const failure& why) {
      if (is_done_already(why)) return;
      if (!why.is_conflict_of_locks() || tries == table_lock_tries) throw;
    }
    std::this_thread::sleep_for(table_lock_pause);
  }
}

}  // namespace

result<> migrate(connection& db, std::span<const migration> steps) {
  THRONG_ASSERT(!steps.empty());
  if (db.words("SELECT DATABASE()").empty()) return error{errc::fatal_error, "no database is selected"};
  migration_lock lock(db);
  if (!lock.take()) return error{errc::service_unavailable, "another program is changing its schema"};

  auto is_ours = tables_with(db, " AND table_name = 'schema_version' AND table_comment = 'Throng'") == 1;
  if (!is_ours && tables_with(db, "") != 0)
    return error{errc::fatal_error, "it is a database of another program: it has tables that are not Throng's"};
  db.run("SET SESSION lock_wait_timeout=1");
  if (!is_ours) db.run(version_table);
  auto known = steps.back().version;
  auto current = static_cast<std::int64_t>(db.number("SELECT COALESCE(MAX(version), 0) FROM schema_version"));
  if (current > known)
    return error{errc::fatal_error, "its schema has version " + std::to_string(current) +
                                        ", and this program knows versions up to " + std::to_string(known) +
                                        "; start a newer one"};
  for (const auto& step : steps) {
    if (step.version <= current) continue;
    for (auto sql : step.statements) apply(db, sql);
    db.run("INSERT INTO schema_version VALUES(" + std::to_string(step.version) + ", UTC_TIMESTAMP())");
  }
  return done;
}

}  // namespace throng::mysql

namespace throng {

std::string mysql_schema_sql() {
  std::string text(mysql::version_table);
  text += ";\n";
  for (const auto& step : mysql::migrations())
    for (auto sql : step.statements) text.append(sql).append(";\n");
  return text;
}

}  // namespace throng
