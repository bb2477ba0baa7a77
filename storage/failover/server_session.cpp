// SPDX-License-Identifier: Apache-2.0
#include "storage/failover/server_session.hpp"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>

namespace throng::failover {

namespace {

using clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr auto lock_name = "'throng.supervisor'";
/// What a statement on an account that isn't there answers.
constexpr int no_such_account = 1396;
constexpr int no_such_thread = 1094;
/// More than a server has commits under way.
constexpr std::uint64_t numbers_left_out = 1'000'000;

gtid_list list_of(const std::string& text) {
  auto list = gtid_list::parse(text);
  if (!list) throw step_failed("\"" + text + "\" is no list of GTIDs");
  return std::move(*list);
}

bool is_mariadb_we_know(const std::string& version) {
  if (version.find("MariaDB") == std::string::npos) return false;
  const auto major = std::atoi(version.c_str());
  const auto dot = version.find('.');
  const auto minor = dot == std::string::npos ? 0 : std::atoi(version.c_str() + dot + 1);
  return major > 10 || (major == 10 && minor >= 3);  // the first with semi-sync built in
}

std::string seconds_text(milliseconds time) {
  auto text = std::to_string(1000 + time.count() % 1000);
  return std::to_string(time.count() / 1000) + "." + text.substr(1);
}

template <class Condition>
bool wait_for(milliseconds patience, Condition condition) {
  const auto deadline = clock::now() + patience;
  while (!condition()) {
    if (clock::now() >= deadline) return false;
    std::this_thread::sleep_for(milliseconds(4));
  }
  return true;
}

/// Ends what a connection does; it may be gone already.
void kill(mysql::connection& db, const std::string& id) {
  try {
    db.run("KILL " + id);
  } catch (const mysql::failure& why) {
    if (why.code() != no_such_thread) throw;
  }
}

}  // namespace

std::pair<std::string, std::string> host_and_port(const server_address& server) {
  const auto colon = server.rfind(':');
  if (colon == std::string::npos || server.starts_with('/'))
    throw step_failed(server + " has no port that replicas could connect to");
  return {server.substr(0, colon), server.substr(colon + 1)};
}

server_session::server_session(server_address server, const mysql::connect_options& admin,
                               const replication_account& account)
    : server_(std::move(server)), admin_(admin), account_(account), db_(server_, admin_) {
  db_.run("SET SESSION sql_log_bin=0, SESSION lock_wait_timeout=1");
}

void server_session::lock(milliseconds patience) {
  const auto got = wait_for(patience, [&] {
    if (db_.number(std::string("SELECT GET_LOCK(") + lock_name + ", 0)") == 1) return true;
    const auto holder = db_.number(std::string("SELECT IS_USED_LOCK(") + lock_name + ")");
    if (holder != 0) kill(db_, std::to_string(holder));
    return false;
  });
  if (!got) throw step_failed(server_ + ": another supervisor doesn't let go");
}

server_observation server_session::look() {
  server_observation seen;
  seen.server = server_;
  seen.asked = clock::now();
  seen.was_tried = seen.is_reachable = seen.is_known = true;
  seen.version = db_.words("SELECT VERSION()");
  seen.is_supported = is_mariadb_we_know(seen.version);
  if (!seen.is_supported) return seen;

  auto settings = db_.query(
      "SELECT @@global.read_only, @@global.server_id, @@global.gtid_binlog_pos, @@global.gtid_binlog_state,"
      " @@global.gtid_slave_pos, @@global.rpl_semi_sync_master_enabled, @@global.rpl_semi_sync_slave_enabled");
  if (!settings.next()) throw step_failed(server_ + " doesn't say its settings");
  seen.is_read_only = settings.flag();
  seen.gtids.server_id = static_cast<std::uint32_t>(settings.unsigned_number());
  seen.gtids.binlog_pos = list_of(settings.bytes());
  seen.gtids.binlog_state = list_of(settings.bytes());
  seen.gtids.slave_pos = list_of(settings.bytes());
  seen.is_semi_sync_primary = settings.flag();
  seen.is_semi_sync_replica = settings.flag();

  // One statement has one time, so its difference to the uptime is the same second each time.
  auto status = db_.query(
      "SELECT UNIX_TIMESTAMP(), VARIABLE_NAME, VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME"
      " IN ('UPTIME', 'RPL_SEMI_SYNC_MASTER_CLIENTS', 'RPL_SEMI_SYNC_MASTER_WAIT_SESSIONS',"
      " 'RPL_SEMI_SYNC_SLAVE_STATUS')");
  while (status.next()) {
    const auto now_s = status.number();
    const auto name = status.bytes();
    const auto value = status.bytes();
    const auto number = std::strtoul(value.c_str(), nullptr, 10);
    if (name == "UPTIME") {
      seen.uptime_s = static_cast<std::uint32_t>(number);
      seen.start_s = now_s - static_cast<std::int64_t>(number);
    } else if (name == "RPL_SEMI_SYNC_MASTER_CLIENTS") {
      seen.semi_sync_clients = static_cast<std::uint32_t>(number);
    } else if (name == "RPL_SEMI_SYNC_MASTER_WAIT_SESSIONS") {
      seen.waiting_commits = static_cast<std::uint32_t>(number);
    } else {
      seen.is_acknowledging = value == "ON";
    }
  }

  auto replica = db_.query("SHOW SLAVE STATUS");
  if (replica.next()) {
    replication_state state;
    state.source = replica.by_name("Master_Host") + ":" + replica.by_name("Master_Port");
    const auto io = replica.by_name("Slave_IO_Running");
    state.is_connected = io == "Yes";
    state.is_connecting = !state.is_connected && io != "No";
    state.is_applying = replica.by_name("Slave_SQL_Running") == "Yes";
    state.uses_gtid = replica.by_name("Using_Gtid") == "Slave_Pos";
    state.received = list_of(replica.by_name("Gtid_IO_Pos"));
    if (const auto lag = replica.by_name("Seconds_Behind_Master"); !lag.empty())
      state.lag_s = static_cast<std::uint32_t>(std::strtoul(lag.c_str(), nullptr, 10));
    state.io_error = replica.by_name("Last_IO_Error");
    state.sql_error = replica.by_name("Last_SQL_Error");
    seen.replication = std::move(state);
  }
  return seen;
}

// -- primary ---------------------------------------------------------------------------------------------------------

void server_session::open_gate(std::uint32_t server_id) {
  const auto user = db_.quoted(account_.user_prefix + std::to_string(server_id)) + "@'%'";
  const auto password = " IDENTIFIED BY " + db_.quoted(account_.password);
  try {
    db_.run("ALTER USER " + user + password + " ACCOUNT UNLOCK");
  } catch (const mysql::failure& why) {
    if (why.code() != no_such_account) throw;
    db_.run("CREATE USER " + user + password);
    db_.run("GRANT REPLICATION SLAVE ON *.* TO " + user);
  }
}

void server_session::close_gates_except(const std::vector<std::uint32_t>& server_ids) {
  auto accounts = db_.query("SELECT User FROM mysql.user WHERE User LIKE " + db_.quoted(account_.user_prefix + "%"));
  while (accounts.next()) {
    const auto user = accounts.bytes();
    const auto id = std::strtoul(user.c_str() + std::min(user.size(), account_.user_prefix.size()), nullptr, 10);
    if (std::ranges::find(server_ids, id) != server_ids.end()) continue;
    db_.run("ALTER USER " + db_.quoted(user) + "@'%' ACCOUNT LOCK");
    end_connections_of(user, milliseconds(3000));
  }
}

void server_session::end_connections_of(const std::string& user, milliseconds patience) {
  const auto are_gone = [&] {
    auto list = db_.query("SELECT ID FROM information_schema.PROCESSLIST WHERE USER=" + db_.quoted(user));
    if (list.count() == 0) return true;
    while (list.next()) kill(db_, list.bytes());
    return false;
  };
  if (wait_for(patience, are_gone)) return;
  if (db_.number("SELECT @@global.rpl_semi_sync_master_enabled") == 1) listen_again();  // what they may wait for
  if (!wait_for(patience, are_gone)) throw step_failed(server_ + ": the connections of " + user + " don't end");
}

void server_session::wait_for_acknowledgements(bool on) {
  if (on)
    db_.run(
        "SET GLOBAL rpl_semi_sync_slave_enabled=0, GLOBAL rpl_semi_sync_master_wait_point='AFTER_SYNC',"
        " GLOBAL rpl_semi_sync_master_timeout=1000000000, GLOBAL rpl_semi_sync_master_wait_no_slave=1,"
        " GLOBAL rpl_semi_sync_master_enabled=1");
  else
    db_.run("SET GLOBAL rpl_semi_sync_master_enabled=0");
}

bool server_session::stands_still(milliseconds time) {
  auto seen = look();
  const auto moved = wait_for(time, [&] {
    auto now = look();
    keep_standstill(seen, now);
    seen = std::move(now);
    return seen.waiting_commits == 0 || seen.quiet_since == seen.asked;
  });
  return !moved;
}

void server_session::listen_again() {
  const auto was_open = db_.number("SELECT @@global.read_only") == 0;
  if (was_open) close_for_writes(milliseconds(20));
  refuse_all_waiting_commits();
  end_open_transactions();
  wait_for_acknowledgements(false);
  // The connections that waited for that thread end only now, one after the other, while there is none. Any that is
  // left ends later, and may hold up the next.
  (void)wait_for(milliseconds(1000), [&] {
    auto list = db_.query("SELECT ID FROM information_schema.PROCESSLIST WHERE USER LIKE " +
                          db_.quoted(account_.user_prefix + "%") +
                          " AND (COMMAND='Killed' OR STATE IN ('starting', 'Waiting to finalize termination'))");
    if (list.count() == 0) return true;
    while (list.next()) kill(db_, list.bytes());
    return false;
  });
  wait_for_acknowledgements(true);
  if (was_open) open_for_writes();
}

void server_session::flush_each_commit() {
  const auto is = db_.number("SELECT @@global.innodb_flush_log_at_trx_commit");
  if (is == 1) db_.run("SET GLOBAL innodb_flush_log_at_trx_commit=3");
  if (is == 0) db_.run("SET GLOBAL innodb_flush_log_at_trx_commit=2");  // no flush wanted; but kill -9 is survived
  // What it applied as a replica may still be in the buffer only, and a restart would cut that off its binlog.
  db_.run("FLUSH LOCAL ENGINE LOGS");
}

void server_session::open_for_writes() { db_.run("SET GLOBAL read_only=0"); }

void server_session::close_for_writes(milliseconds patience) {
  // read_only waits for commits under way, and a commit may wait for an acknowledgement that never comes. While it
  // waits, no other commit begins; so what is in the way is killed from another connection.
  std::mutex mutex;
  std::condition_variable_any woken;
  std::jthread killer([&](std::stop_token stop) {
    std::unique_lock lock(mutex);
    auto pause = patience;
    try {
      while (!woken.wait_for(lock, stop, pause, [] { return false; }) && !stop.stop_requested()) {
        pause = milliseconds(20);
        server_session other(server_, admin_, account_);
        other.refuse_waiting_commits();
      }
    } catch (const std::exception&) {
      // The statement below runs into its own timeout and says so.
    }
  });
  const auto deadline = clock::now() + patience + milliseconds(5000);
  for (;;) {
    try {
      db_.run("SET GLOBAL read_only=1");
      return;
    } catch (const mysql::failure& why) {
      if (!why.is_conflict_of_locks() || clock::now() >= deadline) throw;
    }
  }
}

void server_session::refuse_waiting_commits() {
  // One of a group waits for all of it, and when that one is killed the others are answered. So it goes last, when
  // nobody is left who could be in its group, or in the next one. (INNODB_TRX doesn't tell: it shows what was, as long
  // as it is asked more often than each 100 ms.)
  auto list = db_.query(
      "SELECT ID, STATE LIKE 'Waiting for semi-sync ACK%' FROM information_schema.PROCESSLIST"
      " WHERE COMMAND IN ('Query', 'Execute') AND ID<>CONNECTION_ID()"
      " AND COALESCE(INFO, '') NOT REGEXP '^(SELECT|SHOW|SET GLOBAL) '"  // they commit nothing; one sets read_only
      " AND COALESCE(STATE, '') NOT REGEXP '^Waiting for (backup|global read|commit) lock'");  // nor do they
  std::vector<std::string> others, waiting;
  while (list.next()) {
    auto id = list.bytes();
    (list.flag() ? waiting : others).push_back(std::move(id));
  }
  for (const auto& id : others.empty() ? waiting : others) kill(db_, id);
}

void server_session::end_open_transactions() {
  auto list = db_.query(
      "SELECT trx_mysql_thread_id FROM information_schema.INNODB_TRX"
      " WHERE trx_mysql_thread_id NOT IN (0, CONNECTION_ID())");
  while (list.next()) kill(db_, list.bytes());
}

void server_session::refuse_all_waiting_commits() {
  const auto nobody_waits = wait_for(milliseconds(3000), [&] {
    auto status = db_.query("SHOW GLOBAL STATUS LIKE 'Rpl_semi_sync_master_wait_sessions'");
    if (status.next() && status.by_name("Value") == "0") return true;
    refuse_waiting_commits();
    return false;
  });
  if (!nobody_waits) throw step_failed(server_ + " has commits that still wait for an acknowledgement");
}

gtid_list server_session::binlog_position() { return list_of(db_.words("SELECT @@global.gtid_binlog_pos")); }

void server_session::leave_numbers_out() {
  if (db_.number("SELECT @@global.rpl_semi_sync_master_enabled") == 1) return;
  const auto domain = static_cast<std::uint32_t>(db_.number("SELECT @@session.gtid_domain_id"));
  const auto next = binlog_position().last_of(domain) + numbers_left_out;
  // It drops nothing, and is written to the log all the same.
  db_.run("SET SESSION sql_log_bin=1, SESSION gtid_seq_no=" + std::to_string(next));
  db_.run("DROP TABLE IF EXISTS mysql.throng_leaves_numbers_out");
  db_.run("SET SESSION sql_log_bin=0");
  if (binlog_position().last_of(domain) < next) throw step_failed(server_ + " doesn't leave numbers out");
}

// -- replica ---------------------------------------------------------------------------------------------------------

void server_session::replicate_from(const server_address& source, std::uint32_t own_server_id) {
  const auto [host, port] = host_and_port(source);
  if (db_.number("SELECT @@global.read_only") == 0) throw step_failed(server_ + " takes writes");
  if (db_.number("SELECT @@global.rpl_semi_sync_master_enabled") == 1) {
    // Rule 7: switched off with commits waiting, it would answer them, and its successor doesn't have them.
    refuse_all_waiting_commits();
    wait_for_acknowledgements(false);
  }
  db_.run("STOP SLAVE");
  const auto written = binlog_position();
  const auto applied = list_of(db_.words("SELECT @@global.gtid_slave_pos"));
  if (written != applied && written.covers(applied))  // it was a primary
    db_.run("SET GLOBAL gtid_slave_pos=" + db_.quoted(to_text(written)));
  if (db_.number("SELECT @@global.innodb_flush_log_at_trx_commit") == 3)
    db_.run("SET GLOBAL innodb_flush_log_at_trx_commit=1");
  // A primary that hangs is noticed after a second without a heartbeat.
  db_.run("SET GLOBAL rpl_semi_sync_slave_enabled=1, GLOBAL slave_net_timeout=1");
  db_.run("CHANGE MASTER TO MASTER_HOST=" + db_.quoted(host) + ", MASTER_PORT=" + port +
          ", MASTER_USER=" + db_.quoted(account_.user_prefix + std::to_string(own_server_id)) +
          ", MASTER_PASSWORD=" + db_.quoted(account_.password) +
          ", MASTER_USE_GTID=slave_pos, MASTER_CONNECT_RETRY=1, MASTER_HEARTBEAT_PERIOD=0.3");
  db_.run("START SLAVE");
}

void server_session::stop_receiving() { db_.run("STOP SLAVE IO_THREAD"); }

void server_session::start_replication() { db_.run("START SLAVE"); }

void server_session::acknowledge() {
  db_.run("SET GLOBAL rpl_semi_sync_slave_enabled=1");
  db_.run("STOP SLAVE IO_THREAD");
  db_.run("START SLAVE IO_THREAD");
}

void server_session::forget_source() {
  db_.run("STOP SLAVE");
  db_.run("RESET SLAVE ALL");
}

bool server_session::wait_until_applied(const gtid_list& position, milliseconds patience) {
  const auto deadline = clock::now() + patience;
  for (;;) {
    if (binlog_position().covers(position)) return true;
    const auto left = std::chrono::duration_cast<milliseconds>(deadline - clock::now());
    if (left <= milliseconds(0)) return false;
    db_.number("SELECT MASTER_GTID_WAIT(" + db_.quoted(to_text(position)) + ", " +
               seconds_text(std::min(left, milliseconds(200))) + ")");
  }
}

bool server_session::wait_until_received(const gtid_list& position, milliseconds patience) {
  return wait_for(patience, [&] {
    auto status = db_.query("SHOW SLAVE STATUS");
    const auto received = status.next() ? list_of(status.by_name("Gtid_IO_Pos")) : gtid_list();
    return later_of(received, binlog_position()).covers(position);
  });
}

std::int64_t server_session::count_tables() {
  return db_.number(
      "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA NOT IN"
      " ('mysql', 'information_schema', 'performance_schema', 'sys', 'test')");
}

}  // namespace throng::failover
