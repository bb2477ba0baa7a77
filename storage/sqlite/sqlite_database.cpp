// SPDX-License-Identifier: Apache-2.0
#include "storage/sqlite/sqlite_database.hpp"

#include <cerrno>
#include <utility>

#include <sqlite3.h>

#include "storage/statement_tap.hpp"

namespace throng::sqlite {

namespace {

/// SQLite doesn't always keep the system's error of a failed COMMIT; then errno still has it.
failure failure_of(sqlite3* db, int code) {
  auto last_errno = errno;
  if (!db) return {code, last_errno, sqlite3_errstr(code)};
  auto kept_errno = sqlite3_system_errno(db);
  return {code, kept_errno != 0 ? kept_errno : last_errno, sqlite3_errmsg(db)};
}

[[noreturn]] void fail(sqlite3* db, int code) { throw failure_of(db, code); }

void check(sqlite3* db, int code) {
  if (code != SQLITE_OK) fail(db, code);
}

void tell_tap(std::string_view sql, std::uint64_t rows, std::chrono::steady_clock::time_point started) {
  statement_tap::instance().record(
      {}, sql, rows, std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - started));
}

}  // namespace

failure::failure(int code, int os_errno, std::string message)
    : code_(code), os_errno_(os_errno), message_(std::move(message)) {}

error failure::to_error() const {
  auto primary = code_ & 0xff;
  bool is_io = primary == SQLITE_IOERR || primary == SQLITE_CANTOPEN;
  // EFBIG: the process's file size limit. To the caller that is a full disk too.
  bool is_full =
      primary == SQLITE_FULL || (is_io && (os_errno_ == ENOSPC || os_errno_ == EDQUOT || os_errno_ == EFBIG));
  return {is_full ? errc::storage_full : errc::service_unavailable,
          message_ + " (SQLite code " + std::to_string(code_) + ")"};
}

bool failure::is_not_a_database() const noexcept { return (code_ & 0xff) == SQLITE_NOTADB; }
bool failure::is_corrupt() const noexcept { return (code_ & 0xff) == SQLITE_CORRUPT; }
bool failure::is_failed_sync() const noexcept { return code_ == SQLITE_IOERR_FSYNC; }

database::database(const std::filesystem::path& file, mode access, int busy_timeout_ms) {
  auto flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE |
               (access == mode::read_write ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY);
  auto code = sqlite3_open_v2(file.c_str(), &handle_, flags, nullptr);
  if (code != SQLITE_OK) {
    auto why = failure_of(handle_, code);
    sqlite3_close_v2(std::exchange(handle_, nullptr));
    throw why;
  }
  sqlite3_busy_timeout(handle_, busy_timeout_ms);
}

database::~database() { sqlite3_close_v2(handle_); }

void database::run(const std::string& sql) {
  const auto started = std::chrono::steady_clock::now();
  check(handle_, sqlite3_exec(handle_, sql.c_str(), nullptr, nullptr, nullptr));
  tell_tap(sql, 0, started);
}

std::int64_t database::number(const std::string& sql) {
  statement one(*this, sql);
  auto found = one.query();
  return found.next() ? found.number() : 0;
}

std::string database::words(const std::string& sql) {
  statement one(*this, sql);
  auto found = one.query();
  return found.next() ? found.bytes() : std::string();
}

transaction::transaction(database& db) : db_(db) { db_.run("BEGIN IMMEDIATE"); }

transaction::~transaction() {
  // Some errors (a full disk, for one) have rolled back already, and then another ROLLBACK would be an error.
  if (!sqlite3_get_autocommit(db_.handle())) sqlite3_exec(db_.handle(), "ROLLBACK", nullptr, nullptr, nullptr);
}

void transaction::commit() { db_.run("COMMIT"); }

rows::~rows() {
  sqlite3_reset(statement_);
  tell_tap(sqlite3_sql(statement_), row_count_, started_);
}

bool rows::next() {
  column_ = 0;
  auto code = sqlite3_step(statement_);
  if (code != SQLITE_ROW && code != SQLITE_DONE) fail(sqlite3_db_handle(statement_), code);
  row_count_ += code == SQLITE_ROW;
  return code == SQLITE_ROW;
}

std::int64_t rows::number() { return sqlite3_column_int64(statement_, column_++); }

std::string rows::bytes() {
  auto column = column_++;
  auto data = static_cast<const char*>(sqlite3_column_blob(statement_, column));
  auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement_, column));
  return data ? std::string(data, size) : std::string();
}

statement::statement(database& db, std::string_view sql) {
  check(db.handle(), sqlite3_prepare_v3(db.handle(), sql.data(), static_cast<int>(sql.size()),
                                        SQLITE_PREPARE_PERSISTENT, &handle_, nullptr));
}

statement::~statement() { sqlite3_finalize(handle_); }

void statement::bind(int index, std::int64_t value) {
  check(sqlite3_db_handle(handle_), sqlite3_bind_int64(handle_, index, value));
}

void statement::bind(int index, text value) {
  auto data = value.value.data() ? value.value.data() : "";
  check(sqlite3_db_handle(handle_),
        sqlite3_bind_text64(handle_, index, data, value.value.size(), SQLITE_STATIC, SQLITE_UTF8));
}

void statement::bind(int index, blob value) {
  auto data = value.value.data() ? value.value.data() : "";  // a null pointer would be stored as NULL
  check(sqlite3_db_handle(handle_), sqlite3_bind_blob64(handle_, index, data, value.value.size(), SQLITE_STATIC));
}

bool statement::finish() {
  const auto started = std::chrono::steady_clock::now();
  auto code = sqlite3_step(handle_);
  auto db = sqlite3_db_handle(handle_);
  if (code == SQLITE_DONE || code == SQLITE_ROW) {
    check(db, sqlite3_reset(handle_));
    tell_tap(sqlite3_sql(handle_), static_cast<std::uint64_t>(sqlite3_changes(db)), started);
    return true;
  }
  auto why = failure_of(db, code);
  sqlite3_reset(handle_);  // repeats the step's error, which we have
  if (code == SQLITE_CONSTRAINT_PRIMARYKEY || code == SQLITE_CONSTRAINT_UNIQUE || code == SQLITE_CONSTRAINT_ROWID)
    return false;
  throw why;
}

}  // namespace throng::sqlite
