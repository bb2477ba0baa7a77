// SPDX-License-Identifier: Apache-2.0
// STORAGE ADMIN: what the shell sees of the store, and what it can do to it. Implemented by the program for each kind
// of store; every call may block, so the shell makes them on its ADMIN WORKER.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "net/admin/shell_reply.hpp"
#include "net/admin/shell_words.hpp"
#include "storage/model/result.hpp"

namespace throng {

/// One database server of a shard.
struct server_view {
  std::string address;
  bool is_primary = false;
  std::string state;  // "in sync", "behind", "away: …"
  std::optional<std::chrono::milliseconds> lag;
};

struct shard_view {
  std::string keyspace, range;
  bool is_serving = true;
  std::string primary;  // empty: there is none now
  std::uint64_t term = 0;
  std::size_t in_sync = 0;  // servers, the primary too
  std::vector<server_view> servers;
  std::size_t waiting_units = 0;
  double commits_per_second = 0;  // units, over the last seconds
  std::chrono::microseconds commit_p99{0};
  std::string diagnosis;  // what is wrong, or "fine"
};

/// Rows of one table in one shard.
struct table_rows {
  std::string table, shard;
  std::uint64_t rows = 0;
  bool is_estimate = false;
};

class storage_admin {
 public:
  struct row_counts {
    std::vector<table_rows> tables;
    std::vector<std::string> missing;  // shards that didn't answer
  };

  virtual ~storage_admin() = default;
  virtual std::vector<shard_view> shards() = 0;
  /// Exact counts read every row's key; estimates cost nothing.
  virtual result<row_counts> rows(bool is_exact) = 0;
  /// Makes `server` the primary of the shard. A sentence of what was done.
  virtual result<std::string> reparent(std::string_view shard, std::string_view server) = 0;
  /// `reshard VERB …`; all the words of the line.
  virtual result<shell_table> reshard(const shell_words& words) = 0;
};

}  // namespace throng
