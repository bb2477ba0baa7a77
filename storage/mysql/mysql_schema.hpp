// SPDX-License-Identifier: Apache-2.0
// The tables of one shard on MySQL and MariaDB, and how a database is brought up to date: steps of SQL, each applied
// once, under GET_LOCK, online (ALGORITHM=INPLACE or INSTANT, LOCK=NONE), and written down in schema_version.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "storage/model/result.hpp"
#include "storage/mysql/mysql_connection.hpp"

namespace throng::mysql {

struct migration {
  std::int64_t version;
  std::span<const std::string_view> statements;
};
std::span<const migration> migrations();

/// Brings the selected database to the last version of `steps`; several programs may try at once. Errors: fatal_error
/// if the schema is newer than that, or the database another program's (unchanged then); service_unavailable if
/// somebody else has been at it for minutes. Throws failure. `db` should wait as long as its longest step may take.
///
/// MySQL commits after each statement of DDL, so a crash may leave half of a step, which is then repeated: what is
/// there already (a table, column or index), or gone already, is passed over; other statements must be safe to repeat.
result<> migrate(connection& db, std::span<const migration> steps);

/// A sharded table: what a copy of rows (resharding) needs to know of it. Each has a column `ksid`: the keyspace id
/// that routes the row.
struct table_layout {
  std::string_view name;
  std::span<const std::string_view> key;      // primary key columns, in order
  std::span<const std::string_view> columns;  // all that are stored, key and ksid included
};
std::span<const table_layout> sharded_tables();

}  // namespace throng::mysql
