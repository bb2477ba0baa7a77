// SPDX-License-Identifier: Apache-2.0
// SHARD TABLE: what one map is routed to: for each serving range its link and its readers. A value; SHARD TABLES has
// the current one.
#pragma once

#include <algorithm>
#include <atomic>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "storage/router/shard_link.hpp"
#include "storage/topology/shard_directory.hpp"

namespace throng {

class read_pool;

struct shard_table {
  struct entry {
    std::shared_ptr<shard_link> link;
    std::shared_ptr<read_pool> readers;
  };
  shard_directory::map_ptr map;
  std::vector<entry> shards;  // as map->serving()

  const entry& of(ksid_t place) const { return shards[shards.size() == 1 ? 0 : map->index_of(place)]; }
};

/// Any thread.
class shard_tables {
 public:
  using table_ptr = std::shared_ptr<const shard_table>;

  table_ptr current() const {
    std::lock_guard lock(mutex_);
    return current_;
  }
  void set(table_ptr table) {
    std::lock_guard lock(mutex_);
    current_ = std::move(table);
    version_.fetch_add(1, std::memory_order_release);
  }
  /// Changes with each set(): spares who keeps the table the lock.
  std::uint64_t version() const { return version_.load(std::memory_order_acquire); }

 private:
  mutable std::mutex mutex_;
  table_ptr current_;
  std::atomic<std::uint64_t> version_{0};
};

}  // namespace throng
