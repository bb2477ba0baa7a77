// SPDX-License-Identifier: Apache-2.0
// What the admin port looks at. Filled by the program; everything outlives the admin server.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <vector>

#include "cluster/inspection.hpp"
#include "cluster/membership/cluster_agent.hpp"
#include "cluster/node.hpp"
#include "cluster/region.hpp"
#include "net/admin/audit_log.hpp"
#include "net/admin/cluster_admin.hpp"
#include "net/admin/storage_admin.hpp"
#include "net/api/api_server.hpp"
#include "net/gateway/delivery_log.hpp"
#include "net/transport/server.hpp"
#include "storage/commit_queue.hpp"
#include "storage/reader_pool.hpp"

namespace throng {

/// One figure for /metrics, beside those that the admin server takes from the parts themselves.
struct metric {
  std::string name;  // Prometheus form, without the "throng_" in front
  std::string help;
  bool is_counter = true;
  std::vector<std::pair<std::string, std::string>> labels;
  double value = 0;
};

/// One stream with local subscribers.
struct stream_view {
  entity_key stream;
  std::size_t connections = 0;
  bool is_catching_up = false;  // some of them
};

struct admin_services {
  std::string node;
  std::string version;
  std::string admin_token;
  region& door;
  inspection& inspect;
  reader_pool& readers;
  commit_queue& commits;
  server& sockets;
  /// Of the gateway and the API; any thread.
  std::function<std::vector<metric>()> more_metrics;
  /// What local connections subscribe to; the callback comes once, on any thread.
  std::function<void(std::function<void(std::vector<stream_view>)>)> streams;
  api_server* api = nullptr;                           // what `explain` calls
  std::chrono::milliseconds explain_patience{30'000};  // more than a call may take
  storage_admin* storage = nullptr;                    // what `shards` and the like show
  const shard_access* shards = nullptr;                // null: one store that isn't sharded
  /// What this node knows of its cluster, and its links; none for a node that is alone. Any thread.
  std::function<std::shared_ptr<const cluster_agent::view>()> membership{};
  std::function<std::vector<links::view>()> link_views{};
  cluster_admin* placement = nullptr;  // who changes the cluster's placement; null for a node that is alone
  node_door* peers = nullptr;          // the other nodes' shells; null: there are none
  audit_log* audit = nullptr;
  std::string viewer_token{};                        // for looking; empty: there is none
  std::chrono::milliseconds answer_patience{1'000};  // that another node's part of an answer may take
  std::function<bool()> is_topology_away{};
  std::function<node::placement()> placed{};  // as node::placed()
  delivery_log* deliveries = nullptr;         // what `why` looks at
  std::string configuration{};                // as print_configuration() has it
  steady_time started{};
  std::atomic<bool> is_ready{false};  // false while it starts or drains
};

}  // namespace throng
