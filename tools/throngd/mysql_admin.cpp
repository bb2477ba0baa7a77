// SPDX-License-Identifier: Apache-2.0
#include "tools/throngd/mysql_admin.hpp"

#include <algorithm>
#include <charconv>
#include <map>
#include <mutex>

#include "config/log.hpp"
#include "storage/mysql/mysql_rows.hpp"
#include "storage/reshard/reshard_runner.hpp"
#include "tools/throngd/options.hpp"
#include "tools/throngd/shard_meter.hpp"
#include "tools/throngd/shard_supervisors.hpp"
#include "tools/throngd/shard_views.hpp"

namespace throng {

namespace {

/// How long the shell waits for a verb before it shows how far it is.
constexpr std::chrono::seconds verb_patience{15};

error nobody_does(std::string_view what) {
  return {errc::not_found,
          std::string(what) + " isn't this node's work: storage.mysql.supervise is false, or Vitess does it"};
}

class live_mysql_admin final : public mysql_admin {
 public:
  live_mysql_admin(const configuration& settings, topology_store* topology, shard_directory& shards)
      : settings_(settings), topology_(topology), shards_(shards) {}

  result<> begin() {
    if (!topology_ || !settings_.storage.mysql.supervise) return done;
    supervisors_.emplace(*topology_, shards_, supervisor_options_of(settings_));
    return supervisors_->start(settings_.storage.mysql.start_patience);
  }

  void watch(const sharded_storage& storage) override {
    storage_ = &storage;
    if (!supervisors_) return;
    reshard_.emplace(*topology_, shards_, reshard_options_of(settings_));
    if (auto resumed = reshard_->resume(); !resumed) log::warn("reshard: {}", resumed.failure().detail);
  }

  void tick(steady_time now) override {
    const auto figures = storage_->figures();
    std::lock_guard lock(mutex_);
    std::map<std::string, shard_meter> kept;
    for (const auto& each : figures) {
      auto& meter = kept[each.shard];
      if (const auto old = meters_.find(each.shard); old != meters_.end()) meter = std::move(old->second);
      meter.add(now, each.commits.units, each.commit_latency);
    }
    meters_.swap(kept);
  }

  void add_metrics(std::vector<metric>& all) const override {
    std::lock_guard lock(end_mutex_);
    if (!supervisors_) return;
    for (const auto& status : supervisors_->statuses()) add_supervisor(all, status);
    if (!reshard_) return;
    const auto status = reshard_->status();
    const auto phase = status.record ? std::string(to_string(status.record->phase)) : "none";
    all.push_back({"reshard", "The phase that the last reshard is in", false, {{"phase", phase}}, 1});
    std::uint64_t rows = 0, waiting = 0;
    for (const auto& feeder : status.feeders) rows += feeder.rows_copied, waiting += feeder.entries_waiting;
    all.push_back({"reshard_copied_rows", "Rows that the reshard under way has copied", false, {}, number(rows)});
    all.push_back({"reshard_waiting_changes", "Changes that it has to replay", false, {}, number(waiting)});
  }

  void end_reshard() override {
    std::lock_guard lock(end_mutex_);
    reshard_.reset();
  }
  void end_supervision() override {
    std::lock_guard lock(end_mutex_);
    supervisors_.reset();
  }

  std::vector<shard_view> shards() override {
    std::map<key_range, failover::shard_status> statuses;
    if (supervisors_)
      for (auto& each : supervisors_->statuses()) statuses.emplace(each.record.range, std::move(each));
    std::map<std::string, sharded_storage::shard_figures> figures;
    for (auto& each : storage_->figures()) figures.emplace(each.shard, std::move(each));
    std::vector<shard_view> views;
    const auto map = shards_.current();
    for (const auto* some : {&map->serving(), &map->others()})
      for (const auto& record : *some) {
        const auto status = statuses.find(record.range);
        auto& view = views.emplace_back(
            view_of(record, some == &map->serving(), status == statuses.end() ? nullptr : &status->second));
        const auto counted = figures.find(view.range);
        if (counted == figures.end() || !view.is_serving) continue;
        view.waiting_units = counted->second.commits.waiting_units + counted->second.held_units;
        std::lock_guard lock(mutex_);
        view.commits_per_second = meters_[view.range].units_per_second();
        view.commit_p99 = meters_[view.range].p99();
      }
    return views;
  }

  result<row_counts> rows(bool is_exact) override {
    row_counts counts;
    auto account = mysql_options_of(settings_).connect;
    if (is_exact) account.io_timeout = std::chrono::hours(1);
    for (const auto& shard : shards_.current()->serving()) {
      auto counted = shard.primary.empty() ? result<std::vector<std::pair<std::string, std::uint64_t>>>(errc::not_found)
                                           : count_mysql_rows(shard.primary, account, is_exact);
      if (!counted) {
        counts.missing.push_back(shard.name());
        continue;
      }
      for (auto& [table, rows] : *counted) counts.tables.push_back({std::move(table), shard.name(), rows, !is_exact});
    }
    return counts;
  }

  result<std::string> reparent(std::string_view shard, std::string_view server) override {
    if (!supervisors_) return nobody_does("a reparent");
    const auto range = parse_key_range(shard);
    const auto supervisor = range ? supervisors_->of(*range) : nullptr;
    if (!supervisor) return error{errc::not_found, "there is no shard " + std::string(shard)};
    auto outcome = supervisor->reparent(server_address(server));
    if (!outcome) return outcome.failure();
    return to_text(*outcome);
  }

  result<shell_table> reshard(const shell_words& words) override {
    if (!reshard_) return nobody_does("a reshard");
    const auto& verb = words.arguments.front();
    if (verb == "plan" || verb == "start") return plan_or_start(words);
    if (words.arguments.size() != 1) return errc::unknown_method;
    if (verb == "status") return table_of(reshard_->status());
    const auto begun = verb == "verify"     ? reshard_->verify()
                       : verb == "switch"   ? reshard_->switch_writes()
                       : verb == "reverse"  ? reshard_->reverse()
                       : verb == "cancel"   ? reshard_->cancel()
                       : verb == "complete" ? reshard_->complete(words.options.contains("drop-data"))
                                            : result<>(errc::unknown_method);
    if (!begun) return begun.failure();
    return wait_and_show();
  }

 private:
  static double number(std::uint64_t value) { return static_cast<double>(value); }

  static void add_supervisor(std::vector<metric>& all, const failover::shard_status& status) {
    const auto shard = status.record.name();
    auto add = [&](const char* name, const char* help, bool is_counter, double value) {
      all.push_back({name, help, is_counter, {{"shard", shard}}, value});
    };
    add("shard_failovers_total", "Primaries that died and were replaced", true, number(status.figures.failovers));
    add("shard_reparents_total", "Primaries that were replaced on request", true, number(status.figures.reparents));
    add("shard_failed_rounds_total", "Interventions of the supervisor that failed", true,
        number(status.figures.rounds_failed));
    add("shard_in_sync_servers", "Servers that have every acknowledged write", false,
        number(status.record.in_sync.size()));
    add("shard_findings", "Things that are wrong with the shard's servers", false, number(status.findings.size()));
    add("shard_has_primary", "1 if the shard has a primary", false, status.record.primary.empty() ? 0 : 1);
    std::uint64_t reachable = 0, lag = 0;
    for (const auto& each : status.servers) {
      reachable += each.is_reachable;
      if (each.replication && each.replication->lag_s) lag = std::max<std::uint64_t>(lag, *each.replication->lag_s);
    }
    add("shard_reachable_servers", "Servers that answer", false, number(reachable));
    add("shard_replication_lag_seconds", "How far the slowest replica is behind", false, number(lag));
  }

  result<shell_table> plan_or_start(const shell_words& words) {
    if (words.arguments.size() < 3) return errc::unknown_method;
    std::string targets;
    for (std::size_t i = 2; i < words.arguments.size(); ++i) targets += (i == 2 ? "" : " ") + words.arguments[i];
    const auto& sources = words.arguments[1];
    if (words.arguments.front() == "plan") {
      const auto plan = reshard_->plan(sources, targets);
      if (!plan) return plan.failure();
      return plan_table(*plan);
    }
    std::uint64_t rate = 0;
    if (const auto given = words.options.find("rate"); given != words.options.end()) {
      const auto& text = given->second;
      const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), rate);
      if (failed != std::errc{} || end != text.data() + text.size() || rate == 0)
        return error{errc::invalid_arguments, "--rate is rows a second"};
    }
    if (const auto begun = reshard_->start(sources, targets, rate); !begun) return begun.failure();
    return wait_and_show();
  }

  static shell_table plan_table(const reshard_plan& plan) {
    shell_table table{{"FROM", "TO", "ROWS"}, {}, {}};
    for (const auto& stream : plan.streams)
      table.rows.push_back({to_text(stream.source), to_text(stream.target), to_text(stream.rows)});
    table.note = "serves afterwards:";
    for (const auto& range : plan.serving_after) table.note += " " + to_text(range);
    return table;
  }

  result<shell_table> wait_and_show() {
    const bool is_over = reshard_->wait_idle(verb_patience);
    const auto status = reshard_->status();
    if (is_over && !status.trouble.empty()) return error{errc::conflict, status.trouble};
    auto table = table_of(status);
    if (!is_over) table.note = "it goes on; see reshard status";
    return table;
  }

  const configuration& settings_;
  topology_store* const topology_;
  shard_directory& shards_;
  const sharded_storage* storage_ = nullptr;

  std::mutex mutex_;
  std::map<std::string, shard_meter> meters_;

  mutable std::mutex end_mutex_;  // metrics are asked for while things end; the shell's worker has ended by then
  std::optional<shard_supervisors> supervisors_;
  std::optional<reshard_runner> reshard_;
};

}  // namespace

result<std::unique_ptr<mysql_admin>> make_mysql_admin(const configuration& settings, topology_store* topology,
                                                      shard_directory& shards) {
  auto made = std::make_unique<live_mysql_admin>(settings, topology, shards);
  if (auto begun = made->begin(); !begun) return begun.failure();
  return std::unique_ptr<mysql_admin>(std::move(made));
}

}  // namespace throng
