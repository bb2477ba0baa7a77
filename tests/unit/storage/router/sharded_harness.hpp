// SPDX-License-Identifier: Apache-2.0
// Several SQLite files as shards, behind the router.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "storage/router/sharded_storage.hpp"
#include "storage/sqlite/sqlite_store.hpp"
#include "tests/support/lookup_shard.hpp"
#include "tests/support/temporary_folder.hpp"

namespace throng {

inline shard_map map_of(const std::vector<std::string>& ranges, topology_version version = 1) {
  std::vector<shard_record> serving;
  for (const auto& text : ranges) {
    shard_record record;
    record.range = parse_key_range(text).value();
    record.primary = "server of " + text;
    record.servers = record.in_sync = {record.primary};
    serving.push_back(record);
  }
  auto map = shard_map::make(std::move(serving), {}, version);
  if (!map) FAIL(map.failure().detail);
  return std::move(*map);
}

/// The databases of a test; they outlive the storage on them.
class sqlite_shards {
 public:
  sharded_storage::opener opener() {
    return [this](const shard_record& record) -> result<std::unique_ptr<store>> {
      std::lock_guard lock(mutex_);
      auto& one = shards_[record.name()];
      if (!one.rows) {
        auto opened = open_sqlite_store(folder_.path() / (record.name() + ".db"), {});
        if (!opened) return opened.failure();
        one.rows = std::move(*opened);
      }
      return std::unique_ptr<store>(std::make_unique<lookup_shard>(one.rows, one.lookups));
    };
  }
  /// The shard's own store, as far as it was opened.
  store& of(const std::string& range) { return *shards_.at(range).rows; }
  lookup_rows& lookups_in(const std::string& range) { return *shards_.at(range).lookups; }
  void close() {
    for (auto& [name, one] : shards_) one.rows.reset();
  }

 private:
  struct shard {
    std::shared_ptr<store> rows;
    std::shared_ptr<lookup_rows> lookups = std::make_shared<lookup_rows>();
  };
  temporary_folder folder_;
  std::mutex mutex_;
  std::map<std::string, shard> shards_;
};

inline std::unique_ptr<sharded_storage> start_storage(shard_directory& directory, sharded_storage::opener open,
                                                      const sharded_storage::options& how = {}) {
  auto started = sharded_storage::start(directory, table_routes::standard(), std::move(open), how);
  if (!started) FAIL(started.failure().detail);
  return std::move(*started);
}

}  // namespace throng
