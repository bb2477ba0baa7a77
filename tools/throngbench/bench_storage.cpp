// SPDX-License-Identifier: Apache-2.0
#include "tools/throngbench/bench_storage.hpp"

#include <cstdlib>
#include <fcntl.h>
#include <unistd.h>

#include "cluster/slot_table.hpp"
#include "storage/fence_holder.hpp"
#include "storage/mysql/local_server.hpp"
#include "storage/mysql/mysql_store.hpp"
#include "storage/router/sharded_storage.hpp"
#include "storage/sqlite/sqlite_store.hpp"
#include "storage/statement_tap.hpp"
#include "tools/throngbench/process_usage.hpp"

namespace throng {

namespace {

result<> take_slots(store& rows) {
  const auto table = slot_table::single_node({1}, {});
  return rows.raise_fences(table.fences_of({1}), new_fence_holder());
}

/// Best effort: pages that are clean by now leave the system's cache.
void drop_from_cache(const std::filesystem::path& folder) {
  ::sync();
  std::error_code ignored;
  for (const auto& each : std::filesystem::recursive_directory_iterator(folder, ignored)) {
    const auto file = ::open(each.path().c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0) continue;
    ::posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
    ::close(file);
  }
}

class sqlite_bench_storage final : public bench_storage {
 public:
  explicit sqlite_bench_storage(scratch_folder folder) : folder_(std::move(folder)) {}
  ~sqlite_bench_storage() override { close(); }

  result<> open() override {
    auto opened = open_sqlite_store(file());
    if (!opened) return opened.failure();
    rows_ = std::move(*opened);
    if (auto taken = take_slots(*rows_); !taken) return taken;
    commits_ = make_threaded_commit_queue(*rows_, {});
    reads_ = make_reader_pool(*rows_, readers, 100'000);
    return done;
  }
  commit_queue& commits() override { return *commits_; }
  reader_pool& reads() override { return *reads_; }
  store& whole() override { return *rows_; }
  void close() override {
    if (!commits_) return;
    commits_->stop();
    reads_->stop();
    commits_.reset();
    reads_.reset();
    rows_.reset();
  }
  result<> empty() override {
    for (const auto* each : {"", "-wal", "-shm"}) std::filesystem::remove(file() + each);
    return done;
  }
  result<bool> chill() override {
    drop_from_cache(folder_.path());
    return true;
  }
  std::string file() const override { return (folder_.path() / "throng.db").string(); }

 private:
  scratch_folder folder_;
  std::unique_ptr<store> rows_;
  std::unique_ptr<commit_queue> commits_;
  std::unique_ptr<reader_pool> reads_;
};

class mysql_bench_storage final : public bench_storage {
 public:
  mysql_bench_storage(scratch_folder folder, server where, std::unique_ptr<mysql::local_server> own)
      : folder_(std::move(folder)),
        own_(std::move(own)),
        where_(std::move(where)),
        shards_(make_fixed_shard_directory(shard_map::single(where_.address))) {}
  ~mysql_bench_storage() override { close(); }

  result<> open() override {
    sharded_storage::options how;
    how.lanes = where_.lanes;
    how.readers = readers;
    how.reads_waiting_max = 100'000;
    mysql_options options;
    options.connect = where_.as;
    options.connect.database = "throng_bench";
    auto opened = sharded_storage::start(
        *shards_, options.routes,
        [this, options](const shard_record& shard) { return open_mysql_store(*shards_, shard.range, options); }, how);
    if (!opened) return opened.failure();
    rows_ = std::move(*opened);
    return take_slots(rows_->whole());
  }
  commit_queue& commits() override { return rows_->commits(); }
  reader_pool& reads() override { return rows_->reads(); }
  store& whole() override { return rows_->whole(); }
  void close() override {
    if (!rows_) return;
    rows_->commits().stop();
    rows_->reads().stop();
    rows_.reset();
  }
  result<> empty() override {
    try {
      mysql::connection db(where_.address, where_.as);
      db.run("DROP DATABASE IF EXISTS throng_bench");
      return done;
    } catch (const mysql::failure& why) {
      return why.to_error();
    }
  }
  result<bool> chill() override {
    if (!own_) return false;
    if (auto stopped = own_->stop(); !stopped) return stopped.failure();
    drop_from_cache(folder_.path());
    if (auto started = own_->restart(); !started) return started.failure();
    return true;
  }
  const server* where() const override { return &where_; }
  std::int64_t database_cpu_ns() const override { return own_ ? cpu_ns(own_->pid()) : 0; }

 private:
  scratch_folder folder_;
  std::unique_ptr<mysql::local_server> own_;
  server where_;
  std::unique_ptr<shard_directory> shards_;
  std::unique_ptr<sharded_storage> rows_;
};

result<std::unique_ptr<bench_storage>> make_mysql(const command_line& line, scratch_folder folder) {
  auto lanes = line.number("--lanes", 1, 16);
  if (!lanes) return lanes.failure();
  bench_storage::server where;
  where.lanes = static_cast<unsigned>(*lanes);
  where.address = line.text("--mysql");
  where.as.user = line.text("--mysql-user");
  if (const auto* password = std::getenv("THRONG_MYSQL_PASSWORD")) where.as.password = password;
  where.as.io_timeout = std::chrono::seconds(60);
  std::unique_ptr<mysql::local_server> own;
  if (where.address.empty()) {
    mysql::local_server_options options;
    options.buffer_pool_mib = 256;  // all rows of a run
    options.more = {"--innodb-log-file-size=256M", "--innodb-log-buffer-size=16M"};
    auto started = mysql::local_server::start(folder.path() / "mariadb", options);
    if (!started) return started.failure();
    own = std::move(*started);
    where.address = own->address();
    where.as.user = mysql::local_server::root().user;
    where.as.password.clear();
  }
  return std::unique_ptr<bench_storage>(
      std::make_unique<mysql_bench_storage>(std::move(folder), std::move(where), std::move(own)));
}

}  // namespace

result<std::unique_ptr<bench_storage>> bench_storage::make(const command_line& line) {
  const auto& kind = line.text("--store");
  if (kind != "sqlite" && kind != "mysql")
    return error{errc::invalid_arguments, "--store is sqlite or mysql, not " + kind};
  auto folder = scratch_folder::make(line.text("--folder"));
  if (!folder) return folder.failure();
  if (kind == "mysql") return make_mysql(line, std::move(*folder));
  return std::unique_ptr<bench_storage>(std::make_unique<sqlite_bench_storage>(std::move(*folder)));
}

usage_so_far::usage_so_far(const bench_storage& storage)
    : at(now_ns()),
      cpu(cpu_ns(::getpid())),
      database_cpu(storage.database_cpu_ns()),
      round_trips(statement_tap::instance().read_figures().round_trips) {}

double usage_so_far::note(const usage_so_far& before, std::uint64_t count, const std::string& thing,
                          figures& to) const {
  const auto things = static_cast<double>(std::max<std::uint64_t>(1, count));
  const auto per_s = static_cast<double>(count) / (static_cast<double>(at - before.at) / 1e9);
  to.set(thing + "s_per_s", per_s);
  to.set("cpu_us_per_" + thing, static_cast<double>(cpu - before.cpu) / 1e3 / things);
  if (database_cpu > before.database_cpu)
    to.set("database_cpu_us_per_" + thing, static_cast<double>(database_cpu - before.database_cpu) / 1e3 / things);
  to.set("round_trips_per_" + thing, static_cast<double>(round_trips - before.round_trips) / things);
  return per_s;
}

}  // namespace throng
