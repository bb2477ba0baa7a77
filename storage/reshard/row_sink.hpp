// SPDX-License-Identifier: Apache-2.0
// Where a feeder's rows go: one shard that is being filled. Each begin() … commit() is one transaction that checks the
// guard and holds rows, deletions and the progress of the copy. Throws mysql::failure and superseded; after a throw the
// sink is useless.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "storage/reshard/reshard_link.hpp"
#include "storage/reshard/reshard_sql.hpp"

namespace throng {

/// How far the copy of one table of one source into one target has come.
struct copy_progress {
  std::uint64_t chunk = 0;  // counts chunks
  std::string last_key;     // rows up to here are copied
  bool is_done = false;
  std::uint64_t rows = 0;  // that went here
};

class row_sink {
 public:
  row_sink(const reshard_context& context, const key_range& shard);

  const key_range& shard() const { return shard_; }
  void begin();
  /// Whole rows, whether they were there or not.
  void put(const mysql::table_layout& table, std::span<const reshard_sql::row_values* const> rows);
  void erase(const mysql::table_layout& table, std::span<const std::string> keys);
  void note(const std::string& source, const mysql::table_layout& table, const copy_progress& progress);
  void commit();
  copy_progress progress(const std::string& source, const mysql::table_layout& table);

 private:
  mysql::statement& replacing(const mysql::table_layout& table, std::size_t row_count);

  const std::uint64_t runner_;
  const key_range shard_;
  std::unique_ptr<mysql::connection> db_;
  // After db_, so that they go before it.
  std::map<std::pair<std::string_view, std::size_t>, mysql::statement> statements_;
};

}  // namespace throng
