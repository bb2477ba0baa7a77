// SPDX-License-Identifier: Apache-2.0
// Shards on MySQL or MariaDB servers, or behind a vtgate.
//
//   topology ─► shard directory ─► sharded storage ─► one mysql store for each shard and lane
//      ▲  ▲            └─────────► supervisors (a shard each): who is primary
//      │  └───────────────────────────┘
//      └── reshard runner: which ranges serve
#include <atomic>
#include <condition_variable>
#include <map>
#include <mutex>
#include <random>
#include <thread>

#include "config/log.hpp"
#include "storage/mysql/lookup_sweeper.hpp"
#include "storage/mysql/mysql_rows.hpp"
#include "storage/mysql/mysql_store.hpp"
#include "storage/mysql/vtgate_shards.hpp"
#include "storage/router/sharded_storage.hpp"
#include "storage/topology/embedded_topology.hpp"
#include "storage/vschema/table_routes.hpp"
#include "storage/vschema/vschema.hpp"
#include "tools/throngd/mysql_admin.hpp"
#include "tools/throngd/node_storage.hpp"
#include "tools/throngd/options.hpp"
#include "tools/throngd/storage_metrics.hpp"

namespace throng {

namespace {

/// After so long, a commit whose outcome isn't known at the end of the process ends it.
constexpr std::chrono::seconds outcome_patience{10};

class mysql_storage final : public node_storage {
 public:
  mysql_storage(const configuration& settings, topology_store* topology) : settings_(settings), topology_(topology) {}
  ~mysql_storage() override { mysql_storage::stop(); }

  result<> begin() {
    mysql::initialize_driver();
    if (!settings_.storage.mysql.vschema.empty()) {
      auto schema = load_vschema(settings_.storage.mysql.vschema, settings_.storage.mysql.database);
      if (!schema) return schema.failure();
      auto routes = table_routes::make(*schema);
      if (!routes) return routes.failure();
      routes_ = *routes;
    }
    auto found = settings_.storage.mysql.vtgate ? find_vtgate() : find_servers();
    if (!found) return found;
    if (auto known = check_accounts(); !known) return known;
    auto admin = make_mysql_admin(settings_, settings_.storage.mysql.vtgate ? nullptr : topology_, *directory_);
    if (!admin) return admin.failure();
    admin_ = std::move(*admin);
    return start_storage();
  }

  store& rows() override { return storage_->whole(); }
  std::string shard_of(slot_id slot) const override { return directory_->current()->of(routes_.of_slot(slot)).name(); }
  commit_queue& commits() override { return storage_->commits(); }
  reader_pool& reads() override { return storage_->reads(); }
  const shard_access* shards() const override { return access_.get(); }
  storage_admin& admin() override { return *admin_; }

  std::vector<metric> metrics() const override {
    std::vector<metric> all;
    add_statement_metrics(all);
    add_shard_metrics(all, storage_->figures());
    admin_->add_metrics(all);
    if (sweeper_) add_sweep_metrics(all, sweeper_->read_figures());
    return all;
  }
  void tick() override { admin_->tick(std::chrono::steady_clock::now()); }

  void stop() override {
    if (is_stopped_) return;
    is_stopped_ = true;
    if (sweeper_) sweeper_->stop();
    if (admin_) admin_->end_reshard();  // it goes on at the next start
    if (storage_) {
      // Supervisors stay until the end: a failover may be what the last commits wait for.
      std::jthread impatience([this](const std::stop_token& stopped) {
        std::mutex mutex;
        std::unique_lock lock(mutex);
        std::condition_variable_any().wait_for(lock, stopped, outcome_patience, [] { return false; });
        is_stopping_->store(true);
      });
      storage_->stop();
    }
    if (admin_) admin_->end_supervision();
  }

 private:
  mysql_options store_options() const {
    mysql_options options = mysql_options_of(settings_);
    options.sends_packets = !settings_.storage.mysql.vtgate;
    options.routes = routes_;
    options.is_stopping = is_stopping_;
    return options;
  }

  lookup_sweeper::options sweeper_options() const {
    lookup_sweeper::options options;
    options.connect = mysql_options_of(settings_).connect;
    options.routes = routes_;
    return options;
  }

  result<> find_servers() {
    if (!topology_) {
      auto topology = open_embedded_topology(settings_.data_path("topology.db"));
      if (!topology) return topology.failure();
      own_topology_ = std::move(*topology);
      topology_ = own_topology_.get();
    }
    auto directory = open_shard_directory(*topology_, settings_.storage.mysql.database, settings_.storage.mysql.shards);
    if (!directory) {
      auto failed = directory.failure();
      if (failed.code == errc::invalid_arguments) failed.detail = "storage.mysql.shards: " + failed.detail;
      return failed;
    }
    directory_ = std::move(*directory);
    return done;
  }

  result<> find_vtgate() {
    const auto& mysql = settings_.storage.mysql;
    auto shards = ask_vitess_shards(mysql.shards, mysql_options_of(settings_).connect, mysql.database);
    if (!shards) return shards.failure();
    auto map = vtgate_map(*shards, mysql.shards, mysql.database);
    if (!map) return map.failure();
    for (const auto& each : *shards) vtgate_databases_[each.range] = vtgate_database(mysql.database, each);
    directory_ = make_fixed_shard_directory(std::move(*map));
    return done;
  }

  /// Passwords that no waiting makes right. Servers that are away are waited for later.
  result<> check_accounts() const {
    const auto& mysql = settings_.storage.mysql;
    auto check = [](const server_address& server, mysql::connect_options account, std::string_view key) -> result<> {
      account.database.clear();
      try {
        mysql::connection probe(server, account);
      } catch (const mysql::failure& why) {
        if (why.is_access_denied())
          return error{errc::invalid_arguments, std::string(key) + ": " + server + " says: " + why.what()};
      }
      return done;
    };
    const auto map = directory_->current();
    for (const auto& shard : map->serving()) {
      if (shard.servers.empty()) continue;
      const auto& server = shard.primary.empty() ? shard.servers.front() : shard.primary;
      if (auto fits = check(server, mysql_options_of(settings_).connect, "storage.mysql.user"); !fits) return fits;
      if (mysql.vtgate || !mysql.supervise) continue;
      if (auto fits = check(server, mysql_admin_account_of(settings_), "storage.mysql.admin_user"); !fits) return fits;
    }
    return done;
  }

  result<> start_storage() {
    auto open = [this](const shard_record& shard) -> result<std::unique_ptr<store>> {
      auto options = store_options();
      if (const auto database = vtgate_databases_.find(shard.range); database != vtgate_databases_.end())
        options.connect.database = database->second;
      return open_mysql_store(*directory_, shard.range, options);
    };
    auto started = sharded_storage::start(*directory_, routes_, std::move(open), sharded_options_of(settings_));
    if (!started) return started.failure();
    storage_ = std::move(*started);
    access_.reset(new shard_access{*storage_, *directory_});
    admin_->watch(*storage_);
    if (!settings_.storage.mysql.vtgate) {  // which keeps lookup rows in its own ways
      sweeper_ = std::make_unique<lookup_sweeper>(*directory_, sweeper_options());
      sweeper_->start(std::random_device{}());
    }
    return done;
  }

  const configuration settings_;
  const std::shared_ptr<std::atomic<bool>> is_stopping_ = std::make_shared<std::atomic<bool>>(false);
  table_routes routes_ = table_routes::standard();
  std::map<key_range, std::string> vtgate_databases_;  // empty: servers of our own
  bool is_stopped_ = false;

  // In the order in which they stand on each other.
  std::unique_ptr<topology_store> own_topology_;  // of a node that is alone
  topology_store* topology_;                      // null with a vtgate, unless there is a cluster
  std::unique_ptr<shard_directory> directory_;
  std::unique_ptr<mysql_admin> admin_;
  std::unique_ptr<sharded_storage> storage_;
  std::unique_ptr<shard_access> access_;
  std::unique_ptr<lookup_sweeper> sweeper_;  // null with a vtgate
};

}  // namespace

result<std::unique_ptr<node_storage>> open_mysql_storage(const configuration& settings, topology_store* topology) {
  auto made = std::make_unique<mysql_storage>(settings, topology);
  if (auto begun = made->begin(); !begun) return begun.failure();
  return std::unique_ptr<node_storage>(std::move(made));
}

}  // namespace throng
