// SPDX-License-Identifier: Apache-2.0
// One SQLite connection and its prepared statements, as values that clean up after themselves. Internal to
// storage/sqlite/: the only place that knows the C interface, together with sqlite_database.cpp.
//
// A failed call throws `failure`, which never leaves storage/sqlite/: the store turns it into an errc.
// A connection is used by one thread at a time. Each run of a statement is told to the STATEMENT TAP, without values.
#pragma once

#include <chrono>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <string>
#include <string_view>

#include "storage/model/records.hpp"
#include "storage/model/result.hpp"

struct sqlite3;
struct sqlite3_stmt;

namespace throng::sqlite {

/// What SQLite said, with its extended code and the operating system's, if that was the cause.
class failure : public std::exception {
 public:
  failure(int code, int os_errno, std::string message);
  const char* what() const noexcept override { return message_.c_str(); }
  /// errc::storage_full if there is no room, else errc::service_unavailable.
  error to_error() const;
  bool is_not_a_database() const noexcept;
  bool is_corrupt() const noexcept;
  /// What was written may be on the disk or not.
  bool is_failed_sync() const noexcept;

 private:
  int code_;
  int os_errno_;
  std::string message_;
};

class database {
 public:
  enum class mode { read_write, read_only };
  /// Opens an existing file; the caller made it, with its permissions.
  database(const std::filesystem::path& file, mode access, int busy_timeout_ms);
  ~database();
  database(const database&) = delete;
  database& operator=(const database&) = delete;

  /// Statements without parameters and results that matter; several, if separated by ';'.
  void run(const std::string& sql);
  /// The first column of the first row of a query, as a number (0 without a row) or as text.
  std::int64_t number(const std::string& sql);
  std::string words(const std::string& sql);

  sqlite3* handle() const noexcept { return handle_; }

 private:
  sqlite3* handle_ = nullptr;
};

/// BEGIN IMMEDIATE until commit(); rolls back when it goes out of scope before.
class transaction {
 public:
  explicit transaction(database& db);
  ~transaction();
  transaction(const transaction&) = delete;
  transaction& operator=(const transaction&) = delete;
  void commit();

 private:
  database& db_;
};

// -- how values become columns ---------------------------------------------------------------------------------------

/// An id as a column. SQLite's integers are signed: with the top bit flipped, their order is the ids' unsigned order,
/// which listings and the keys' order depend on; a plain cast would list the upper half of the ids first.
struct ordered {
  std::uint64_t value;
};
/// A seq or an epoch: counters that never come near 2^63, so they are stored as they are, in as few bytes as they need.
/// A larger one (a client's idea of "after") counts as the largest.
struct counter {
  std::uint64_t value;
};
struct text {
  std::string_view value;
};
struct blob {
  std::string_view value;
};

/// The rows of one run of a statement; the columns of a row are read from left to right. Resets the statement when it
/// goes out of scope, so that no reader keeps an old snapshot (and so the WAL) alive.
class rows {
 public:
  explicit rows(sqlite3_stmt* statement) noexcept : statement_(statement), started_(std::chrono::steady_clock::now()) {}
  ~rows();
  rows(const rows&) = delete;
  rows& operator=(const rows&) = delete;

  bool next();
  std::int64_t number();
  std::uint64_t ordered_number() { return static_cast<std::uint64_t>(number()) ^ (std::uint64_t{1} << 63); }
  std::uint64_t count() { return static_cast<std::uint64_t>(number()); }
  bool flag() { return number() != 0; }
  std::string bytes();
  template <class Id>
  Id id() {
    return Id{ordered_number()};
  }
  message_ts ts() { return {number()}; }
  wall_time time() { return wall_time{std::chrono::microseconds{number()}}; }

 private:
  sqlite3_stmt* statement_;
  std::chrono::steady_clock::time_point started_;
  std::uint64_t row_count_ = 0;
  int column_ = 0;
};

class statement {
 public:
  statement(database& db, std::string_view sql);
  ~statement();
  statement(const statement&) = delete;
  statement& operator=(const statement&) = delete;

  /// Runs with these parameters, which must outlive the rows.
  template <class... Values>
  rows query(const Values&... values) {
    bind_all(values...);
    return rows(handle_);
  }
  /// Runs a write to its end; false if a key was there already (the write did nothing).
  template <class... Values>
  bool execute(const Values&... values) {
    bind_all(values...);
    return finish();
  }

 private:
  template <class... Values>
  void bind_all(const Values&... values) {
    [[maybe_unused]] int index = 0;
    (bind(++index, values), ...);
  }
  void bind(int index, std::int64_t value);
  void bind(int index, text value);
  void bind(int index, blob value);
  void bind(int index, bool value) { bind(index, std::int64_t{value}); }
  void bind(int index, ordered value) {
    bind(index, static_cast<std::int64_t>(value.value ^ (std::uint64_t{1} << 63)));
  }
  void bind(int index, counter value) {
    bind(index, static_cast<std::int64_t>(value.value < INT64_MAX ? value.value : INT64_MAX));
  }
  template <class Tag>
  void bind(int index, strong_id<Tag> id) {
    bind(index, ordered{id.value});
  }
  void bind(int index, message_ts ts) { bind(index, ts.micros); }
  void bind(int index, wall_time time) { bind(index, std::int64_t{time.time_since_epoch().count()}); }
  void bind(int index, const token_hash& hash) {
    bind(index, blob{{reinterpret_cast<const char*>(hash.data()), hash.size()}});
  }
  void bind(int index, std::uint64_t value) = delete;  // say which: ordered or counter
  bool finish();

  sqlite3_stmt* handle_ = nullptr;
};

}  // namespace throng::sqlite
