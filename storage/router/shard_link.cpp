// SPDX-License-Identifier: Apache-2.0
#include "storage/router/shard_link.hpp"

#include <utility>

namespace throng {

namespace {

// A guess: long enough that callers don't queue up behind each other's connects, short against a failover.
constexpr std::chrono::milliseconds pause_after_failure{250};

}  // namespace

shard_record shard_link::record() const {
  std::lock_guard lock(record_mutex_);
  return record_;
}

void shard_link::update(shard_record record) {
  std::lock_guard lock(record_mutex_);
  record_ = std::move(record);
}

result<std::unique_ptr<store>> shard_link::open() {
  std::lock_guard lock(open_mutex_);
  auto now = std::chrono::steady_clock::now();
  if (now < try_again_) return last_failure_;
  auto opened = open_(record());
  if (!opened) {
    last_failure_ = opened.failure();
    try_again_ = std::chrono::steady_clock::now() + pause_after_failure;
  }
  return opened;
}

result<std::shared_ptr<store>> shard_link::common() {
  {
    std::lock_guard lock(common_mutex_);
    if (common_) return common_;
  }
  auto opened = open();
  if (!opened) return opened.failure();
  std::lock_guard lock(common_mutex_);
  if (!common_) common_ = std::move(*opened);  // else another thread was first, and this one goes
  return common_;
}

result<shard_link::reader> shard_link::make_reader() {
  auto rows = common();
  if (!rows) return rows.failure();
  std::lock_guard lock(common_mutex_);
  auto made = (*rows)->make_reader();
  return reader{std::move(*rows), std::move(made)};
}

result<> shard_link::raise_fences(std::span<const fence> guards, fence_holder by) {
  auto rows = common();
  if (!rows) return rows.failure();
  std::lock_guard lock(fences_mutex_);
  return (*rows)->raise_fences(guards, by);
}

result<std::vector<fence>> shard_link::fences() {
  auto rows = common();
  if (!rows) return rows.failure();
  std::lock_guard lock(fences_mutex_);
  return (*rows)->fences();
}

}  // namespace throng
