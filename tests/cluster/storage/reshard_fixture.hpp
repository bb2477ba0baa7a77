// SPDX-License-Identifier: Apache-2.0
// Shards on real servers, a topology, writers that keep a model of every write that was acknowledged, and a runner.
#pragma once

#include <algorithm>
#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include "storage/model/keyspace.hpp"
#include "storage/mysql/local_server.hpp"
#include "storage/mysql/mysql_schema.hpp"
#include "storage/reshard/reshard_runner.hpp"
#include "storage/reshard/reshard_sql.hpp"
#include "storage/topology/embedded_topology.hpp"
#include "storage/topology/shard_directory.hpp"
#include "tests/support/temporary_folder.hpp"

namespace throng {

inline const char* const reshard_database = "throng";

/// What a test lets a runner die of.
struct simulated_crash : std::exception {
  const char* what() const noexcept override { return "crashed on purpose"; }
};

template <class Condition>
bool comes_true(Condition condition, std::chrono::milliseconds at_most = std::chrono::seconds(30)) {
  for (const auto deadline = std::chrono::steady_clock::now() + at_most; std::chrono::steady_clock::now() < deadline;) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return condition();
}

class reshard_fixture {
 public:
  /// One server for each of the shards that serve at first.
  explicit reshard_fixture(const std::vector<std::string>& ranges) {
    std::string bootstrap;
    for (const auto& range : ranges) bootstrap += (bootstrap.empty() ? "" : " ") + range + "=" + add_server();
    auto opened = open_embedded_topology(folder_.path() / "topology");
    REQUIRE_MESSAGE(opened, opened.failure().detail);
    topology_ = std::move(*opened);
    auto directory = open_shard_directory(*topology_, "throng", bootstrap);
    REQUIRE_MESSAGE(directory, directory.failure().detail);
    directory_ = std::move(*directory);
    for (const auto map = directory_->current(); const auto& shard : map->serving()) {
      mysql::connection(shard.primary, mysql::local_server::root()).run("CREATE DATABASE throng");
      auto db = connect(shard.primary);
      REQUIRE(mysql::migrate(db, mysql::migrations()));
      db.run("INSERT INTO shard_guard VALUES(0," + db.quoted(shard.name()) + ",1,0)");
    }
  }

  std::string add_server() {
    mysql::local_server_options how;
    how.server_id = static_cast<std::uint32_t>(servers_.size() + 1);
    how.is_durable = false;
    how.more = {"--max-allowed-packet=32M"};
    auto started = mysql::local_server::start(folder_.path() / ("s" + std::to_string(how.server_id)), how);
    REQUIRE_MESSAGE(started, started.failure().detail);
    servers_.push_back(std::move(*started));
    return servers_.back()->address();
  }
  /// "-80=… 80-=…" on new servers.
  std::string targets(const std::vector<std::string>& ranges) {
    std::string out;
    for (const auto& range : ranges) out += (out.empty() ? "" : " ") + range + "=" + add_server();
    return out;
  }

  static mysql::connect_options account() {
    auto options = mysql::local_server::root();
    options.database = reshard_database;
    return options;
  }
  static mysql::connection connect(const std::string& server) { return {server, account()}; }
  mysql::connection connect_shard(std::string_view range) {
    const auto map = directory().current();
    const auto* shard = map->find(parse_key_range(range).value());
    REQUIRE(shard);
    return connect(shard->primary);
  }

  reshard_options options() const {
    reshard_options how;
    how.admin = account();
    how.feeder.chunk_rows_max = 200;  // more steps
    return how;
  }
  std::unique_ptr<reshard_runner> make_runner(std::function<void(std::string_view)> at_step = {}) {
    auto how = options();
    how.at_step = std::move(at_step);
    return std::make_unique<reshard_runner>(*topology_, *directory_, how);
  }

  topology_store& topology() { return *topology_; }
  shard_directory& directory() { return *directory_; }
  mysql::local_server& server(std::size_t index) { return *servers_[index]; }
  std::set<std::string> serving() {
    std::set<std::string> names;
    const auto map = read_shard_map(*topology_, "throng");
    REQUIRE(map);
    for (const auto& shard : map->serving()) names.insert(shard.name());
    return names;
  }
  reshard_phase phase() {
    const auto entry = topology_->get(reshard_key("throng"));
    REQUIRE(entry);
    REQUIRE(entry->has_value());
    return parse_reshard_record(**entry).value().phase;
  }

  /// Rows of all kinds, each with bytes of all values, spread over the serving shards.
  void fill_all_tables(int rows_per_table, unsigned seed) {
    std::mt19937 random(seed);
    const auto bytes = [&](std::size_t size) {
      std::string out(size, '\0');
      for (auto& c : out) c = static_cast<char>(random());
      return out;
    };
    std::map<std::string, std::unique_ptr<mysql::connection>> links;
    for (const auto& table : mysql::sharded_tables())
      for (int i = 0; i < rows_per_table; ++i) {
        const auto is_fence = table.name == "fences";
        const slot_id slot{static_cast<std::uint16_t>(i * 37 % slot_count)};
        const auto place = is_fence ? first_ksid_of(slot) : keyspace_id(static_cast<std::uint64_t>(i) + seed);
        const auto map = directory().current();
        const auto& shard = map->of(place);
        auto& db = links[shard.primary];
        if (!db) db = std::make_unique<mysql::connection>(shard.primary, account());
        std::string values, columns;
        for (const auto column : table.columns) {
          columns += (columns.empty() ? "" : ",") + std::string(column);
          const auto is_key = std::ranges::find(table.key, column) != table.key.end();
          values += values.empty() ? "" : ",";
          if (column == "ksid")
            values += std::to_string(place);
          else if (column == "slot")
            values += std::to_string(slot.value);
          else if (column == "kind" || column == "type")
            values += std::to_string(i % 5 + 1);
          else if (column == "hash")
            values += db->quoted(bytes(32));
          else if (column == "domain")
            values += db->quoted(std::to_string(i) + bytes(20));
          else if (reshard_sql::holds_bytes(column))
            values += db->quoted(bytes(column == "data" ? random() % 500 : 30));
          else if (is_key)
            values += std::to_string(1'000'000'000'000ULL + seed * 1'000'000ULL + static_cast<unsigned>(i));
          else
            values += std::to_string(i % 100);
        }
        db->run("INSERT INTO " + std::string(table.name) + "(" + columns + ") VALUES(" + values + ")");
      }
  }

  /// Every row of every table over all serving shards.
  std::map<std::string, std::string> all_rows() {
    std::map<std::string, std::string> out;
    for (const auto map = directory().current(); const auto& shard : map->serving()) {
      auto db = connect(shard.primary);
      for (const auto& table : mysql::sharded_tables()) {
        auto found = db.query(reshard_sql::select_digests(table, shard.range, {"", "", 1'000'000}));
        while (found.next()) {
          auto key = std::string(table.name) + ":" + found.bytes();
          REQUIRE(out.emplace(std::move(key), found.bytes()).second);
        }
      }
    }
    return out;
  }

 private:
  temporary_folder folder_;  // goes after the servers
  std::vector<std::unique_ptr<mysql::local_server>> servers_;
  std::unique_ptr<topology_store> topology_;
  std::unique_ptr<shard_directory> directory_;
};

/// One writer: channels of its own, posts inserted, changed and deleted, and the fences of its slots raised. It does
/// what a store does: reads the guard row in each transaction, and goes where the topology says. Its writes can be
/// repeated, so after a lost connection it repeats them until it knows.
class model_writer {
 public:
  model_writer(const shard_directory& shards, unsigned seed) : shards_(shards), random_(seed), seed_(seed) {
    thread_ = std::thread([this] { run(); });
  }
  ~model_writer() { stop(); }
  void stop() {
    is_stopping_ = true;
    if (thread_.joinable()) thread_.join();
  }

  std::uint64_t acknowledged() const { return acknowledged_; }
  std::chrono::microseconds longest() const { return longest_; }  // after stop()
  std::string trouble() const { return trouble_; }                // after stop()

  /// What the serving shards have that the model hasn't, or the other way. After stop().
  std::vector<std::string> differences() {
    std::vector<std::string> out;
    std::map<std::pair<std::uint64_t, std::uint64_t>, std::string> seen;
    for (const auto map = shards_.current(); const auto& shard : map->serving()) {
      mysql::connection db(shard.primary, reshard_fixture::account());
      auto found = db.query("SELECT channel, ts, data, ksid FROM messages WHERE seq=" + std::to_string(seed_));
      while (found.next()) {
        const auto channel = found.unsigned_number();
        const auto ts = found.unsigned_number();
        const auto data = found.bytes();
        if (!shard.range.contains(found.unsigned_number())) continue;  // of a shard that served before
        if (!seen.emplace(std::pair{channel, ts}, data).second) out.push_back("doubled");
      }
    }
    for (const auto& [key, data] : model_) {
      const auto found = seen.find(key);
      if (found == seen.end())
        out.push_back("lost " + std::to_string(key.first) + "," + std::to_string(key.second));
      else if (found->second != data)
        out.push_back("stale " + std::to_string(key.first));
    }
    for (const auto& [key, data] : seen)
      if (!model_.contains(key)) out.push_back("resurrected " + std::to_string(key.first));
    for (const auto& [slot, epoch] : fences_) {
      const auto place = first_ksid_of({slot});
      const auto map = shards_.current();
      mysql::connection db(map->of(place).primary, reshard_fixture::account());
      if (db.number("SELECT epoch FROM fences WHERE slot=" + std::to_string(slot)) != epoch)
        out.push_back("fence " + std::to_string(slot));
    }
    return out;
  }

 private:
  void run() {
    while (!is_stopping_) {
      // A load, not a storm: at most 500 writes a second.
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
      const auto kind = random_() % 10;
      if (kind == 9) {
        raise_fence();
        continue;
      }
      const auto channel = static_cast<std::uint64_t>(seed_) * 1000 + random_() % 200;
      const std::pair key{channel, random_() % 30 + 1};
      if (kind < 3 && !model_.empty()) {
        const auto victim = std::next(model_.begin(), static_cast<std::ptrdiff_t>(random_() % model_.size()))->first;
        if (write(keyspace_id(victim.first), "DELETE FROM messages WHERE channel=" + std::to_string(victim.first) +
                                                 " AND ts=" + std::to_string(victim.second)))
          model_.erase(victim);
        continue;
      }
      const auto data = std::to_string(random_()) + std::string(random_() % 300, 'x');
      if (write(keyspace_id(channel), "INSERT INTO messages VALUES(" + std::to_string(channel) + "," +
                                          std::to_string(key.second) + "," + std::to_string(seed_) + ",1,0,1,0,'','" +
                                          data + "'," + std::to_string(keyspace_id(channel)) +
                                          ") ON DUPLICATE KEY UPDATE data=VALUES(data)"))
        model_[key] = data;
    }
  }

  void raise_fence() {
    const auto slot = static_cast<std::uint16_t>(random_() % 200 * 20 + seed_ % 20);
    const auto epoch = fences_[slot] + 1;
    const auto place = first_ksid_of({slot});
    if (write(place, "REPLACE INTO fences(slot, epoch, ksid, holder) VALUES(" + std::to_string(slot) + "," +
                         std::to_string(epoch) + "," + std::to_string(place) + "," + std::to_string(seed_) + ")"))
      fences_[slot] = epoch;
    else
      fences_.erase(slot);
  }

  /// Until it is done. False: the test is over, and nothing was written.
  bool write(ksid_t place, const std::string& sql) {
    const auto began = std::chrono::steady_clock::now();
    bool is_unknown = false;
    for (;;) {
      const auto map = shards_.current();
      const auto& shard = map->of(place);
      try {
        auto& db = links_[shard.primary];
        if (!db) db = std::make_unique<mysql::connection>(shard.primary, reshard_fixture::account());
        db->run("START TRANSACTION");
        if (db->number("SELECT state FROM shard_guard WHERE id=0 LOCK IN SHARE MODE") != 0 ||
            db->number("SELECT @@global.read_only") != 0) {
          db->run("ROLLBACK");
          shards_.wait_for_change(map, std::chrono::milliseconds(5));
        } else {
          db->run(sql);
          is_unknown = true;
          db->run("COMMIT");
          ++acknowledged_;
          longest_ =
              std::max(longest_,
                       std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - began));
          return true;
        }
      } catch (const mysql::failure& why) {
        trouble_ = why.what();
        links_.erase(shard.primary);
        shards_.wait_for_change(map, std::chrono::milliseconds(5));
      }
      if (is_stopping_ && !is_unknown) return false;
    }
  }

  const shard_directory& shards_;
  std::mt19937 random_;
  const unsigned seed_;
  std::map<std::pair<std::uint64_t, std::uint64_t>, std::string> model_;
  std::map<std::uint16_t, std::uint64_t> fences_;
  std::map<std::string, std::unique_ptr<mysql::connection>> links_;
  std::chrono::microseconds longest_{0};
  std::string trouble_;
  std::atomic<std::uint64_t> acknowledged_ = 0;
  std::atomic<bool> is_stopping_ = false;
  std::thread thread_;
};

class model_writers {
 public:
  model_writers(const shard_directory& shards, unsigned count) {
    for (unsigned i = 1; i <= count; ++i) writers_.push_back(std::make_unique<model_writer>(shards, 1000 + i));
  }
  std::uint64_t acknowledged() const {
    std::uint64_t sum = 0;
    for (const auto& writer : writers_) sum += writer->acknowledged();
    return sum;
  }
  std::chrono::microseconds longest() const {  // after stop_and_check()
    std::chrono::microseconds all{0};
    for (const auto& writer : writers_) all = std::max(all, writer->longest());
    return all;
  }
  /// Lets them write some more.
  void go_on(std::uint64_t writes = 200) {
    const auto until = acknowledged() + writes;
    REQUIRE(comes_true([&] { return acknowledged() >= until; }));
  }
  void stop_and_check() {
    for (auto& writer : writers_) writer->stop();
    for (auto& writer : writers_) {
      INFO("last trouble of the writer: " << writer->trouble());
      const auto differences = writer->differences();
      for (std::size_t i = 0; i < std::min<std::size_t>(differences.size(), 5); ++i) MESSAGE(differences[i]);
      CHECK(differences.size() == 0);
    }
  }

 private:
  std::vector<std::unique_ptr<model_writer>> writers_;
};

}  // namespace throng
