// SPDX-License-Identifier: Apache-2.0
#include "storage/mysql/post_inserts.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include "storage/mysql/batch_sql.hpp"

namespace throng::mysql {

statement* post_inserts::find(const batch_plan& plan) {
  const auto& posts = plan.messages.in_order();
  if (posts.size() > rows_max) return nullptr;
  std::size_t bytes = 0;
  for (const auto& [key, change] : posts) bytes += change.row->data.size();
  if (bytes > std::min<std::uint64_t>(bytes_max, db_.statement_bytes_max() / 2)) return nullptr;
  return find(posts.size());
}

/// Null for a number of rows that comes for the first time: it may be the last.
statement* post_inserts::find(std::size_t rows) {
  const auto found = std::ranges::find(kept_, rows, &kept::rows);
  if (found != kept_.end()) {
    kept_.splice(kept_.begin(), kept_, found);
    return &found->insert;
  }
  if (!was_seen_.test(rows)) {
    was_seen_.set(rows);
    return nullptr;
  }
  for (; !kept_.empty() && rows_kept_ + rows > rows_kept_max; kept_.pop_back()) {
    rows_kept_ -= kept_.back().rows;
    was_seen_.reset(kept_.back().rows);
  }
  try {
    kept_.push_front({rows, statement(db_, insert_posts_sql(rows))});
  } catch (const failure& why) {
    if (!why.is_too_many_statements()) throw;
    was_seen_.reset(rows);
    return nullptr;
  }
  rows_kept_ += rows;
  return &kept_.front().insert;
}

void post_inserts::run(statement& insert, const batch_plan& plan, std::uint64_t generation, batch_mark mark) const {
  const auto& posts = plan.messages.in_order();
  std::vector<sql_value> values;
  values.reserve(posts.size() * message_columns + 3);
  for (const auto& [key, change] : posts) append_values(values, *change.row, routes_);
  const auto ksid = values.begin() + message_columns - 1;
  values.insert(ksid, {sql_value(generation), sql_value(mark.writer), sql_value(mark.batch)});
  bind_all(insert, values);
  insert.finish();
}

bool post_inserts::is_refusal(const failure& why) {
  return why.is_null_refused() || why.is_duplicate_key() || why.is_conflict_of_locks() || why.is_stale_statement() ||
         why.is_read_only() || why.is_table_full();
}

}  // namespace throng::mysql
