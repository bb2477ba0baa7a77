// SPDX-License-Identifier: Apache-2.0
// AUTHENTICATOR: token → caller, from the TOKEN CACHE or the store. One per node; any thread.
#pragma once

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
  /// `admin_token` may be empty: then nobody is admin.
  authenticator(reader_pool& readers, std::string admin_token, std::size_t cached_tokens_max,
                std::chrono::milliseconds cache_ttl);

  /// Continues on `where`. Errors: not_authed (empty), invalid_auth, token_revoked, token_expired, account_inactive,
  /// service_unavailable.
  task<result<caller_ptr>> authenticate(executor_ptr where, std::string token, steady_time now, wall_time wall);

  token_cache& cache() { return cache_; }

 private:
  reader_pool& readers_;
  const caller_ptr admin_;
  token_cache cache_;
};

}  // namespace throng
