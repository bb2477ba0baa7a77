// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include "cluster/slot_table.hpp"
#include "storage/sqlite/sqlite_store.hpp"
#include "tools/throngbench/latency_histogram.hpp"
#include "tools/throngbench/post_sides.hpp"
#include "tools/throngbench/process_usage.hpp"

namespace throng {

result<std::unique_ptr<store>> make_bench_store(const scratch_folder& folder) {
  auto rows = open_sqlite_store(folder.path() / "throng.db");
  if (!rows) return rows.failure();
  const auto table = slot_table::single_node({1}, {});
  if (auto raised = (*rows)->raise_fences(table.fences_of({1})); !raised) return raised.failure();
  return rows;
}

result<figures> measure_bare_inserts(const post_plan& with, std::size_t batch, message_record row) {
  auto folder = scratch_folder::make(with.folder);
  if (!folder) return folder.failure();
  auto rows = make_bench_store(*folder);
  if (!rows) return rows.failure();

  latency_histogram batches;
  std::vector<commit_unit> units;
  std::size_t written = 0;
  const auto started = now_ns(), cpu = cpu_ns(::getpid());
  const auto end = started + static_cast<std::int64_t>(with.seconds) * 1'000'000'000;
  while (now_ns() < end) {
    const auto before = now_ns();
    units.clear();
    for (std::size_t i = 0; i < batch; ++i, ++written) {
      row.channel = bench_channel(written % with.channels);
      ++row.ts.micros;
      row.seq = written / with.channels + 1;
      commit_unit unit{{slot_of(key_of(row.channel)), 1}, {}};
      unit.ops.push_back(insert_message{row});
      units.push_back(std::move(unit));
    }
    auto outcomes = (*rows)->commit(units);
    if (!outcomes) return outcomes.failure();
    for (const auto& each : *outcomes)
      if (!each) return each.failure();
    batches.add(now_ns() - before);
  }
  const auto seconds = static_cast<double>(now_ns() - started) / 1e9;
  const auto cpu_us = static_cast<double>(cpu_ns(::getpid()) - cpu) / 1e3;
  figures round;
  round.set("posts_per_s", static_cast<double>(written) / seconds);
  round.set("cpu_us_per_post", cpu_us / static_cast<double>(written));
  round.set("p50_ms", batches.percentile_ms(0.50));
  round.set("p99_ms", batches.percentile_ms(0.99));
  round.set("units_per_batch", static_cast<double>(batch));
  return round;
}

}  // namespace throng
