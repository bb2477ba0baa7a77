// SPDX-License-Identifier: Apache-2.0
#include "net/api/token_cache.hpp"

#include <cstring>

namespace throng {

std::size_t token_cache::hash_of::operator()(const token_hash& hash) const noexcept {
  std::size_t value;
  std::memcpy(&value, hash.data(), sizeof value);  // SHA-256 is as good as random already
  return value;
}

caller_ptr token_cache::find(const token_hash& hash, steady_time now) {
  std::lock_guard lock(mutex_);
  auto found = index_.find(hash);
  if (found == index_.end()) return nullptr;
  if (found->second->until <= now) {
    entries_.erase(found->second);
    index_.erase(found);
    return nullptr;
  }
  entries_.splice(entries_.begin(), entries_, found->second);
  return found->second->caller;
}

void token_cache::put(caller_ptr caller, steady_time now, std::uint64_t generation) {
  std::lock_guard lock(mutex_);
  if (generation != generation_) return;
  if (auto found = index_.find(caller->hash); found != index_.end()) {
    entries_.erase(found->second);
    index_.erase(found);
  }
  entries_.push_front({std::move(caller), now + ttl_});
  index_.emplace(entries_.front().caller->hash, entries_.begin());
  if (entries_.size() > entries_max_) {
    index_.erase(entries_.back().caller->hash);
    entries_.pop_back();
  }
}

std::uint64_t token_cache::generation() const {
  std::lock_guard lock(mutex_);
  return generation_;
}

void token_cache::forget(const token_hash& hash) {
  std::lock_guard lock(mutex_);
  ++generation_;
  auto found = index_.find(hash);
  if (found == index_.end()) return;
  entries_.erase(found->second);
  index_.erase(found);
}

void token_cache::forget_user(user_id user) {
  std::lock_guard lock(mutex_);
  ++generation_;
  for (auto at = entries_.begin(); at != entries_.end();) {
    if (at->caller->user != user) {
      ++at;
      continue;
    }
    index_.erase(at->caller->hash);
    at = entries_.erase(at);
  }
}

std::size_t token_cache::size() const {
  std::lock_guard lock(mutex_);
  return entries_.size();
}

}  // namespace throng
