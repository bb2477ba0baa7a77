// SPDX-License-Identifier: Apache-2.0
// AUTHENTICATOR: token → caller, from the TOKEN CACHE or the store. One per node; any thread.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <string_view>

#include "cluster/task.hpp"
#include "net/api/caller.hpp"
#include "net/api/token_cache.hpp"
#include "storage/model/result.hpp"
#include "storage/reader_pool.hpp"

namespace throng {

class authenticator {
 public:
  /// `admin_token` may be empty: then nobody is admin. At most `lookups_max` unknown tokens are looked up at once, far
  /// fewer than may wait for a reader: who makes tokens up must not fill the READER POOL.
  authenticator(reader_pool& readers, std::string admin_token, std::size_t cached_tokens_max,
                std::chrono::milliseconds cache_ttl, std::size_t lookups_max = 1'000);

  /// Continues on `where`. Errors: not_authed (empty), invalid_auth, token_revoked, token_expired, account_inactive,
  /// service_unavailable.
  task<result<caller_ptr>> authenticate(executor_ptr where, std::string token, steady_time now, wall_time wall);

  token_cache& cache() { return cache_; }

 private:
  reader_pool& readers_;
  const caller_ptr admin_;
  token_cache cache_;
  const std::size_t lookups_max_;
  const std::shared_ptr<std::atomic<std::size_t>> lookups_ = std::make_shared<std::atomic<std::size_t>>(0);
};

}  // namespace throng
