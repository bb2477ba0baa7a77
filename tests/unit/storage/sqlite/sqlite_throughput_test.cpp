// SPDX-License-Identifier: Apache-2.0
// Not a test but a measurement, skipped unless asked for:
//
//   unit_storage --no-skip --test-case='*throughput*'        (of a release build)
//
// Posts of 300 bytes to 1,000 random channels, through the store, through the COMMIT QUEUE, and as the bare insert of
// the same rows with the same batches and settings, which is the yardstick.
// Medians of 5 runs on 2 shared virtual cores, in posts per second and µs of CPU a post:
//
//   a batch |  bare insert    |  store          |  commit queue, one caller that waits for its batch
//         1 |   4,990   92 µs |   4,330  101 µs |   4,500  101 µs
//        10 |  28,100   21 µs |  26,000   22 µs |  23,300   25 µs
//       100 |  55,000   14 µs |  51,600   15 µs |  45,600   17 µs
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <future>
#include <random>
#include <string>
#include <vector>

#include "storage/commit_queue.hpp"
#include "storage/sqlite/file_lock.hpp"
#include "storage/sqlite/sqlite_database.hpp"
#include "storage/sqlite/sqlite_schema.hpp"
#include "tests/unit/storage/sqlite/sqlite_harness.hpp"

namespace throng {
namespace {

class post_maker {
 public:
  post_maker() {
    for (auto& channel : channels_) channel = make_channel_id(random_(), channel_kind::channel);
  }
  message_record next() {
    message_record row;
    row.channel = channels_[random_() % channels_.size()];
    row.ts = {++ts_};
    row.seq = static_cast<seq_t>(ts_ - first_ts);
    row.user = {random_()};
    row.client_msg_id = "8c1f9a1e-0000-4000-8000-000000000001";
    row.data.assign(200, 'x');
    return row;
  }

 private:
  static constexpr std::int64_t first_ts = 1'700'000'000'000'000;
  std::mt19937_64 random_{7};
  std::vector<channel_id> channels_ = std::vector<channel_id>(1000);
  std::int64_t ts_ = first_ts;
};

double cpu_us() {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  auto us = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_usec);
  };
  return us(used.ru_utime) + us(used.ru_stime);
}

/// Calls `write_batch` until `rows` are written, and prints what it took.
template <class WriteBatch>
void measure(const std::string& what, std::size_t rows, std::size_t batch, WriteBatch write_batch) {
  std::vector<double> ms;
  auto cpu = cpu_us();
  auto start = std::chrono::steady_clock::now();
  for (std::size_t written = 0; written < rows; written += batch) {
    auto before = std::chrono::steady_clock::now();
    write_batch(batch);
    ms.push_back(std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - before).count());
  }
  auto seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  cpu = (cpu_us() - cpu) / static_cast<double>(rows);
  std::ranges::sort(ms);
  MESSAGE(what << ", batch " << batch << ": " << static_cast<int>(static_cast<double>(rows) / seconds)
               << " posts/s, cpu " << cpu << " us/post, p50 " << ms[ms.size() / 2] << " ms, p99 "
               << ms[ms.size() * 99 / 100] << " ms");
}

void measure_bare(std::size_t rows, std::size_t batch) {
  sqlite_harness at;
  post_maker posts;
  REQUIRE(sqlite::make_private_file(at.file()));
  sqlite::database db(at.file(), sqlite::database::mode::read_write, 0);
  db.run(
      "PRAGMA page_size = 4096; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -65536;"
      "PRAGMA wal_autocheckpoint = 32768");
  REQUIRE(sqlite::migrate(db, sqlite::migrations()).ok());
  sqlite::statement insert(db, "INSERT INTO messages VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)");
  measure("bare insert", rows, batch, [&](std::size_t count) {
    sqlite::transaction all(db);
    for (std::size_t i = 0; i < count; ++i) {
      auto row = posts.next();
      insert.execute(row.channel, row.ts, sqlite::counter{row.seq}, row.user, row.thread_ts, row.in_channel,
                     row.is_deleted, sqlite::text{row.client_msg_id}, sqlite::blob{row.data});
    }
    all.commit();
  });
}

commit_unit fenced(message_record row) {
  commit_unit unit;
  unit.guard = {slot_of(key_of(row.channel)), 1};
  unit.ops.push_back(insert_message{std::move(row)});
  return unit;
}

void raise_all(store& target) {
  std::vector<fence> guards;
  for (std::uint16_t slot = 0; slot < slot_count; ++slot) guards.push_back({{slot}, 1});
  REQUIRE(target.raise_fences(guards, {}).ok());
}

void measure_store(std::size_t rows, std::size_t batch) {
  sqlite_harness at;
  post_maker posts;
  auto store = at.open();
  raise_all(*store);
  std::vector<commit_unit> units;
  measure("store", rows, batch, [&](std::size_t count) {
    units.clear();
    for (std::size_t i = 0; i < count; ++i) units.push_back(fenced(posts.next()));
    auto outcomes = store->commit(units);
    REQUIRE((outcomes && outcomes->back()));
  });
}

/// `batch` posts are submitted together and waited for.
void measure_queue(std::size_t rows, std::size_t batch) {
  sqlite_harness at;
  post_maker posts;
  auto store = at.open();
  raise_all(*store);
  auto queue = make_threaded_commit_queue(*store, {});
  measure("commit queue", rows, batch, [&](std::size_t count) {
    std::promise<void> all_answered;
    std::size_t left = count;  // only the writer thread counts
    for (std::size_t i = 0; i < count; ++i)
      queue->submit(fenced(posts.next()), [&](result<> outcome) {
        if (outcome && --left == 0) all_answered.set_value();
      });
    all_answered.get_future().get();
  });
  queue->stop();
}

TEST_CASE("sqlite: throughput" * doctest::skip()) {
  for (std::size_t batch : {1, 10, 100, 512}) {
    auto rows = batch == 1 ? 5'000 : batch * 500;
    measure_bare(rows, batch);
    measure_store(rows, batch);
    measure_queue(rows, batch);
  }
}

}  // namespace
}  // namespace throng
