// SPDX-License-Identifier: Apache-2.0
#include "storage/topology/watch_thread.hpp"

#include <algorithm>
#include <utility>

#include "storage/model/assert.hpp"

namespace throng {

namespace {
constexpr std::chrono::seconds retry_after{1};
}  // namespace

struct watch_thread::watch::state {
  std::optional<std::string> prefix;
  job run;
  std::optional<clock::time_point> due;
};

watch_thread::watch_thread() : thread_([this] { work(); }) {}

watch_thread::~watch_thread() {
  {
    std::lock_guard lock(mutex_);
    THRONG_ASSERT(watches_.empty());
    is_stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

std::unique_ptr<watch_thread::watch> watch_thread::start(std::optional<std::string> prefix, job run) {
  auto added = std::make_shared<state>(state{std::move(prefix), std::move(run), std::nullopt});
  std::lock_guard lock(mutex_);
  watches_.push_back(added);
  return std::unique_ptr<watch>(new watch(*this, std::move(added)));
}

void watch_thread::wake(std::string_view key) {
  std::lock_guard lock(mutex_);
  for (auto& one : watches_) {
    if (one->prefix && key.starts_with(*one->prefix)) one->due = clock::now();
  }
  changed_.notify_all();
}

void watch_thread::watch::wake() {
  std::lock_guard lock(thread_.mutex_);
  state_->due = clock::now();
  thread_.changed_.notify_all();
}

watch_thread::watch::~watch() {
  std::unique_lock lock(thread_.mutex_);
  std::erase(thread_.watches_, state_);
  if (std::this_thread::get_id() == thread_.thread_.get_id())
    return;  // the job itself; work() keeps it until it is done
  thread_.changed_.wait(lock, [&] { return thread_.running_ != state_; });
}

std::shared_ptr<watch_thread::state> watch_thread::next_due(clock::time_point& next) {
  auto now = clock::now();
  next = clock::time_point::max();
  for (auto one = watches_.begin(); one != watches_.end(); ++one) {
    if (!(*one)->due) continue;
    if (*(*one)->due <= now) {
      watches_.splice(watches_.end(), watches_, one);
      return watches_.back();
    }
    next = std::min(next, *(*one)->due);
  }
  return nullptr;
}

void watch_thread::work() {
  std::unique_lock lock(mutex_);
  while (!is_stopping_) {
    clock::time_point next;
    running_ = next_due(next);
    if (!running_) {
      if (next == clock::time_point::max())
        changed_.wait(lock);
      else
        changed_.wait_until(lock, next);
      continue;
    }
    running_->due.reset();  // what changes from here on is another call
    lock.unlock();
    bool is_done = running_->run();
    lock.lock();
    if (!is_done && !running_->due) running_->due = clock::now() + retry_after;
    auto finished = std::exchange(running_, nullptr);
    changed_.notify_all();
    lock.unlock();
    finished.reset();  // what the job holds is destroyed without the lock
    lock.lock();
  }
}

}  // namespace throng
