// SPDX-License-Identifier: Apache-2.0
// One connection to a MySQL or MariaDB server and its prepared statements, as values that clean up after themselves.
// The only place that knows MySQL Connector/C++, together with mysql_connection.cpp. Blocking, with timeouts.
//
// A failed call throws `failure`, which never leaves storage/: stores and supervisors turn it into an errc.
// A connection is used by one thread at a time. It never reconnects by itself: after a lost connection make a new one.
// Transactions are run("START TRANSACTION") and run("COMMIT"): the connector's own commit() hides errors.
#pragma once

#include <chrono>
#include <concepts>
#include <cstdint>
#include <exception>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include "storage/model/records.hpp"
#include "storage/model/result.hpp"

namespace throng::mysql {

/// What the server or the connector said. The number is MySQL's (facts: switch on it, never on the SQL state).
class failure : public std::exception {
 public:
  failure(int code, std::string message);
  const char* what() const noexcept override { return message_.c_str(); }
  int code() const noexcept { return code_; }
  /// errc::storage_full if the server has no room, else errc::service_unavailable.
  error to_error() const;

  bool is_connection_lost() const noexcept;    // also refused, killed, shut down: what was in flight is unknown
  bool is_conflict_of_locks() const noexcept;  // deadlock, lock wait timeout: nothing was done, try again
  bool is_read_only() const noexcept;          // a replica, or a fenced primary
  bool is_stale_statement() const noexcept;    // prepare it again (DDL went by)
  bool is_duplicate_key() const noexcept;
  bool is_null_refused() const noexcept;  // by a column that is NOT NULL
  bool is_no_room() const noexcept;       // disk full
  bool is_table_full() const noexcept;    // one way of it: the rows didn't get in
  bool is_too_many_connections() const noexcept;
  bool is_too_many_statements() const noexcept;  // prepared ones, of all connections
  bool is_access_denied() const noexcept;        // wrong user, password, or rights
  bool is_timeout() const noexcept;              // max_statement_time
  bool is_too_large() const noexcept;            // a statement, for the server's max_allowed_packet: nothing was done
  bool is_unknown_database() const noexcept;
  bool is_unknown_table() const noexcept;

 private:
  int code_;
  std::string message_;
};

struct connect_options {
  std::string user{};
  std::string password{};
  std::string database{};  // empty: none
  std::chrono::seconds connect_timeout{2};
  /// A statement that takes longer loses its connection (whole seconds: the connector knows no finer).
  std::chrono::seconds io_timeout{5};
  /// Whether run_all() may be used. Only for who composes statements of nothing but literals of its own.
  bool sends_packets = false;
  /// MariaDB ends a connection whose transaction lies idle for longer, and so lets go of its locks: else a process that
  /// is paused or cut off, or whose machine is gone, keeps them. Whole seconds; 0: it waits for ever.
  std::chrono::seconds idle_transaction_max{0};
};

struct text {
  std::string_view value;
};  // both are bytes to the server: columns are binary
struct blob {
  std::string_view value;
};

/// The rows of one query, held in memory; the columns of a row are read from left to right. They keep their
/// statement and connection alive.
class rows {
 public:
  class impl;
  explicit rows(std::unique_ptr<impl> state);
  rows(rows&&) noexcept;
  ~rows();

  bool next();
  bool is_null();  // of the column that is read next; doesn't go on
  std::int64_t number();
  std::uint64_t unsigned_number();
  bool flag() { return number() != 0; }
  std::string bytes();                           // "" for NULL
  std::string by_name(std::string_view column);  // for SHOW …; "" for NULL or an unknown column
  std::size_t count() const;                     // rows in all
  template <class Id>
  Id id() {
    return Id{unsigned_number()};
  }
  message_ts ts() { return {number()}; }
  wall_time time() { return wall_time{std::chrono::microseconds{number()}}; }

 private:
  std::unique_ptr<impl> state_;
};

class connection;

/// A prepared statement. After is_stale_statement() or a lost connection it is useless: make another.
class statement {
 public:
  statement(connection& on, std::string_view sql);
  ~statement();
  statement(statement&&) noexcept;

  /// Runs with these parameters.
  template <class... Values>
  rows query(const Values&... values) {
    bind_all(values...);
    return fetch();
  }
  /// Rows changed, as MySQL counts them (ON DUPLICATE KEY UPDATE: 1 inserted, 2 updated, 0 as it was).
  template <class... Values>
  std::uint64_t execute(const Values&... values) {
    bind_all(values...);
    return finish();
  }

  // For statements whose number of parameters isn't known when this is compiled (multi-row INSERTs): bind from 1, in
  // order.
  template <std::integral Number>  // a pointer isn't one: it would bind as a bool
  void bind(int index, Number value) {
    if constexpr (std::is_signed_v<Number>)
      bind_signed(index, value);
    else
      bind_unsigned(index, value);
  }
  void bind(int index, text value);
  void bind(int index, blob value);
  void bind(int index, message_ts ts) { bind(index, ts.micros); }
  void bind(int index, wall_time time) { bind(index, std::int64_t{time.time_since_epoch().count()}); }
  void bind(int index, const token_hash& hash) {
    bind(index, blob{{reinterpret_cast<const char*>(hash.data()), hash.size()}});
  }
  template <class Tag>
  void bind(int index, strong_id<Tag> id) {
    bind(index, id.value);
  }
  rows fetch();
  std::uint64_t finish();

 private:
  template <class... Values>
  void bind_all(const Values&... values) {
    [[maybe_unused]] int index = 0;
    (bind(++index, values), ...);
  }
  void bind_signed(int index, std::int64_t value);
  void bind_unsigned(int index, std::uint64_t value);
  class impl;
  std::unique_ptr<impl> state_;
};

class connection {
 public:
  /// Connects, or throws. `server` is "host:port" or "/path/of/a/socket". Every round trip is told to the statement tap
  /// under the name `shard`, or not if that is empty.
  connection(std::string_view server, const connect_options& options, std::string shard = {});
  ~connection();
  connection(const connection&) = delete;
  connection& operator=(const connection&) = delete;

  /// One statement of text, without a result. Rows changed.
  std::uint64_t run(std::string_view sql);
  /// Statements without results, in one packet and one round trip: each begins when the one before has succeeded.
  /// Throws the first failure; `through` counts those before it. REQUIRES: sends_packets(), and no empty statement.
  void run_all(std::span<const std::string> statements, std::size_t& through);
  bool sends_packets() const { return sends_packets_; }
  /// One query of text.
  rows query(std::string_view sql);
  /// The first column of the first row; 0 or "" without a row.
  std::uint64_t number(std::string_view sql);
  std::string words(std::string_view sql);
  /// Quotes and escapes bytes for a statement of text.
  std::string quoted(std::string_view bytes);
  bool ping() noexcept;
  /// Its session is in a state that nobody knows: it isn't to be used any more.
  void give_up() { is_given_up_ = true; }
  bool is_given_up() const { return is_given_up_; }
  const std::string& shard() const { return shard_; }
  /// The server's max_allowed_packet. A larger statement isn't sent: it would cost the connection, and look like a
  /// server that died.
  std::uint64_t statement_bytes_max() const;

  class impl;
  impl& state() { return *state_; }

 private:
  std::string shard_;
  bool sends_packets_;
  bool is_given_up_ = false;
  std::unique_ptr<impl> state_;
};

/// The connector asks for one call before there are threads; main() makes it, and tests' main too.
void initialize_driver();

}  // namespace throng::mysql
