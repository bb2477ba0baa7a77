// SPDX-License-Identifier: Apache-2.0
// A BATCH PLAN as statements: for each table one multi-row INSERT of what must be new, one of what is put, one DELETE;
// rows by primary key, tables always in the same order, so that two writers seldom wait for each other crosswise.
// Pure. Statements of text, because their number of rows is never the same twice, and a server forgets none of them
// when a table changes; a large row goes as a statement with parameters, since escaping may double it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "storage/mysql/batch_plan.hpp"
#include "storage/mysql/sql_value.hpp"

namespace throng::mysql {

struct batch_statement {
  std::string text;
  std::vector<sql_value> values;  // of its question marks; none: it has no question marks, only literals
};

inline constexpr std::size_t large_row_bytes = 1u << 20;
/// A statement ends after the row that takes it past this; with the last row's escapes it stays below half a packet.
inline constexpr std::size_t statement_bytes = 4u << 20;
inline constexpr std::size_t listed_keys_max = 500;  // of an IN (…): MariaDB makes a subquery of 1,000

/// Points into the plan's rows.
std::vector<batch_statement> statements_of(const batch_plan& plan, const placement& where);

/// `first`, the plan, and a COMMIT, for one packet. nullopt: it is too large for one (`bytes_max`, and as statements
/// are), or has a row or a trim that goes in another way.
std::optional<std::vector<std::string>> packet_of(std::string first, const batch_plan& plan, const placement& where,
                                                  std::uint64_t bytes_max);

/// An INSERT of so many posts, for append_values() of each of them, in order, but that before the first one's ksid go
/// the guard row's generation, and the writer and the batch of a mark: that ksid is NULL, which is refused, where the
/// guard row isn't so, or the writer's mark isn't older. REQUIRES: rows > 0.
std::string insert_posts_sql(std::size_t rows);
inline constexpr std::ptrdiff_t message_columns = 10;  // of the table messages; the last is ksid
/// A post's columns; the values point into `row`.
void append_values(std::vector<sql_value>& values, const message_record& row, const table_routes& routes);

/// INSERT … ON DUPLICATE KEY UPDATE of the fences' rows.
std::string put_fences_sql(std::span<const fence> guards, fence_holder by, const table_routes& routes);

/// "a literal": bytes as they are, whatever the connection's character set. For sessions without
/// NO_BACKSLASH_ESCAPES, which is how mysql::connection opens them.
void append_literal(std::string& sql, std::string_view bytes);
void append_literal(std::string& sql, std::uint64_t number);
void append_literal(std::string& sql, std::int64_t number);
std::string literal(std::string_view bytes);

/// "(1,2),(1,3)", for WHERE (a, b) IN (…).
template <class Key>
std::string literals(std::span<const Key> keys);

}  // namespace throng::mysql
