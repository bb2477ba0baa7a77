// SPDX-License-Identifier: Apache-2.0
// REPARENT: another server becomes the primary, because the old one died (emergency) or because someone wants it
// (planned). One SHARD ROUND each; the rules are those of shard_analysis.hpp. Throws step_failed and mysql::failure:
// then the old primary is still the record's, and a planned one is open again if it can be reached.
#pragma once

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "storage/failover/shard_round.hpp"

namespace throng::failover {

/// What became of it, and how long each part took.
struct reparent_report {
  server_address from, to;
  wall_time at{};
  bool is_planned = false;
  std::vector<std::pair<std::string, std::chrono::microseconds>> phases;
  std::chrono::microseconds total{};
};

/// `servers`: all that can be reached. REQUIRES: a step emergency_reparent.
reparent_report reparent_emergency(shard_round& round, const std::vector<server_observation>& servers);

/// Throws step_failed without having touched anything if `to` isn't in M, or applies what is older than allowed.
reparent_report reparent_planned(shard_round& round, const server_address& to,
                                 const std::vector<server_observation>& servers);

}  // namespace throng::failover
