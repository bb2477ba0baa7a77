// SPDX-License-Identifier: Apache-2.0
// What `diagnose` makes of what a node knows: what is wrong or suspicious, and what to do about it. Pure.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cluster/inspection.hpp"
#include "cluster/membership/cluster_agent.hpp"
#include "net/admin/shell_gather.hpp"
#include "net/admin/storage_admin.hpp"
#include "storage/commit_queue.hpp"

namespace throng {

struct finding {
  enum class level_t : std::uint8_t { wrong, suspicious } level{};
  std::string what;
  std::string todo;
  friend bool operator==(const finding&, const finding&) = default;
};

/// What one node knows at one time.
struct node_condition {
  std::string node;
  bool is_ready = true;
  bool is_topology_away = false;
  std::shared_ptr<const cluster_agent::view> cluster;  // null: it is alone
  std::vector<links::view> between;
  node::placement placed;
  wall_time now{};
  region_figures region;
  std::vector<entity_view> longest;   // mailboxes
  std::vector<entity_view> troubled;  // crashed, or in quarantine
  commit_queue::figures commits;
  std::size_t waiting_reads = 0;
  std::vector<shard_view> shards;
};

std::vector<finding> findings_of(const node_condition& at);
/// What findings_of() has looked at, in words.
const std::vector<std::string>& checks();

/// The findings of all nodes, those that several have once, the worst first. `clocks`: what each node's clock said in
/// the middle of its answer, in µs ahead of this one's.
shell_table diagnosis_of(const std::vector<std::pair<std::string, std::vector<finding>>>& by_node,
                         const std::vector<std::pair<std::string, std::int64_t>>& clocks,
                         const std::vector<std::string>& silent);

}  // namespace throng
