// SPDX-License-Identifier: Apache-2.0
#include "storage/mysql/mysql_rows.hpp"

#include <algorithm>

#include "storage/mysql/mysql_schema.hpp"

namespace throng {

result<std::vector<std::pair<std::string, std::uint64_t>>> count_mysql_rows(const server_address& server,
                                                                            const mysql::connect_options& options,
                                                                            bool is_exact) {
  try {
    mysql::connection db(server, options);
    std::vector<std::pair<std::string, std::uint64_t>> counts;
    for (const auto& table : mysql::sharded_tables()) {
      const std::string name(table.name);
      const auto rows = is_exact ? db.number("SELECT COUNT(*) FROM " + name)
                                 : db.number(
                                       "SELECT table_rows FROM information_schema.tables WHERE table_schema = "
                                       "DATABASE() AND table_name = " +
                                       db.quoted(name));
      counts.emplace_back(name, static_cast<std::uint64_t>(std::max<std::int64_t>(rows, 0)));
    }
    std::sort(counts.begin(), counts.end());
    return counts;
  } catch (const mysql::failure& why) {
    auto failed = why.to_error();
    failed.detail = server + ": " + failed.detail;
    return failed;
  }
}

}  // namespace throng
