// SPDX-License-Identifier: Apache-2.0
#include "storage/reader_pool.hpp"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <pthread.h>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "storage/model/assert.hpp"

namespace throng {

namespace {

using job = reader_pool::job;

/// A job that throws would end its thread: noexcept makes that the end of the process, which nobody overlooks.
void run(job work, store_reader* reader, errc refused) noexcept { work(reader, refused); }

/// What waits, and its bound. Not thread-safe.
class backlog {
 public:
  explicit backlog(std::size_t waiting_max) : waiting_max_(waiting_max) {}

  /// Takes the job, or leaves it and says why.
  std::optional<errc> add(job& work) {
    if (is_stopping_) return errc::stopping;
    if (waiting_.size() >= waiting_max_) return errc::overloaded;
    waiting_.push_back(std::move(work));
    return std::nullopt;
  }
  /// REQUIRES: !empty().
  job take() {
    auto oldest = std::move(waiting_.front());
    waiting_.pop_front();
    return oldest;
  }

  void refuse_from_now_on() { is_stopping_ = true; }
  bool is_stopping() const { return is_stopping_; }
  bool empty() const { return waiting_.empty(); }
  std::size_t size() const { return waiting_.size(); }

 private:
  std::size_t waiting_max_;
  std::deque<job> waiting_;
  bool is_stopping_ = false;
};

class threaded_reader_pool final : public reader_pool {
 public:
  threaded_reader_pool(store& source, std::size_t threads, std::size_t waiting_max) : backlog_(waiting_max) {
    THRONG_ASSERT(threads > 0);
    for (std::size_t i = 0; i < threads; ++i) {
      // The readers are made here: make_reader() need not be thread-safe.
      threads_.emplace_back([this, reader = source.make_reader()] { serve(*reader); });
      pthread_setname_np(threads_.back().native_handle(), ("throng-read-" + std::to_string(i)).c_str());
    }
  }
  ~threaded_reader_pool() override { threaded_reader_pool::stop(); }

  void read(ksid_t, job work) override {
    std::optional<errc> refused;
    {
      std::lock_guard lock(mutex_);
      refused = backlog_.add(work);
    }
    if (refused)
      run(std::move(work), nullptr, *refused);
    else
      changed_.notify_one();
  }
  std::size_t waiting() const override {
    std::lock_guard lock(mutex_);
    return backlog_.size();
  }
  void stop() override {
    {
      std::lock_guard lock(mutex_);
      backlog_.refuse_from_now_on();
    }
    changed_.notify_all();
    std::call_once(joined_, [this] {
      for (auto& thread : threads_) thread.join();
    });
  }

 private:
  void serve(store_reader& reader) {
    std::unique_lock lock(mutex_);
    while (true) {
      changed_.wait(lock, [this] { return !backlog_.empty() || backlog_.is_stopping(); });
      if (backlog_.empty()) return;
      auto work = backlog_.take();
      lock.unlock();
      run(std::move(work), &reader, errc{});
      lock.lock();
    }
  }

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  backlog backlog_;
  std::once_flag joined_;
  std::vector<std::thread> threads_;
};

class pumped_reader_pool final : public manual_reader_pool {
 public:
  pumped_reader_pool(store& source, std::size_t waiting_max) : reader_(source.make_reader()), backlog_(waiting_max) {}

  void read(ksid_t, job work) override {
    if (auto refused = backlog_.add(work)) run(std::move(work), nullptr, *refused);
  }
  bool pump() override {
    if (backlog_.empty()) return false;
    run(backlog_.take(), reader_.get(), errc{});
    return true;
  }
  std::size_t waiting() const override { return backlog_.size(); }
  void stop() override {
    backlog_.refuse_from_now_on();
    while (pump()) {
    }
  }

 private:
  std::unique_ptr<store_reader> reader_;
  backlog backlog_;
};

}  // namespace

std::unique_ptr<reader_pool> make_reader_pool(store& source, std::size_t threads, std::size_t waiting_max) {
  return std::make_unique<threaded_reader_pool>(source, threads, waiting_max);
}

std::unique_ptr<manual_reader_pool> make_manual_reader_pool(store& source, std::size_t waiting_max) {
  return std::make_unique<pumped_reader_pool>(source, waiting_max);
}

}  // namespace throng
