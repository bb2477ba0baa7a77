// SPDX-License-Identifier: Apache-2.0
// The tables, and how an older file becomes a newer one. Migrations run by themselves when a store is opened, each in
// a transaction of its own that also records it in `schema_version`: a crash between two of them is harmless.
// Rule: a released migration is never changed; a change of the tables is a new one at the end.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "storage/model/result.hpp"
#include "storage/sqlite/sqlite_database.hpp"

namespace throng::sqlite {

/// Marks a file as ours, in SQLite's header ("Thrn").
inline constexpr std::int64_t application_id = 0x5468726e;

struct migration {
  int version;
  std::string_view sql;
};

/// All of them, by version, starting at 1.
std::span<const migration> migrations();

/// Refuses a database that another program made, before anything in it is touched. A database without tables is fine.
result<> check_is_ours(database& db);

/// Brings the database to the last version of `steps`. errc::fatal_error for a file from a newer Throng, unchanged.
result<> migrate(database& db, std::span<const migration> steps);

}  // namespace throng::sqlite
