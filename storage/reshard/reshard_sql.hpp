// SPDX-License-Identifier: Apache-2.0
// The SQL of resharding, as text, built from a table's layout. Pure.
//
// A row's key travels as the literals of its primary key, "17,1700000000000000" or "x'6163'": digits and hex only, so
// that it can stand in a statement, in the journal and in the progress table as it is.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "storage/model/key_range.hpp"
#include "storage/mysql/mysql_schema.hpp"

namespace throng::reshard_sql {

using mysql::table_layout;
using row_values = std::vector<std::string>;  // of table_layout::columns, numbers as digits

/// Bytes, or a number.
bool holds_bytes(std::string_view column);

// -- what a reshard keeps in the databases ---------------------------------------------------------------------------

/// reshard_journal (keys of changed rows, filled by triggers), reshard_progress (how far the copy into this database
/// is), reshard_owner (which runner may write here). CREATE … IF NOT EXISTS.
std::span<const std::string_view> own_tables();
/// The same tables, dropped where they are.
std::span<const std::string_view> drop_own_tables();
/// Three triggers that note the key of each changed row, in the writer's transaction. A session that has set
/// @throng_feeder leaves no trace: what is replayed into a shard isn't to be replayed back.
std::vector<std::string> journal_triggers(const table_layout& table);
std::vector<std::string> drop_journal_triggers(const table_layout& table);

// -- keys ------------------------------------------------------------------------------------------------------------

std::string key_of(const table_layout& table, const row_values& row);
ksid_t ksid_of(const table_layout& table, const row_values& row);
/// The order in which the database has them. REQUIRES: keys of the same table.
bool key_less(std::string_view a, std::string_view b);

// -- reading and writing rows ----------------------------------------------------------------------------------------

/// Rows behind `after` ("": from the first), up to `upto` and it included ("": to the last), at most `count_max`.
struct key_window {
  std::string_view after, upto;
  std::size_t count_max = 0;
};
/// (key, bytes) of the rows of a window in key order.
std::string select_sizes(const table_layout& table, const key_window& window);
/// All columns of the rows of a window in key order.
std::string select_rows(const table_layout& table, const key_window& window);
/// All columns of the rows that have these keys, in no order.
std::string select_rows(const table_layout& table, std::span<const std::string> keys);
/// (key, digest) of the rows of a window in key order, of those in `rows` only. Equal digests: equal rows.
std::string select_digests(const table_layout& table, const key_range& rows, const key_window& window);
std::string select_digests(const table_layout& table, std::span<const std::string> keys);
/// The keys of rows that lie outside of a shard's range.
std::string select_strays(const table_layout& table, const key_range& shard, std::size_t count_max);
/// With a parameter for each column of each row.
std::string replace_rows(const table_layout& table, std::size_t row_count);
std::string delete_rows(const table_layout& table, std::span<const std::string> keys);

}  // namespace throng::reshard_sql
