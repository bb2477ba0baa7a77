// SPDX-License-Identifier: Apache-2.0
// NODE CLUSTER: what a node has only among others: the topology in Consul, its number, its links, the threads that
// raise fences, and the AGENT that makes it a member. One a process; null for a node that is alone.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "cluster/consul_client.hpp"
#include "cluster/link/caf_links.hpp"
#include "cluster/membership/cluster_agent.hpp"
#include "cluster/membership/node_numbers.hpp"
#include "config/configuration.hpp"
#include "net/admin/admin_services.hpp"
#include "net/admin/cluster_admin.hpp"
#include "storage/fence_threads.hpp"
#include "storage/topology/topology_memory.hpp"

namespace throng {

class node_storage;

class node_cluster {
 public:
  /// Takes the node's number, and opens its links. Waits for Consul as long as for the store's servers. Errors:
  /// errc::invalid_arguments, starting with the key, for what is wrong in the configuration; else what was in the way.
  static result<std::unique_ptr<node_cluster>> open(const configuration& settings);
  ~node_cluster();  // end()

  topology_store& topology() { return *topology_; }
  node_index number() const { return self_.node; }
  std::uint64_t incarnation() const { return self_.incarnation; }
  /// Where its links are, whatever the others are told.
  host_port listening() const { return {settings_.listen.node.host, links_->port()}; }

  /// What a node among others has more than one alone. REQUIRES: `storage` outlives end().
  void add_to(node::parts& parts, node_storage& storage);

  struct addresses {
    std::string client_url, admin;
  };
  /// From now on it is a member, or becomes one as soon as it can.
  void join(node& here, node_storage& storage, const addresses& where, std::function<void(expulsion)> on_expelled);
  /// It is a member that has met the others, and there is a slot table.
  bool serves() const;

  void start_leaving();
  /// Waits until others have its slots, at most until then. Whether they have.
  bool leave(steady_time until);
  /// It is a member no more; links and fences end. Before the node itself goes.
  void end();

  std::shared_ptr<const cluster_agent::view> membership() const;  // null before join()
  cluster_admin& placement() { return *placement_; }
  std::vector<links::view> link_views() const { return links_->views(); }
  bool is_topology_away() const { return consul_->is_away(); }
  void add_metrics(std::vector<metric>& all) const;

 private:
  explicit node_cluster(const configuration& settings) : settings_(settings) {}
  result<> begin();
  result<node_start> begin_start_patiently();
  result<> restore_shards();
  void empty_links();

  const configuration settings_;
  std::shared_ptr<consul_client> consul_;
  std::unique_ptr<topology_store> topology_;
  std::unique_ptr<topology_memory> memory_;
  node_identity self_;
  std::unique_ptr<caf_links> links_;
  std::unique_ptr<fence_threads> fences_;
  std::unique_ptr<cluster_agent> agent_;
  std::unique_ptr<cluster_admin> placement_;
  std::atomic<cluster_agent*> joined_{nullptr};  // agent_, once it is there
};

}  // namespace throng
