// SPDX-License-Identifier: Apache-2.0
// A MariaDB server of one's own in a folder, for tests, benchmarks and trying things out: it listens on 127.0.0.1 only,
// and dies with the program that started it, also when that crashes. Not for production: the account root has no
// password. Blocking; one thread at a time per server, several servers may start in parallel.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <sys/types.h>
#include <vector>

#include "storage/model/result.hpp"
#include "storage/mysql/mysql_connection.hpp"
#include "storage/mysql/reserved_port.hpp"

namespace throng::mysql {

struct local_server_options {
  std::uint32_t server_id = 1;  // differs between the servers of a replica set
  std::uint16_t port = 0;       // 0: a free one below 32768, where the system takes none for outgoing connections
  unsigned buffer_pool_mib = 16;
  bool is_replica_ready = false;    // starts read-only and as a semi-sync replica, until a supervisor opens it
  bool is_durable = true;           // false: no fsync, for tests that never lose power
  std::vector<std::string> more{};  // further arguments; they win over ours
  std::chrono::seconds start_timeout{60};
};

class local_server {
 public:
  using options = local_server_options;

  /// Starts a server on what `folder` holds, or on an empty database if it holds none, and returns when it answers.
  /// Errors say what MariaDB's log said, or that there is no MariaDB.
  static result<std::unique_ptr<local_server>> start(const std::filesystem::path& folder, const options& wanted = {});
  ~local_server();  // as kill9(); the folder stays
  local_server(const local_server&) = delete;
  local_server& operator=(const local_server&) = delete;

  const std::string& address() const { return address_; }  // "127.0.0.1:port", the same after a restart
  std::uint16_t port() const { return port_; }
  pid_t pid() const { return pid_; }  // 0: doesn't run
  bool is_running();

  void kill9();
  result<> stop();                                              // orderly (SIGTERM); after 30 s by force
  result<> restart(const std::vector<std::string>& more = {});  // after a stop or kill; `more` for this run only
  void pause();                                                 // SIGSTOP: alive, connections stand, nothing moves
  void resume();
  result<> wait_until_ready(std::chrono::milliseconds timeout);

  static connect_options root();
  connection connect_as_root(std::string database = {}) const;
  std::string end_of_log() const;

 private:
  local_server(std::filesystem::path folder, options wanted);
  result<> launch(const std::vector<std::string>& more);
  void reap();

  std::filesystem::path folder_;
  options options_;
  std::uint16_t port_ = 0;
  reserved_port reserved_;  // if we chose it
  std::string address_;
  pid_t pid_ = 0;
};

struct account {
  std::string user;
  std::string password;
};

/// Makes the two accounts that Throng uses: the application's, which may do everything with `database` but has no
/// rights on the server (so read_only stops it), and the supervisor's, which may do everything. Not replicated: call it
/// for every server.
result<> create_accounts(connection& as_root, const account& application, const account& supervisor,
                         const std::string& database = "throng");

}  // namespace throng::mysql
