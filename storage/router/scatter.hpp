// SPDX-License-Identifier: Apache-2.0
// SCATTER: one query on every shard at the same time, and who hasn't answered when the time is over. The shards' READ
// POOLS run it; SCATTERS keeps the deadlines, and is told the time by the router's own thread. Any thread.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>

#include "storage/model/time.hpp"
#include "storage/router/shard_table.hpp"
#include "storage/router/sharded_storage.hpp"

namespace throng {

class scatters {
 public:
  using gathered = std::function<void(std::vector<sharded_storage::shard_answer>, std::vector<std::string> missing)>;

  explicit scatters(std::size_t count_max) : count_max_(count_max) {}

  /// Past the bound every shard's answer is errc::overloaded.
  void start(const shard_table& table, const sharded_storage::shard_query& query, steady_time deadline, gathered done);
  /// Ends those whose time is over.
  void expire(steady_time now);
  /// When expire() is needed next.
  std::optional<steady_time> next_deadline() const;

 private:
  class call;
  /// Forgets those that are complete. REQUIRES: the mutex.
  void clean();

  const std::size_t count_max_;
  mutable std::mutex mutex_;
  std::multimap<steady_time, std::weak_ptr<call>> under_way_;
};

}  // namespace throng
