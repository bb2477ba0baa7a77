// SPDX-License-Identifier: Apache-2.0
// What API handlers work with; owned by the node, which outlives every call.
#pragma once

#include <chrono>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>

#include "cluster/region.hpp"
#include "net/api/api_options.hpp"
#include "net/api/authenticator.hpp"
#include "net/api/rate_limiter.hpp"
#include "net/gateway/delivery_log.hpp"
#include "net/render/bots.hpp"
#include "storage/commit_queue.hpp"
#include "storage/reader_pool.hpp"
#include "storage/router/sharded_storage.hpp"

namespace throng {

/// The RATE LIMITER for all io threads. Held for well under a microsecond a call.
class shared_rate_limiter {
 public:
  explicit shared_rate_limiter(rate_limiter_options options) : limiter_(options) {}
  std::chrono::seconds check(const rate_limiter::call& what, steady_time now) {
    std::lock_guard lock(mutex_);
    return limiter_.check(what, now);
  }
  bool set_override(team_id team, std::string_view method, std::uint64_t limit, std::chrono::seconds window) {
    std::lock_guard lock(mutex_);
    return limiter_.set_override(team, method, limit, window);
  }

 private:
  std::mutex mutex_;
  rate_limiter limiter_;
};

/// A store of several shards, for what concerns more than one of them.
struct shard_access {
  sharded_storage& storage;
  const shard_directory& directory;
};

struct api_services {
  region& entities;
  reader_pool& readers;
  commit_queue& commits;
  authenticator& tokens;
  shared_rate_limiter& rates;
  const bot_directory* bots = nullptr;  // null: no bot_profile beside posts
  api_options options{};
  const shard_access* shards = nullptr;  // null: one store that isn't sharded
  delivery_log* deliveries = nullptr;    // where answers to posts are noted; null: nowhere
  /// Where a client that came by this base URL ("ws://…") gets its websocket. Any thread. None: there.
  std::function<std::string(std::string)> websocket_place{};
};

}  // namespace throng
