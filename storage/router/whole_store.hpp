// SPDX-License-Identifier: Apache-2.0
// WHOLE STORE: all shards as one blocking store: commits through the router's lanes, fences in the shard of their slot,
// readers that reach everything. For the start of a node, tools and tests. Any thread.
#pragma once

#include <chrono>
#include <functional>

#include "storage/router/commit_router.hpp"
#include "storage/router/shard_table.hpp"
#include "storage/store.hpp"

namespace throng {

class whole_store final : public store {
 public:
  whole_store(commit_queue& commits, const shard_tables& tables, const shard_directory& shards,
              const table_routes& routes, std::chrono::milliseconds hold_max)
      : commits_(commits), tables_(tables), shards_(shards), routes_(routes), hold_max_(hold_max) {}

  result<std::vector<result<>>> commit(std::span<const commit_unit> units) override;
  result<> raise_fences(std::span<const fence> guards, fence_holder by) override;
  result<std::vector<fence>> fences() override;
  std::unique_ptr<store_reader> make_reader() override;

 private:
  commit_queue& commits_;
  const shard_tables& tables_;
  const shard_directory& shards_;
  const table_routes& routes_;
  const std::chrono::milliseconds hold_max_;
};

}  // namespace throng
