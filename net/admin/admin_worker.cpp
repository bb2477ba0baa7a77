// SPDX-License-Identifier: Apache-2.0
#include "net/admin/admin_worker.hpp"

#include <pthread.h>
#include <utility>

namespace throng {

bool admin_worker::submit(std::function<void()> job) {
  std::lock_guard lock(mutex_);
  if (is_stopped_ || waiting_.size() >= waiting_max_) return false;
  waiting_.push_back(std::move(job));
  if (!thread_.joinable()) thread_ = std::thread([this] { run(); });
  changed_.notify_one();
  return true;
}

void admin_worker::stop() {
  std::deque<std::function<void()>> dropped;
  {
    std::lock_guard lock(mutex_);
    is_stopped_ = true;
    dropped.swap(waiting_);  // destroyed without the lock: what they hold may have something to say
  }
  changed_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void admin_worker::run() {
  ::pthread_setname_np(::pthread_self(), "admin");
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return is_stopped_ || !waiting_.empty(); });
    if (is_stopped_) return;
    auto job = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    job();
    job = nullptr;
    lock.lock();
  }
}

}  // namespace throng
