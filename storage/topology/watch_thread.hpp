// SPDX-License-Identifier: Apache-2.0
// WATCH THREAD: one thread of a topology store that calls its watchers, one after the other, so that none is called
// twice at once and none sees an older state after a newer one. Wakes that come while a watch waits are one.
// A slow watcher delays the others. Bounds: one pending call per watch.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include "storage/topology/topology_store.hpp"

namespace throng {

class watch_thread {
 public:
  /// False: it couldn't read the state; it is called again after a second.
  using job = std::function<bool()>;

  /// When its destructor returns, the job isn't running and won't again, unless it was destroyed by its own job.
  class watch final : public topology_store::handle {
   public:
    ~watch() override;
    /// Soon, the job runs. Any thread.
    void wake();

   private:
    friend class watch_thread;
    struct state;
    watch(watch_thread& thread, std::shared_ptr<state> state) : thread_(thread), state_(std::move(state)) {}
    watch_thread& thread_;
    std::shared_ptr<state> state_;
  };

  watch_thread();
  /// REQUIRES: all watches are gone, and this isn't the watch thread.
  ~watch_thread();
  watch_thread(const watch_thread&) = delete;
  watch_thread& operator=(const watch_thread&) = delete;

  /// Without a prefix, no key wakes it.
  std::unique_ptr<watch> start(std::optional<std::string> prefix, job run);
  /// Wakes the watches whose prefix `key` starts with.
  void wake(std::string_view key);

 private:
  using state = watch::state;
  using clock = std::chrono::steady_clock;
  void work();
  /// The first that is due, or none. REQUIRES: mutex_ is held.
  std::shared_ptr<state> next_due(clock::time_point& next);

  std::mutex mutex_;
  std::condition_variable changed_;
  std::list<std::shared_ptr<state>> watches_;  // who was called last is at the end
  std::shared_ptr<state> running_;
  bool is_stopping_ = false;
  std::thread thread_;
};

}  // namespace throng
