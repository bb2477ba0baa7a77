// SPDX-License-Identifier: Apache-2.0
#include "storage/mysql/shard_health.hpp"

#include "config/log.hpp"

namespace throng::mysql {

bool shard_health::admit(std::chrono::milliseconds patience, clock::time_point now) {
  if (!is_down_.load(std::memory_order_relaxed)) return true;
  std::lock_guard lock(mutex_);
  if (!is_down_ || now - down_since_ < patience) return true;
  if (is_looking_ || now - last_look_ < look_again) return false;
  return is_looking_ = true;
}

void shard_health::failed(std::string_view why, clock::time_point now) {
  std::lock_guard lock(mutex_);
  is_looking_ = false;
  last_look_ = now;
  reason_ = why;
  if (is_down_.exchange(true)) return;
  down_since_ = now;
  log::warn("{} wait: {}", purpose_, why);
}

void shard_health::fine(clock::time_point now) {
  if (!is_down_.load(std::memory_order_relaxed)) return;
  std::lock_guard lock(mutex_);
  is_looking_ = false;
  if (!is_down_.exchange(false)) return;
  log::info("{} go on: the shard {} is back after {} ms", purpose_, shard_,
            std::chrono::duration_cast<std::chrono::milliseconds>(now - down_since_).count());
}

std::string shard_health::reason() const {
  std::lock_guard lock(mutex_);
  return reason_;
}

}  // namespace throng::mysql
