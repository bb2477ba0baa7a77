// SPDX-License-Identifier: Apache-2.0
// SERVER SESSION: what a supervisor does to one database server, as verbs, on one connection. Nothing that it does goes
// to the binlog, but for the numbers it leaves out. Blocking; one thread at a time; throws mysql::failure, or
// step_failed with a sentence.
//
// lock() makes two supervisors harmless to each other: it takes a lock by name (GET_LOCK) that belongs to the
// connection, and ends the connection of whoever holds it. A supervisor locks all servers it wants to change and then
// reads the record again: if that is still as it was, an older supervisor can't do anything to these servers any more.
#pragma once

#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "storage/failover/server_observation.hpp"
#include "storage/mysql/mysql_connection.hpp"

namespace throng::failover {

/// Why a step can't be done now; it is tried again later. Stays within storage/failover/.
class step_failed : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

struct replication_account {
  std::string user_prefix = "throng_replica_";  // one account a replica: its server id goes behind
  std::string password;
};

class server_session {
 public:
  using milliseconds = std::chrono::milliseconds;

  server_session(server_address server, const mysql::connect_options& admin, const replication_account& account);

  const server_address& server() const { return server_; }
  /// See above. Throws step_failed when the other one can't be ended in `patience`.
  void lock(milliseconds patience);

  /// Everything a probe asks for: four statements, 1–2 ms of the server's CPU.
  server_observation look();

  // -- primary -------------------------------------------------------------------------------------------------------
  /// Lets replica `server_id` connect to this server; or shuts all but these out: their accounts are locked, their
  /// connections ended.
  void open_gate(std::uint32_t server_id);
  void close_gates_except(const std::vector<std::uint32_t>& server_ids);
  /// Commits wait for a replica (AFTER_SYNC, 11 days at most), or don't. REQUIRES of switching off: nobody waits, or it
  /// is the recorded primary without members: whoever waits is answered.
  void wait_for_acknowledgements(bool on);
  /// Commits wait, and nothing is written, for so long from now on.
  bool stands_still(milliseconds time);
  /// Helps a server on that hears no acknowledgement any more (rule 7): who waits for one gets an error, and MariaDB's
  /// thread that hears them is another one then. Writes are refused meanwhile, for some milliseconds.
  void listen_again();
  /// Every commit reaches the disk in InnoDB's own log too, before it is answered, and so have all until now: see rule
  /// 6 of shard_analysis.hpp.
  void flush_each_commit();
  void open_for_writes();
  /// read_only, without leaving anyone in the middle of a commit. Statements that are in the way after `patience` are
  /// killed: their clients get an error, never an answer.
  void close_for_writes(milliseconds patience);
  gtid_list binlog_position();
  /// Goes on far behind the last number of its log, so that a transaction that was cut off at its restart and that a
  /// replica has is never taken for a later one: that replica can't connect again (gtid_strict_mode) until it is seeded
  /// again. Nothing if commits wait for acknowledgements: then it wasn't restarted.
  void leave_numbers_out();

  // -- replica -------------------------------------------------------------------------------------------------------
  /// Stops what it replicates and points it at `source`. What was received and not applied is thrown away.
  void replicate_from(const server_address& source, std::uint32_t own_server_id);
  void stop_receiving();
  /// Starts the threads that don't run. Throws away what wasn't applied if both are stopped.
  void start_replication();
  /// Starts the SQL thread alone; REQUIRES: the I/O thread runs.
  void start_applying() { db_.run("START SLAVE SQL_THREAD"); }
  void acknowledge();  // connects again, as a replica that acknowledges
  void forget_source();
  /// Until everything up to `position` is applied, or received; false: not in time.
  bool wait_until_applied(const gtid_list& position, milliseconds patience);
  bool wait_until_received(const gtid_list& position, milliseconds patience);

  /// Tables in databases other than MariaDB's own.
  std::int64_t count_tables();
  mysql::connection& connection() { return db_; }

 private:
  void end_connections_of(const std::string& user, milliseconds patience);
  /// Ends statements that may be in the way of read_only; those that wait for an acknowledgement when no other is left.
  void refuse_waiting_commits();
  /// REQUIRES: it is read-only, so that no other commit begins. Throws step_failed when some can't be refused.
  void refuse_all_waiting_commits();
  void end_open_transactions();  // also of who may write while the server is read-only

  const server_address server_;
  const mysql::connect_options admin_;
  const replication_account account_;
  mysql::connection db_;
};

/// "h:1" → ("h", 1). Throws step_failed for a path: replicas connect by network.
std::pair<std::string, std::string> host_and_port(const server_address& server);

}  // namespace throng::failover
