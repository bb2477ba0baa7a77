// SPDX-License-Identifier: Apache-2.0
// What the store counts, for /metrics.
#pragma once

#include <string>
#include <vector>

#include "net/admin/admin_services.hpp"
#include "storage/mysql/lookup_sweeper.hpp"
#include "storage/retention.hpp"
#include "storage/router/latency_histogram.hpp"
#include "storage/router/sharded_storage.hpp"

namespace throng {

/// Of this process: what was asked of databases.
void add_statement_metrics(std::vector<metric>& all);
/// shard_<what>_within_seconds_total, by upper bound, and shard_<what>_seconds_total.
void add_latency_metrics(std::vector<metric>& all, const std::string& shard, const std::string& what,
                         const latency_histogram& latency);
void add_shard_metrics(std::vector<metric>& all, const std::vector<sharded_storage::shard_figures>& shards);
/// Of what is deleted with time, by kind of rows.
void add_retention_metrics(std::vector<metric>& all, const std::vector<retention::figures>& jobs);
/// Of the lookup rows that led to nothing.
void add_sweep_metrics(std::vector<metric>& all, const lookup_sweeper::figures& figures);

}  // namespace throng
