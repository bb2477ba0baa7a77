// SPDX-License-Identifier: Apache-2.0
#include "storage/commit_queue.hpp"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <pthread.h>
#include <thread>
#include <utility>
#include <vector>

#include "storage/commit_answer.hpp"
#include "storage/model/assert.hpp"
#include "storage/unit_bytes.hpp"

namespace throng {

namespace {

using callback = commit_queue::callback;

/// Units on their way into the store; two vectors, because a store takes a span of units.
struct batch {
  std::vector<commit_unit> units;
  std::vector<callback> callbacks;
  std::size_t bytes = 0;
};

/// What a batch came to.
struct outcome {
  std::size_t units = 0;
  std::size_t bytes = 0;
  std::size_t failed = 0;
  bool is_store_error = false;
};

/// Commits the batch, answers its units in order and empties it.
outcome commit_and_answer(store& target, batch& work) {
  outcome came_to{work.units.size(), work.bytes};
  auto committed = target.commit(work.units);
  came_to.is_store_error = !committed.ok();
  if (came_to.is_store_error)  // before any callback, which may submit what builds on this
    for (const auto& unit : work.units) break_lineage(unit);
  THRONG_ASSERT(came_to.is_store_error || committed->size() == work.units.size());
  for (std::size_t i = 0; i < work.units.size(); ++i) {
    auto own = came_to.is_store_error ? result<>(committed.failure()) : std::move((*committed)[i]);
    if (!own) ++came_to.failed;
    answer(work.callbacks[i], std::move(own));
  }
  work.units.clear();
  work.callbacks.clear();
  work.bytes = 0;
  return came_to;
}

/// What waits, its bounds, and the figures. The threaded and the manual queue differ only in who takes the batches.
/// Not thread-safe.
class backlog {
 public:
  explicit backlog(const commit_queue::limits& limits) : limits_(limits) {}

  /// Takes the unit and its callback, or leaves both and says why.
  std::optional<error> add(commit_unit& unit, callback& done, std::size_t bytes) {
    auto refused = check(bytes);
    if (refused) {
      ++figures_.refused_units;
      break_lineage(unit);
      return refused;
    }
    waiting_.push_back({std::move(unit), std::move(done), bytes});
    ++figures_.waiting_units;
    figures_.waiting_bytes += bytes;
    return std::nullopt;
  }

  /// Moves the oldest units into an empty batch: as many as it may have, but at least one.
  void take(batch& into) {
    while (!waiting_.empty() && into.units.size() < limits_.batch_units_max) {
      auto& oldest = waiting_.front();
      if (!into.units.empty() && into.bytes + oldest.bytes > limits_.batch_bytes_max) break;
      into.bytes += oldest.bytes;
      into.units.push_back(std::move(oldest.unit));
      into.callbacks.push_back(std::move(oldest.done));
      waiting_.pop_front();
    }
  }

  void count(const outcome& came_to) {
    ++figures_.batches;
    figures_.units += came_to.units;
    figures_.failed_units += came_to.failed;
    figures_.store_errors += came_to.is_store_error;
    figures_.waiting_units -= came_to.units;
    figures_.waiting_bytes -= came_to.bytes;
  }

  void refuse_from_now_on() { is_stopping_ = true; }
  bool is_stopping() const { return is_stopping_; }
  bool empty() const { return waiting_.empty(); }
  const commit_queue::figures& figures() const { return figures_; }

 private:
  struct entry {
    commit_unit unit;
    callback done;
    std::size_t bytes;
  };

  std::optional<error> check(std::size_t bytes) const {
    if (is_stopping_) return error{errc::stopping, "the store takes no more writes"};
    if (figures_.waiting_units >= limits_.waiting_units_max)
      return error{errc::overloaded, std::to_string(figures_.waiting_units) + " writes wait for the store"};
    if (bytes > limits_.waiting_bytes_max - figures_.waiting_bytes)
      return error{errc::overloaded, std::to_string(figures_.waiting_bytes) + " bytes wait for the store"};
    return std::nullopt;
  }

  commit_queue::limits limits_;
  std::deque<entry> waiting_;
  commit_queue::figures figures_;
  bool is_stopping_ = false;
};

class threaded_commit_queue final : public commit_queue {
 public:
  threaded_commit_queue(store& target, const commit_queue::limits& bounds) : target_(target), backlog_(bounds) {
    writer_ = std::thread([this] { write(); });
    pthread_setname_np(writer_.native_handle(), "throng-commit");
  }
  ~threaded_commit_queue() override { threaded_commit_queue::stop(); }

  void submit(commit_unit unit, callback done) override {
    auto bytes = unit_bytes(unit);
    std::optional<error> refused;
    bool wakes = false;
    {
      std::lock_guard lock(mutex_);
      refused = backlog_.add(unit, done, bytes);
      if (!refused) wakes = std::exchange(is_writer_idle_, false);
    }
    if (refused)
      answer(done, std::move(*refused));
    else if (wakes)
      changed_.notify_one();
  }

  struct figures read_figures() const override {
    std::lock_guard lock(mutex_);
    return backlog_.figures();
  }

  void stop() override {
    {
      std::lock_guard lock(mutex_);
      backlog_.refuse_from_now_on();
    }
    changed_.notify_one();
    std::call_once(joined_, [this] { writer_.join(); });
  }

 private:
  void write() {
    batch work;
    std::unique_lock lock(mutex_);
    while (true) {
      is_writer_idle_ = true;
      changed_.wait(lock, [this] { return !backlog_.empty() || backlog_.is_stopping(); });
      is_writer_idle_ = false;
      if (backlog_.empty()) return;  // stopping, and all is written
      backlog_.take(work);
      lock.unlock();
      auto came_to = commit_and_answer(target_, work);
      lock.lock();
      backlog_.count(came_to);
    }
  }

  store& target_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  backlog backlog_;
  bool is_writer_idle_ = false;  // spares a system call for each unit that arrives while a commit is in flight
  std::once_flag joined_;
  std::thread writer_;
};

class pumped_commit_queue final : public manual_commit_queue {
 public:
  pumped_commit_queue(store& target, const commit_queue::limits& bounds) : target_(target), backlog_(bounds) {}

  void submit(commit_unit unit, callback done) override {
    if (auto refused = backlog_.add(unit, done, unit_bytes(unit))) answer(done, std::move(*refused));
  }
  std::size_t pump() override {
    if (backlog_.empty()) return 0;
    batch work;
    backlog_.take(work);
    auto came_to = commit_and_answer(target_, work);
    backlog_.count(came_to);
    return came_to.units;
  }
  struct figures read_figures() const override {
    return backlog_.figures();
  }
  void stop() override {
    backlog_.refuse_from_now_on();
    while (pump() != 0) {
    }
  }

 private:
  store& target_;
  backlog backlog_;
};

}  // namespace

std::unique_ptr<commit_queue> make_threaded_commit_queue(store& target, commit_queue::limits limits) {
  return std::make_unique<threaded_commit_queue>(target, limits);
}

std::unique_ptr<manual_commit_queue> make_manual_commit_queue(store& target, commit_queue::limits limits) {
  return std::make_unique<pumped_commit_queue>(target, limits);
}

}  // namespace throng
