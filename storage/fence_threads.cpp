// SPDX-License-Identifier: Apache-2.0
#include "storage/fence_threads.hpp"

#include <utility>

namespace throng {

void fence_threads::raise(std::vector<fence> guards, const callback& done) {
  std::map<std::string, std::vector<fence>> by_shard;
  for (const auto& each : guards) by_shard[shard_of_(each.slot)].push_back(each);
  {
    std::lock_guard lock(mutex_);
    if (is_stopping_) return;
    for (auto& [shard, own] : by_shard) {
      auto& self = workers_[shard];
      self.waiting.emplace_back(std::move(own), done);
      if (!self.thread.joinable()) self.thread = std::thread([this, &self] { run(self); });
    }
  }
  has_work_.notify_all();
}

void fence_threads::stop() {
  {
    std::lock_guard lock(mutex_);
    is_stopping_ = true;
  }
  has_work_.notify_all();
  for (auto& [_, each] : workers_)  // nobody adds any more
    if (each.thread.joinable()) each.thread.join();
}

void fence_threads::run(worker& self) {
  std::unique_lock lock(mutex_);
  while (true) {
    has_work_.wait(lock, [&] { return is_stopping_ || !self.waiting.empty(); });
    if (is_stopping_) return;
    auto work = std::exchange(self.waiting, {});
    lock.unlock();
    std::vector<fence> all;
    for (const auto& [guards, _] : work) all.insert(all.end(), guards.begin(), guards.end());
    outcomes raised;
    raise_now(all, raised);
    auto next = raised.begin();
    for (const auto& [guards, done] : work) {
      const auto end = next + static_cast<std::ptrdiff_t>(guards.size());
      done({std::make_move_iterator(next), std::make_move_iterator(end)});
      next = end;
    }
    lock.lock();
  }
}

/// All in one transaction; where one of them is refused, the rest is found by halving.
void fence_threads::raise_now(const std::vector<fence>& guards, outcomes& into) {
  const auto raised = rows_.raise_fences(guards, by_);
  if (raised || guards.size() == 1 || raised.code() != errc::stale_epoch) {
    for (const auto& each : guards) into.emplace_back(each, raised);
    return;
  }
  const auto middle = guards.begin() + static_cast<std::ptrdiff_t>(guards.size() / 2);
  raise_now({guards.begin(), middle}, into);
  raise_now({middle, guards.end()}, into);
}

}  // namespace throng
