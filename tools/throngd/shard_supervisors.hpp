// SPDX-License-Identifier: Apache-2.0
// SHARD SUPERVISORS: one supervisor for each shard that the topology knows, serving or not; they come and go with the
// shards. One thread of its own.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "storage/failover/shard_supervisor.hpp"
#include "storage/topology/shard_directory.hpp"

namespace throng {

/// Any thread.
class shard_supervisors {
 public:
  using supervisor_ptr = std::shared_ptr<failover::shard_supervisor>;

  /// `topology` and `shards` must outlive it.
  shard_supervisors(topology_store& topology, const shard_directory& shards, failover::supervisor_options how)
      : topology_(topology), shards_(shards), how_(std::move(how)) {}
  ~shard_supervisors() { stop(); }

  /// Supervises all shards of now, and then follows the map. Waits for servers up to `patience`. Errors: those of
  /// prepare_shard().
  result<> start(std::chrono::milliseconds patience);
  /// Waits for what supervisors do just now.
  void stop();

  supervisor_ptr of(const key_range& range) const;  // null: there is none (yet)
  std::vector<failover::shard_status> statuses() const;

 private:
  result<> supervise(const shard_record& shard);
  void follow(const std::stop_token& stopped);

  topology_store& topology_;
  const shard_directory& shards_;
  const failover::supervisor_options how_;
  mutable std::mutex mutex_;
  std::map<key_range, supervisor_ptr> all_;
  std::map<key_range, std::string> troubles_;  // why a shard has none yet: said once. The thread's own.
  std::jthread thread_;
};

}  // namespace throng
