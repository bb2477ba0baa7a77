// SPDX-License-Identifier: Apache-2.0
#include <atomic>
#include <functional>
#include <mutex>
#include <thread>

#include "storage/sqlite/sqlite_database.hpp"
#include "tools/throngbench/latency_histogram.hpp"
#include "tools/throngbench/post_sides.hpp"
#include "tools/throngbench/process_usage.hpp"
#include "tools/throngbench/read_sides.hpp"

namespace throng {

namespace {

constexpr std::string_view page_sql =
    "SELECT channel, ts, seq, user, thread_ts, in_channel, is_deleted, client_msg_id, data FROM messages "
    "WHERE channel = ? ORDER BY ts DESC LIMIT ?";

/// Reads one page, with all its columns, and says how many rows it had.
using page_reader = std::function<std::size_t(channel_id channel, std::size_t limit)>;

template <class Rows>
std::size_t take_all(Rows found) {
  message_record row;
  std::size_t count = 0;
  for (; found.next(); ++count) {
    row.channel = found.template id<channel_id>();
    row.ts = found.ts();
    row.seq = static_cast<seq_t>(found.number());
    row.user = found.template id<user_id>();
    row.thread_ts = found.ts();
    row.in_channel = found.flag();
    row.is_deleted = found.flag();
    row.client_msg_id = found.bytes();
    row.data = found.bytes();
  }
  return count;
}

struct mysql_page {
  mysql_page(const bench_storage::server& where, mysql::connect_options as) : db(where.address, as, "bare") {}
  std::size_t operator()(channel_id channel, std::size_t limit) {
    return take_all(select.query(channel, static_cast<std::int64_t>(limit)));
  }
  mysql::connection db;
  mysql::statement select{db, page_sql};
};

struct sqlite_page {
  explicit sqlite_page(const std::string& file) : db(file, sqlite::database::mode::read_only, 2000) {}
  std::size_t operator()(channel_id channel, std::size_t limit) {
    return take_all(select.query(channel, static_cast<std::int64_t>(limit)));
  }
  sqlite::database db;
  sqlite::statement select{db, page_sql};
};

page_reader make_page_reader(const bench_storage& storage) {
  if (const auto* server = storage.where()) {
    auto as = server->as;
    as.database = "throng_bench";
    return [page = std::make_shared<mysql_page>(*server, as)](auto... which) { return (*page)(which...); };
  }
  return [page = std::make_shared<sqlite_page>(storage.file())](auto... which) { return (*page)(which...); };
}

/// On each reader until `limit` pages are read, or the time is over.
result<latency_histogram> read_in_parallel(std::vector<page_reader>& readers, const read_plan& with,
                                           std::size_t pages_max, std::int64_t end) {
  std::atomic<std::size_t> asked{0};
  std::vector<latency_histogram> latencies(readers.size());
  std::vector<std::thread> threads;
  std::mutex mutex;
  result<> outcome = done;
  const auto expected = std::min(with.limit + 1, with.messages);  // Throng reads one more, to know whether there are
  for (std::size_t i = 0; i < readers.size(); ++i)
    threads.emplace_back([&, i] {
      try {
        while (now_ns() < end) {
          const auto number = asked.fetch_add(1);
          if (number >= pages_max) return;
          const auto before = now_ns();
          const auto rows = readers[i](bench_channel(number % with.channels), with.limit + 1);
          latencies[i].add(now_ns() - before);
          if (rows != expected) throw std::runtime_error("a page had " + std::to_string(rows) + " rows");
        }
      } catch (const std::exception& why) {
        std::lock_guard lock(mutex);
        outcome = error{errc::internal_error, why.what()};
      }
    });
  for (auto& each : threads) each.join();
  if (!outcome) return outcome.failure();
  latency_histogram all;
  for (const auto& each : latencies) all.add(each);
  return all;
}

}  // namespace

result<figures> measure_bare_reads(const read_plan& with, bench_storage& storage) {
  auto is_chilled = storage.chill();
  if (!is_chilled) return is_chilled.failure();
  constexpr auto never = std::numeric_limits<std::int64_t>::max();
  try {
    std::vector<page_reader> readers;
    for (unsigned i = 0; i < bench_storage::readers; ++i) readers.push_back(make_page_reader(storage));
    figures round;
    auto cold = read_in_parallel(readers, with, with.channels, never);
    if (!cold) return cold.failure();
    if (*is_chilled) {
      round.set("cold_p50_ms", cold->percentile_ms(0.50));
      round.set("cold_p99_ms", cold->percentile_ms(0.99));
      round.set("cold_round_trips_per_page", 1);
    }
    if (auto again = read_in_parallel(readers, with, with.channels, never); !again) return again.failure();
    const usage_so_far before(storage);
    const auto end = now_ns() + static_cast<std::int64_t>(with.seconds) * 1'000'000'000;
    auto warm = read_in_parallel(readers, with, never, end);
    if (!warm) return warm.failure();
    usage_so_far(storage).note(before, warm->count(), "page", round);
    round.set("p50_ms", warm->percentile_ms(0.50));
    round.set("p99_ms", warm->percentile_ms(0.99));
    return round;
  } catch (const std::exception& why) {
    return error{errc::service_unavailable, why.what()};
  }
}

}  // namespace throng
