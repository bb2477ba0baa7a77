// SPDX-License-Identifier: Apache-2.0
// A shard of real MariaDB servers under supervision, and writers that count what was acknowledged to them.
#pragma once

#include <algorithm>
#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include "storage/failover/shard_supervisor.hpp"
#include "storage/mysql/local_server.hpp"
#include "storage/topology/embedded_topology.hpp"
#include "tests/support/temporary_folder.hpp"

namespace throng::failover {

using namespace std::chrono_literals;
using clock = std::chrono::steady_clock;

/// Waits for a condition that other processes bring about.
template <class Condition>
bool eventually(std::chrono::milliseconds patience, Condition condition) {
  const auto deadline = clock::now() + patience;
  while (!condition()) {
    if (clock::now() >= deadline) return false;
    std::this_thread::sleep_for(5ms);
  }
  return true;
}

/// Servers, a topology with their record, and supervisors of it. Everything is gone at its end.
class failover_shard {
 public:
  explicit failover_shard(unsigned count, unsigned ackers_min = 0) {
    initialize();
    std::vector<std::thread> starting;
    servers.resize(count);
    std::vector<std::string> failures(count);
    for (unsigned i = 0; i < count; ++i)
      starting.emplace_back([&, i] {
        mysql::local_server_options wanted;
        wanted.server_id = i + 1;
        wanted.is_replica_ready = true;
        auto started = mysql::local_server::start(folder_.path() / ("db" + std::to_string(i)), wanted);
        if (started)
          servers[i] = std::move(started).value();
        else
          failures[i] = started.failure().detail;
      });
    for (auto& one : starting) one.join();
    for (const auto& failure : failures) REQUIRE_MESSAGE(failure.empty(), failure);
    for (auto& server : servers) make_accounts(*server);
    auto opened = open_embedded_topology(folder_.path() / "topology");
    REQUIRE(opened);
    topology = std::move(opened).value();
    shard_record record;
    record.term = 1;
    for (const auto& server : servers) record.servers.push_back(server->address());
    record.primary = record.servers.front();
    record.in_sync = {record.primary};
    key = shard_key(record.keyspace, record.range);
    REQUIRE(topology->put(key, to_json(record), 0));
    how.name = "n1";
    how.admin = {"supervisor", "secret", "", 2s, 5s};
    how.replication.password = "it's \"quoted\"";
    how.policy.ackers_min = ackers_min;
  }

  static void initialize() {
    static const bool is_done = [] {
      mysql::initialize_driver();
      return true;
    }();
    (void)is_done;  // once
  }

  /// One server with the accounts and an empty table, which nobody supervises.
  static std::unique_ptr<mysql::local_server> start_alone(const temporary_folder& folder) {
    initialize();
    mysql::local_server_options wanted;
    wanted.is_replica_ready = true;
    auto started = mysql::local_server::start(folder.path() / "db", wanted);
    REQUIRE_MESSAGE(started, (started ? "" : started.failure().detail));
    make_accounts(**started);
    make_table(**started);
    return std::move(started).value();
  }
  static void make_table(mysql::local_server& server) {
    auto db = server.connect_as_root();
    db.run("CREATE DATABASE IF NOT EXISTS throng");
    db.run("CREATE TABLE IF NOT EXISTS throng.acked(id BIGINT UNSIGNED PRIMARY KEY) ENGINE=InnoDB");
  }
  static void make_accounts(mysql::local_server& server) {
    auto root = server.connect_as_root();
    root.run("SET sql_log_bin=0");
    const auto made = mysql::create_accounts(root, {"throng", "app"}, {"supervisor", "secret"});
    REQUIRE_MESSAGE(made, (made ? "" : made.failure().detail));
  }

  /// A supervisor that has made the shard ready for writes.
  shard_supervisor& supervise() {
    const auto prepared = prepare_shard(*topology, key, how);
    REQUIRE_MESSAGE(prepared, (prepared ? "" : prepared.failure().detail));
    supervisors.push_back(shard_supervisor::start(*topology, key, how));
    REQUIRE_MESSAGE(supervisors.back()->wait_until_well(20s), describe());
    make_table(primary());
    return *supervisors.back();
  }

  /// Another node's, "n2".
  shard_supervisor& supervise_too() {
    auto second = how;
    second.name = "n2";
    supervisors.push_back(shard_supervisor::start(*topology, key, second));
    return *supervisors.back();
  }

  shard_record record() const {
    auto entry = topology->get(key);
    REQUIRE(entry);
    REQUIRE(*entry);
    auto parsed = parse_shard_record(**entry);
    REQUIRE(parsed);
    return *parsed;
  }
  mysql::local_server& server(const server_address& address) {
    for (auto& one : servers)
      if (one->address() == address) return *one;
    FAIL("no server " << address);
    std::abort();
  }
  /// Starts a server again, as a service manager does: twice if it crashes (MariaDB 10.11.19 was seen to, once, in the
  /// recovery of its log after a kill).
  static void restart(mysql::local_server& server, const std::vector<std::string>& more = {}) {
    auto started = server.restart(more);
    if (!started && started.failure().detail.find("Writing a core file") != std::string::npos)
      started = server.restart(more);
    REQUIRE_MESSAGE(started, (started ? "" : started.failure().detail));
  }
  mysql::local_server& primary() { return server(record().primary); }
  /// Any other that runs.
  mysql::local_server& replica() {
    const auto primary = record().primary;
    for (auto& one : servers)
      if (one->address() != primary && one->is_running()) return *one;
    FAIL("no replica");
    std::abort();
  }
  mysql::connection primary_session() { return primary().connect_as_root(); }

  bool is_primary(const server_address& address) const { return record().primary == address; }
  bool is_in_sync(const server_address& address) const {
    const auto now = record();
    return std::ranges::find(now.in_sync, address) != now.in_sync.end();
  }
  bool has_finding(problem_t problem) const {
    const auto status = supervisors.front()->status();
    return std::ranges::any_of(status.findings, [&](const finding& one) { return one.problem == problem; });
  }
  std::string describe() const {
    const auto entry = topology->get(key);  // no check of doctest's here: it would wait for the one that asks
    std::string text = "record " + (entry && *entry ? (*entry)->value : "(none)");
    for (const auto& each : supervisors) {
      const auto status = each->status();
      text += "\nsupervisor, trouble: " + status.trouble;
      for (const auto& one : status.findings) text += "\n  " + std::string(to_string(one.problem)) + ": " + one.detail;
    }
    return text;
  }
  bool becomes_well(std::chrono::milliseconds patience = 20s) { return supervisors.front()->wait_until_well(patience); }

  temporary_folder& folder() { return folder_; }
  std::filesystem::path folder_of(const mysql::local_server& server) const {
    for (std::size_t i = 0; i < servers.size(); ++i)
      if (servers[i].get() == &server) return folder_.path() / ("db" + std::to_string(i));
    return {};
  }

 private:
  temporary_folder folder_;

 public:
  std::vector<std::unique_ptr<mysql::local_server>> servers;
  std::unique_ptr<topology_store> topology;
  std::string key;
  supervisor_options how;
  std::vector<std::unique_ptr<shard_supervisor>> supervisors;  // end before what they use
};

/// Threads that insert rows as fast as they can through the application's account, following the record's primary, and
/// remember each row whose insert was answered.
class acked_writers {
 public:
  explicit acked_writers(failover_shard& shard, unsigned count = 4) : shard_(shard), acked_(count) {
    for (unsigned i = 0; i < count; ++i) threads_.emplace_back([this, i] { run(i); });
  }
  ~acked_writers() { stop(); }

  void stop() {
    is_stopping_ = true;
    for (auto& one : threads_)
      if (one.joinable()) one.join();
  }
  std::size_t count() const { return total_; }
  /// Blocks until so many more rows were acknowledged.
  bool get_more(std::size_t more, std::chrono::milliseconds patience = 20s) const {
    const auto goal = total_ + more;
    return eventually(patience, [&] { return total_ >= goal; });
  }
  /// The longest time without an acknowledgement to anyone.
  std::chrono::milliseconds longest_gap() const {
    return std::chrono::duration_cast<std::chrono::milliseconds>(clock::duration(longest_gap_));
  }
  void forget_gaps() { longest_gap_ = 0; }

  /// After stop(): rows that were acknowledged and aren't on the primary.
  std::size_t lost() {
    auto db = shard_.primary_session();
    auto rows = db.query("SELECT id FROM throng.acked");
    std::set<std::uint64_t> stored;
    while (rows.next()) stored.insert(rows.unsigned_number());
    std::size_t lost = 0;
    for (const auto& each : acked_)
      for (const auto id : each) lost += stored.contains(id) ? 0 : 1;
    return lost;
  }

 private:
  void run(unsigned writer) {
    std::unique_ptr<mysql::connection> db;
    std::uint64_t next = (static_cast<std::uint64_t>(writer) + 1) << 40;
    while (!is_stopping_) {
      try {
        if (!db)
          db = std::make_unique<mysql::connection>(shard_.record().primary,
                                                   mysql::connect_options{"throng", "app", "throng", 1s, 1s});
        const auto id = next++;  // never the same again: what is in doubt stays in doubt
        db->run("INSERT INTO acked VALUES(" + std::to_string(id) + ")");
        acked_[writer].push_back(id);
        note_ack();
      } catch (const mysql::failure&) {
        db.reset();
        std::this_thread::sleep_for(5ms);
      }
    }
  }
  void note_ack() {
    const auto now = clock::now().time_since_epoch().count();
    const auto before = last_any_.exchange(now);
    if (before != 0 && now - before > longest_gap_) longest_gap_ = now - before;
    ++total_;
  }

  failover_shard& shard_;
  std::vector<std::vector<std::uint64_t>> acked_;
  std::atomic<std::size_t> total_{0};
  std::atomic<clock::rep> last_any_{0}, longest_gap_{0};
  std::atomic<bool> is_stopping_{false};
  std::vector<std::thread> threads_;
};

}  // namespace throng::failover
