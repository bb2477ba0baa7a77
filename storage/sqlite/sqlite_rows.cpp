// SPDX-License-Identifier: Apache-2.0
#include "storage/sqlite/sqlite_rows.hpp"

#include "storage/sqlite/sqlite_database.hpp"

namespace throng {

result<std::vector<std::pair<std::string, std::uint64_t>>> count_sqlite_rows(const std::filesystem::path& file) {
  try {
    sqlite::database db(file, sqlite::database::mode::read_only, 5'000);
    sqlite::statement tables(
        db, "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%' ORDER BY name");
    std::vector<std::pair<std::string, std::uint64_t>> counts;
    for (auto found = tables.query(); found.next();) counts.emplace_back(found.bytes(), 0);
    for (auto& [name, rows] : counts)
      rows = static_cast<std::uint64_t>(db.number("SELECT count(*) FROM \"" + name + "\""));
    return counts;
  } catch (const sqlite::failure& why) {
    return why.to_error();
  }
}

}  // namespace throng
