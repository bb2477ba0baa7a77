// SPDX-License-Identifier: Apache-2.0
#include <mutex>
#include <thread>

#include "storage/mysql/mysql_schema.hpp"
#include "storage/vschema/table_routes.hpp"
#include "tools/throngbench/latency_histogram.hpp"
#include "tools/throngbench/post_sides.hpp"
#include "tools/throngbench/process_usage.hpp"

namespace throng {

namespace {

/// Rows like `row`, to the channels in turn.
class row_source {
 public:
  row_source(message_record row, std::size_t channels) : row_(std::move(row)), channels_(channels) {}
  const message_record& next() {
    row_.channel = bench_channel(count_ % channels_);
    ++row_.ts.micros;
    row_.seq = count_++ / channels_ + 1;
    return row_;
  }

 private:
  message_record row_;
  std::size_t channels_, count_ = 0;
};

figures figures_of(std::size_t written, std::size_t batch, const latency_histogram& batches, const usage_so_far& before,
                   const bench_storage& storage) {
  figures round;
  usage_so_far(storage).note(before, written, "post", round);
  round.set("p50_ms", batches.percentile_ms(0.50));
  round.set("p99_ms", batches.percentile_ms(0.99));
  round.set("units_per_batch", static_cast<double>(batch));
  return round;
}

result<figures> insert_by_store(const post_plan& with, bench_storage& storage, std::size_t batch, message_record row) {
  if (auto ready = storage.empty(); !ready) return ready.failure();
  if (auto ready = storage.open(); !ready) return ready.failure();
  row_source rows(std::move(row), with.channels);
  latency_histogram batches;
  std::vector<commit_unit> units;
  std::size_t written = 0;
  const usage_so_far before_all(storage);
  const auto end = now_ns() + static_cast<std::int64_t>(with.seconds) * 1'000'000'000;
  while (now_ns() < end) {
    const auto before = now_ns();
    units.clear();
    for (std::size_t i = 0; i < batch; ++i) {
      const auto& next = rows.next();
      commit_unit unit{{slot_of(key_of(next.channel)), 1}, {}};
      unit.ops.push_back(insert_message{next});
      units.push_back(std::move(unit));
    }
    auto outcomes = storage.whole().commit(units);
    if (!outcomes) return outcomes.failure();
    for (const auto& each : *outcomes)
      if (!each) return each.failure();
    batches.add(now_ns() - before);
    written += batch;
  }
  auto round = figures_of(written, batch, batches, before_all, storage);
  storage.close();
  return round;
}

/// One prepared multi-row INSERT, again and again, each its own transaction.
void insert_until(std::int64_t end, mysql::connection& db, row_source rows, std::size_t batch,
                  latency_histogram& batches) {
  std::string sql =
      "INSERT INTO messages(channel, ts, seq, user, thread_ts, in_channel, is_deleted, client_msg_id, data, ksid) "
      "VALUES ";
  for (std::size_t i = 0; i < batch; ++i) sql += i == 0 ? "(?,?,?,?,?,?,?,?,?,?)" : ",(?,?,?,?,?,?,?,?,?,?)";
  mysql::statement insert(db, sql);
  const auto routes = table_routes::standard();
  while (now_ns() < end) {
    const auto before = now_ns();
    for (int i = 0, column = 0; i < static_cast<int>(batch); ++i) {
      const auto& row = rows.next();
      insert.bind(++column, row.channel);
      insert.bind(++column, row.ts);
      insert.bind(++column, row.seq);
      insert.bind(++column, row.user);
      insert.bind(++column, row.thread_ts);
      insert.bind(++column, row.in_channel);
      insert.bind(++column, row.is_deleted);
      insert.bind(++column, mysql::text{row.client_msg_id});
      insert.bind(++column, mysql::blob{row.data});
      insert.bind(++column, routes.of_key(row.channel.value));
    }
    insert.finish();
    batches.add(now_ns() - before);
  }
}

result<figures> insert_by_sql(const post_plan& with, bench_storage& storage, std::size_t batch, message_record row) {
  const auto& server = *storage.where();
  auto as = server.as;
  try {
    mysql::connection db(server.address, as);
    db.run("DROP DATABASE IF EXISTS throng_bench_bare");
    db.run("CREATE DATABASE throng_bench_bare");
    db.run("USE throng_bench_bare");
    if (auto ready = mysql::migrate(db, mysql::migrations()); !ready) return ready.failure();
  } catch (const mysql::failure& why) {
    return why.to_error();
  }

  // As many connections as Throng has; a thread each, with posts of its own.
  as.database = "throng_bench_bare";
  std::vector<latency_histogram> batches(server.lanes);
  std::vector<std::thread> threads;
  std::mutex mutex;
  result<> outcome = done;
  const usage_so_far before(storage);
  const auto end = now_ns() + static_cast<std::int64_t>(with.seconds) * 1'000'000'000;
  for (unsigned i = 0; i < server.lanes; ++i)
    threads.emplace_back([&, i] {
      try {
        mysql::connection db(server.address, as, "bare");  // a name: the tap counts
        auto first = row;
        first.ts.micros += i * 1'000'000'000'000LL;
        insert_until(end, db, row_source(std::move(first), with.channels), batch, batches[i]);
      } catch (const mysql::failure& why) {
        std::lock_guard lock(mutex);
        outcome = why.to_error();
      }
    });
  for (auto& each : threads) each.join();
  if (!outcome) return outcome.failure();
  latency_histogram all;
  for (const auto& each : batches) all.add(each);
  return figures_of(all.count() * batch, batch, all, before, storage);
}

}  // namespace

result<figures> measure_bare_inserts(const post_plan& with, bench_storage& storage, std::size_t batch,
                                     message_record row) {
  return storage.where() ? insert_by_sql(with, storage, batch, std::move(row))
                         : insert_by_store(with, storage, batch, std::move(row));
}

}  // namespace throng
