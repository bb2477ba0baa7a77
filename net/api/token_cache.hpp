// SPDX-License-Identifier: Apache-2.0
// TOKEN CACHE: what recent tokens stand for, so that a call doesn't ask the store. At the bound the least recently used
// goes; each entry goes after `ttl`, which is how long another node's revocation may take to be noticed here.
// Thread-safe; time is handed in.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <list>
#include <mutex>
#include <unordered_map>

#include "net/api/caller.hpp"

namespace throng {

class token_cache {
 public:
  token_cache(std::size_t entries_max, std::chrono::milliseconds ttl) : entries_max_(entries_max), ttl_(ttl) {}

  caller_ptr find(const token_hash& hash, steady_time now);
  /// `generation` is what generation() was before the store was read: if something was forgotten meanwhile, what was
  /// read may be older than that, and isn't kept.
  void put(caller_ptr caller, steady_time now, std::uint64_t generation);
  std::uint64_t generation() const;
  /// This token was revoked.
  void forget(const token_hash& hash);
  /// This person was deactivated or has another role.
  void forget_user(user_id user);
  std::size_t size() const;

 private:
  struct entry {
    caller_ptr caller;
    steady_time until;
  };
  struct hash_of {
    std::size_t operator()(const token_hash& hash) const noexcept;
  };
  using entries = std::list<entry>;  // the most recently used first

  mutable std::mutex mutex_;
  const std::size_t entries_max_;
  const std::chrono::milliseconds ttl_;
  entries entries_;
  std::unordered_map<token_hash, entries::iterator, hash_of> index_;
  std::uint64_t generation_ = 0;
};

}  // namespace throng
