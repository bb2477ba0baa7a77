// SPDX-License-Identifier: Apache-2.0
// NODE STORAGE: the store that the configuration asks for, behind the doors that a node needs: one SQLite file, or
// shards on MySQL servers with the topology, supervisors and reshards that belong to them. One a process.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config/configuration.hpp"
#include "config/problem.hpp"
#include "net/admin/admin_services.hpp"
#include "net/admin/storage_admin.hpp"
#include "net/api/api_services.hpp"
#include "storage/commit_queue.hpp"
#include "storage/reader_pool.hpp"
#include "storage/store.hpp"
#include "storage/topology/topology_store.hpp"

namespace throng {

class node_storage {
 public:
  /// Blocks until the store can be used: shards that are away are waited for as long as the configuration says. Errors:
  /// errc::invalid_arguments, starting with the key, for what is wrong in the configuration; else what was in the way.
  /// `topology` is the cluster's, and outlives the storage; null for a node that is alone.
  static result<std::unique_ptr<node_storage>> open(const configuration& settings, topology_store* topology);
  virtual ~node_storage() = default;

  /// The rows as one blocking store, for fences.
  virtual store& rows() = 0;
  /// The name of what keeps the slot's rows. Any thread.
  virtual std::string shard_of(slot_id slot) const = 0;
  virtual commit_queue& commits() = 0;
  virtual reader_pool& reads() = 0;
  virtual const shard_access* shards() const = 0;  // null: one store that isn't sharded
  virtual storage_admin& admin() = 0;
  /// Of each shard. Any thread.
  virtual std::vector<metric> metrics() const = 0;
  /// Once a second; doesn't block.
  virtual void tick() = 0;

  /// Commits what was submitted, answers what is read, then ends the threads. Blocks; the first call does it.
  virtual void stop() = 0;
};

/// What is wrong with the files and texts that storage.mysql names: the VSchema and the shards. One line, with file and
/// line. Looks at no server.
std::optional<std::string> find_storage_mistake(const configuration& settings, const config_origins& origins);

// One for each kind of store.
result<std::unique_ptr<node_storage>> open_sqlite_storage(const configuration& settings);
result<std::unique_ptr<node_storage>> open_mysql_storage(const configuration& settings, topology_store* topology);

}  // namespace throng
