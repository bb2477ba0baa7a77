// SPDX-License-Identifier: Apache-2.0
// What can be chosen about the supervision of a shard.
#pragma once

#include <chrono>
#include <string>

#include "storage/failover/server_probe.hpp"
#include "storage/failover/shard_analysis.hpp"

namespace throng::failover {

struct supervisor_options {
  using milliseconds = std::chrono::milliseconds;

  std::string name;              // of the node: in records, logs and the leader's registration
  mysql::connect_options admin;  // an account that may do everything, on every server
  replication_account replication;
  probe_options probe;
  analysis_policy policy;

  milliseconds lock_patience{2000};      // for another supervisor's statement to end
  milliseconds drain_patience{10'000};   // for a successor to apply what it received; then it goes on next time
  milliseconds catch_up_patience{1000};  // for a replica to receive what was committed a moment ago
  // A planned reparent:
  std::chrono::seconds reparent_lag_max{1};  // refused if the new primary applies what is older
  milliseconds reparent_patience{2000};      // writes wait for it at most so long, then it is undone
  milliseconds write_patience{200};          // for statements under way, before they are killed

  bool is_alone = false;  // acts without being the leader: for tests, and where only one process runs
  milliseconds leader_ttl{5000};
  milliseconds retry_first{100}, retry_at_most{5000};  // of a step that failed or changed nothing; ±25 %
};

}  // namespace throng::failover
