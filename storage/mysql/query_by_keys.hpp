// SPDX-License-Identifier: Apache-2.0
// Rows by any number of keys, as few queries: the keys sorted, each once, in lists that a server still looks up in an
// index. Throws failure.
#pragma once

#include <algorithm>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "storage/mysql/batch_sql.hpp"
#include "storage/mysql/mysql_connection.hpp"

namespace throng::mysql {

/// Runs `before` + some of the keys + `after` as queries, and shows each row to `take`.
template <class Key, class Take>
void query_by_keys(connection& db, std::string_view before, std::vector<Key> keys, std::string_view after, Take take) {
  std::ranges::sort(keys);
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  std::span<const Key> left(keys);
  while (!left.empty()) {
    auto some = left.first(std::min(listed_keys_max, left.size()));
    left = left.subspan(some.size());
    auto found = db.query(std::string(before) + " IN (" + literals(some) + ")" + std::string(after));
    while (found.next()) take(found);
  }
}

}  // namespace throng::mysql
