// SPDX-License-Identifier: Apache-2.0
// FENCE THREADS: raises fences for a node whose slots change while it serves. A thread for each shard, so that one that
// is away keeps no other shard's slots closed; what waits for a thread is raised in one transaction.
// Bounded by the slots there are: a region asks for each once, and again after an answer.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "storage/store.hpp"

namespace throng {

class fence_threads {
 public:
  using outcomes = std::vector<std::pair<fence, result<>>>;
  using callback = std::function<void(outcomes)>;
  /// Slots with the same name are raised together. Any thread.
  using shard_of = std::function<std::string(slot_id)>;

  /// `rows` takes raise_fences() for different shards at the same time, and outlives this. All are raised for `by`.
  fence_threads(store& rows, fence_holder by, shard_of where) : rows_(rows), by_(by), shard_of_(std::move(where)) {}
  ~fence_threads() { stop(); }
  fence_threads(const fence_threads&) = delete;
  fence_threads& operator=(const fence_threads&) = delete;

  /// Any thread. `done` comes for each shard's fences once, on its thread; not for what waits when it is stopped.
  void raise(std::vector<fence> guards, const callback& done);
  /// Waits for what is being raised.
  void stop();

 private:
  struct worker {
    std::vector<std::pair<std::vector<fence>, callback>> waiting;
    std::thread thread;
  };
  void run(worker& self);
  void raise_now(const std::vector<fence>& guards, outcomes& into);

  store& rows_;
  const fence_holder by_;
  const shard_of shard_of_;
  std::mutex mutex_;
  std::condition_variable has_work_;
  bool is_stopping_ = false;
  std::map<std::string, worker> workers_;
};

}  // namespace throng
