// SPDX-License-Identifier: Apache-2.0
#include "storage/reshard/row_sink.hpp"

#include <algorithm>
#include <array>

namespace throng {

namespace {

// A statement is prepared once for each size; a few sizes do, since what remains goes with the next smaller.
constexpr std::array<std::size_t, 3> batch_sizes{64, 8, 1};
// Below any server's max_allowed_packet (16 MiB as shipped) also when one more row comes on top.
constexpr std::size_t batch_bytes_max = 4u << 20;
constexpr std::size_t keys_per_statement = 500;

std::size_t bytes_of(const reshard_sql::row_values& row) {
  std::size_t sum = 0;
  for (const auto& value : row) sum += value.size();
  return sum;
}

}  // namespace

row_sink::row_sink(const reshard_context& context, const key_range& shard)
    : runner_(context.runner), shard_(shard), db_(connect_primary(context, shard)) {}

void row_sink::begin() { begin_filling(*db_, runner_); }

void row_sink::commit() { db_->run("COMMIT"); }

void row_sink::put(const mysql::table_layout& table, std::span<const reshard_sql::row_values* const> rows) {
  while (!rows.empty()) {
    std::size_t fitting = 0, bytes = 0;
    while (fitting < rows.size() && fitting < batch_sizes.front()) {
      bytes += bytes_of(*rows[fitting]);
      if (bytes > batch_bytes_max && fitting > 0) break;
      ++fitting;
    }
    const auto count = *std::ranges::find_if(batch_sizes, [&](std::size_t size) { return size <= fitting; });
    auto& put_rows = replacing(table, count);
    int index = 0;
    for (const auto* row : rows.first(count))
      for (const auto& value : *row) put_rows.bind(++index, mysql::text{value});
    put_rows.finish();
    rows = rows.subspan(count);
  }
}

void row_sink::erase(const mysql::table_layout& table, std::span<const std::string> keys) {
  while (!keys.empty()) {
    const auto count = std::min(keys.size(), keys_per_statement);
    db_->run(reshard_sql::delete_rows(table, keys.first(count)));
    keys = keys.subspan(count);
  }
}

void row_sink::note(const std::string& source, const mysql::table_layout& table, const copy_progress& progress) {
  db_->run("REPLACE INTO reshard_progress(source, tbl, chunk, last_key, is_done, rows_copied) VALUES(" +
           db_->quoted(source) + "," + db_->quoted(table.name) + "," + std::to_string(progress.chunk) + "," +
           db_->quoted(progress.last_key) + "," + (progress.is_done ? "1" : "0") + "," + std::to_string(progress.rows) +
           ")");
}

copy_progress row_sink::progress(const std::string& source, const mysql::table_layout& table) {
  auto found = db_->query("SELECT chunk, last_key, is_done, rows_copied FROM reshard_progress WHERE source=" +
                          db_->quoted(source) + " AND tbl=" + db_->quoted(table.name));
  copy_progress progress;
  if (!found.next()) return progress;
  progress.chunk = found.unsigned_number();
  progress.last_key = found.bytes();
  progress.is_done = found.flag();
  progress.rows = found.unsigned_number();
  return progress;
}

mysql::statement& row_sink::replacing(const mysql::table_layout& table, std::size_t row_count) {
  const std::pair key{table.name, row_count};
  const auto known = statements_.find(key);
  if (known != statements_.end()) return known->second;
  return statements_.emplace(key, mysql::statement(*db_, reshard_sql::replace_rows(table, row_count))).first->second;
}

}  // namespace throng
