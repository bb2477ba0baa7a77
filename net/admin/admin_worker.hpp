// SPDX-License-Identifier: Apache-2.0
// ADMIN WORKER: a thread for what the shell does that may block (counting rows, a reparent), one job after the other.
// Bounded: past the bound submit() refuses.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

namespace throng {

class admin_worker {
 public:
  explicit admin_worker(std::size_t waiting_max = 16) : waiting_max_(waiting_max) {}
  ~admin_worker() { stop(); }
  admin_worker(const admin_worker&) = delete;
  admin_worker& operator=(const admin_worker&) = delete;

  /// Any thread. False, and `job` won't run, if too many wait or it was stopped. The thread starts with the first job.
  bool submit(std::function<void()> job);
  /// Ends after the job under way; what waits is dropped unrun. Blocks.
  void stop();

 private:
  void run();

  const std::size_t waiting_max_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> waiting_;
  bool is_stopped_ = false;
  std::thread thread_;
};

}  // namespace throng
