// SPDX-License-Identifier: Apache-2.0
#include "tools/throngd/storage_metrics.hpp"

#include <cstdio>

#include "storage/statement_tap.hpp"

namespace throng {

namespace {

double number(std::uint64_t value) { return static_cast<double>(value); }

std::string seconds_text(std::uint64_t micros) {
  char text[32];
  std::snprintf(text, sizeof text, "%g", number(micros) / 1e6);
  return text;
}

}  // namespace

void add_statement_metrics(std::vector<metric>& all) {
  const auto figures = statement_tap::instance().read_figures();
  all.push_back({"store_statements_total",
                 "Statements to databases: with MySQL, each is a round trip",
                 true,
                 {},
                 number(figures.round_trips)});
  all.push_back({"store_rows_total", "Rows that they returned or changed", true, {}, number(figures.rows)});
  all.push_back(
      {"store_statement_seconds_total", "Time spent waiting for them", true, {}, number(figures.micros) / 1e6});
}

void add_latency_metrics(std::vector<metric>& all, const std::string& shard, const std::string& what,
                         const latency_histogram& latency) {
  std::uint64_t below = 0;
  for (std::size_t i = 0; i < latency.buckets.size(); ++i) {
    below += latency.buckets[i];
    if (i < 6 || i % 2 == 1) continue;  // from 64 µs on, each four times the one before
    all.push_back({"shard_" + what + "s_within_seconds_total",
                   "How many " + what + "s took at most so long",
                   true,
                   {{"shard", shard}, {"le", seconds_text(std::uint64_t{1} << i)}},
                   number(below)});
  }
  all.push_back({"shard_" + what + "s_within_seconds_total",
                 "How many " + what + "s took at most so long",
                 true,
                 {{"shard", shard}, {"le", "+Inf"}},
                 number(below)});
  all.push_back({"shard_" + what + "_seconds_total",
                 "Time that " + what + "s took, summed",
                 true,
                 {{"shard", shard}},
                 number(latency.micros) / 1e6});
}

void add_shard_metrics(std::vector<metric>& all, const std::vector<sharded_storage::shard_figures>& shards) {
  for (const auto& each : shards) {
    auto add = [&](const char* name, const char* help, bool is_counter, double value) {
      all.push_back({name, help, is_counter, {{"shard", each.shard}}, value});
    };
    add("shard_units_total", "Writes that were committed or refused", true, number(each.commits.units));
    add("shard_batches_total", "Transactions", true, number(each.commits.batches));
    add("shard_failed_units_total", "Writes that failed", true, number(each.commits.failed_units));
    add("shard_refused_units_total", "Writes refused because the shard's queue was full", true,
        number(each.commits.refused_units));
    add("shard_store_errors_total", "Transactions that failed as a whole", true, number(each.commits.store_errors));
    add("shard_waiting_units", "Writes that wait for the shard", false, number(each.commits.waiting_units));
    add("shard_waiting_bytes", "Bytes of them", false, number(each.commits.waiting_bytes));
    add("shard_held_units", "Writes that wait for a new map of shards", false, number(each.held_units));
    add("shard_waiting_reads", "Reads that wait for a reader of the shard", false, number(each.waiting_reads));
    add("shard_reads_total", "Reads", true, number(each.reads));
    add("shard_coalesced_reads_total", "Reads that shared another's look at the rows", true,
        number(each.coalesced_reads));
    add("shard_refused_reads_total", "Reads refused because too many waited, or for too long", true,
        number(each.refused_reads));
    add("shard_store_commit_seconds_total", "Time spent in the database for writes", true,
        number(each.commit_micros) / 1e6);
    add("shard_store_read_seconds_total", "Time spent in the database for reads", true, number(each.read_micros) / 1e6);
    add_latency_metrics(all, each.shard, "commit", each.commit_latency);
    add_latency_metrics(all, each.shard, "read", each.read_latency);
  }
}

void add_retention_metrics(std::vector<metric>& all, const std::vector<retention::figures>& jobs) {
  for (const auto& each : jobs) {
    auto add = [&](const char* name, const char* help, bool is_counter, double value) {
      all.push_back({name, help, is_counter, {{"rows", std::string(to_string(each.what))}}, value});
    };
    add("retention_rows_total", "Rows deleted because they were kept long enough", true, number(each.rows));
    add("retention_trims_total", "Small deletions, also those that found nothing", true, number(each.trims));
    add("retention_failures_total", "Deletions that failed, on some shards or all", true, number(each.failures));
    add("retention_last_through_seconds", "When everything had last been looked through, since 1970; 0: not yet", false,
        static_cast<double>(seconds_of(each.last_through)));
  }
}

void add_sweep_metrics(std::vector<metric>& all, const lookup_sweeper::figures& figures) {
  auto add_rows = [&](const char* table, std::uint64_t rows) {
    all.push_back({"swept_rows_total",
                   "Lookup rows deleted because they led to nothing",
                   true,
                   {{"table", table}},
                   number(rows)});
  };
  add_rows("workspace_domains", figures.domains);
  add_rows("token_owners", figures.token_owners);
  all.push_back({"sweep_failures_total", "Sweeps of lookup rows that ended early", true, {}, number(figures.failures)});
  all.push_back({"sweep_last_through_seconds",
                 "When all lookup rows had last been swept, since 1970; 0: not yet",
                 false,
                 {},
                 static_cast<double>(seconds_of(figures.last_through))});
}

}  // namespace throng
