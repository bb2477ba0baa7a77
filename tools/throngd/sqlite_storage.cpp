// SPDX-License-Identifier: Apache-2.0
// One SQLite file, with one writer.
#include <mutex>

#include "storage/sqlite/sqlite_rows.hpp"
#include "storage/sqlite/sqlite_store.hpp"
#include "tools/throngd/node_storage.hpp"
#include "tools/throngd/options.hpp"
#include "tools/throngd/shard_meter.hpp"
#include "tools/throngd/storage_metrics.hpp"

namespace throng {

namespace {

/// Notes how long each commit takes.
class timed_store final : public store {
 public:
  explicit timed_store(std::unique_ptr<store> rows) : rows_(std::move(rows)) {}

  result<std::vector<result<>>> commit(std::span<const commit_unit> units) override {
    const auto started = std::chrono::steady_clock::now();
    auto outcomes = rows_->commit(units);
    std::lock_guard lock(mutex_);
    latency_.add(std::chrono::steady_clock::now() - started);
    return outcomes;
  }
  result<> raise_fences(std::span<const fence> guards, fence_holder by) override {
    return rows_->raise_fences(guards, by);
  }
  result<std::vector<fence>> fences() override { return rows_->fences(); }
  std::unique_ptr<store_reader> make_reader() override { return rows_->make_reader(); }

  latency_histogram latency() const {
    std::lock_guard lock(mutex_);
    return latency_;
  }

 private:
  std::unique_ptr<store> rows_;
  mutable std::mutex mutex_;
  latency_histogram latency_;
};

/// What the shell sees: one shard of one server.
class sqlite_admin final : public storage_admin {
 public:
  sqlite_admin(std::string file, commit_queue& commits, const timed_store& rows)
      : file_(std::move(file)), commits_(commits), rows_(rows) {}

  std::vector<shard_view> shards() override {
    shard_view only;
    only.keyspace = "-";
    only.range = "-";
    only.primary = file_;
    only.in_sync = 1;
    only.servers.push_back({file_, true, "one file", std::nullopt});
    const auto figures = commits_.read_figures();
    only.waiting_units = figures.waiting_units;
    only.diagnosis = figures.store_errors == 0 ? "fine" : std::to_string(figures.store_errors) + " commits failed";
    std::lock_guard lock(mutex_);
    only.commits_per_second = meter_.units_per_second();
    only.commit_p99 = meter_.p99();
    return {only};
  }
  result<row_counts> rows(bool) override {
    auto counted = count_sqlite_rows(file_);
    if (!counted) return counted.failure();
    row_counts counts;
    for (auto& [table, rows] : *counted) counts.tables.push_back({std::move(table), "-", rows, false});
    return counts;
  }
  result<std::string> reparent(std::string_view, std::string_view) override { return no_shards(); }
  result<shell_table> reshard(const shell_words&) override { return no_shards(); }

  void tick() {
    std::lock_guard lock(mutex_);
    meter_.add(std::chrono::steady_clock::now(), commits_.read_figures().units, rows_.latency());
  }

 private:
  static error no_shards() { return {errc::not_found, "the store is one SQLite file: it has no shards and servers"}; }

  const std::string file_;
  commit_queue& commits_;
  const timed_store& rows_;
  std::mutex mutex_;
  shard_meter meter_;
};

class sqlite_storage final : public node_storage {
 public:
  sqlite_storage(std::unique_ptr<store> rows, std::string file, const configuration& settings)
      : rows_(std::move(rows)),
        commits_(make_threaded_commit_queue(rows_, commit_limits_of(settings))),
        readers_(make_reader_pool(rows_, settings.storage.readers, settings.storage.reads_waiting_max)),
        admin_(std::move(file), *commits_, rows_) {}
  ~sqlite_storage() override { sqlite_storage::stop(); }

  store& rows() override { return rows_; }
  std::string shard_of(slot_id) const override { return {}; }
  commit_queue& commits() override { return *commits_; }
  reader_pool& reads() override { return *readers_; }
  const shard_access* shards() const override { return nullptr; }
  storage_admin& admin() override { return admin_; }
  std::vector<metric> metrics() const override {
    std::vector<metric> all;
    add_statement_metrics(all);
    add_latency_metrics(all, "-", "commit", rows_.latency());
    return all;
  }
  void tick() override { admin_.tick(); }
  void stop() override {
    commits_->stop();
    readers_->stop();
  }

 private:
  timed_store rows_;
  std::unique_ptr<commit_queue> commits_;
  std::unique_ptr<reader_pool> readers_;
  sqlite_admin admin_;
};

}  // namespace

result<std::unique_ptr<node_storage>> open_sqlite_storage(const configuration& settings) {
  auto file = settings.data_path(settings.storage.file);
  auto opened = open_sqlite_store(file);
  if (!opened) return opened.failure();
  return std::unique_ptr<node_storage>(std::make_unique<sqlite_storage>(std::move(*opened), std::move(file), settings));
}

}  // namespace throng
