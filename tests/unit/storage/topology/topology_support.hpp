// SPDX-License-Identifier: Apache-2.0
// For tests of topology stores: waiting for what watchers are told, and calls that fail the test instead of answering.
#pragma once

#include <algorithm>
#include <barrier>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "storage/topology/topology_store.hpp"

namespace throng {
namespace {

using namespace std::chrono_literals;
using entries = std::vector<topology_entry>;
using keys = std::vector<std::string>;

constexpr auto topology_deadline = 20s;  // only a failed test waits that long

// What a watcher was told, for a test that waits for it.
class watched {
 public:
  topology_store::watcher watcher() {
    return [this](entries now) {
      std::lock_guard lock(mutex_);
      ++calls_;
      auto version = newest(now);
      is_backward_ |= version < newest(last_);
      last_ = std::move(now);
      changed_.notify_all();
    };
  }
  /// True as soon as the last state is one that `wanted` accepts.
  bool sees(const std::function<bool(const entries&)>& wanted) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, topology_deadline, [&] { return calls_ > 0 && wanted(last_); });
  }
  bool sees(const entries& wanted) {
    return sees([&](const entries& now) { return now == wanted; });
  }
  bool sees_value(std::string_view value) {
    return sees([&](const entries& now) { return now.size() == 1 && now.front().value == value; });
  }
  /// The newest version ever went down; only of use if nothing is erased.
  bool is_backward() {
    std::lock_guard lock(mutex_);
    return is_backward_;
  }
  std::size_t calls() {
    std::lock_guard lock(mutex_);
    return calls_;
  }

 private:
  static topology_version newest(const entries& all) {
    topology_version version = 0;
    for (const auto& one : all) version = std::max(version, one.version);
    return version;
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  entries last_;
  std::size_t calls_ = 0;
  bool is_backward_ = false;
};

/// Something that happens on another thread, and how often.
class event_count {
 public:
  void happened() {
    std::lock_guard lock(mutex_);
    ++count_;
    changed_.notify_all();
  }
  bool reaches(std::size_t count) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, topology_deadline, [&] { return count_ >= count; });
  }
  std::size_t count() {
    std::lock_guard lock(mutex_);
    return count_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t count_ = 0;
};

[[maybe_unused]] topology_version put(topology_store& store, std::string_view key, std::string_view value,
                                      topology_version expected) {
  auto version = store.put(key, value, expected);
  if (!version) FAIL(version.failure().detail);
  return *version;
}
[[maybe_unused]] std::optional<topology_entry> get(topology_store& store, std::string_view key) {
  auto entry = store.get(key);
  if (!entry) FAIL(entry.failure().detail);
  return *entry;
}
[[maybe_unused]] entries list(topology_store& store, std::string_view prefix) {
  auto all = store.list(prefix);
  if (!all) FAIL(all.failure().detail);
  return *all;
}
[[maybe_unused]] keys keys_of(topology_store& store, std::string_view prefix) {
  keys all;
  for (auto& entry : list(store, prefix)) all.push_back(entry.key);
  return all;
}

/// `work(thread)` at once in several threads.
constexpr int racers = 8;
template <class Work>
void race(Work work) {
  std::barrier start(racers);
  std::vector<std::thread> threads;
  for (int i = 0; i < racers; ++i) {
    threads.emplace_back([&, i] {
      start.arrive_and_wait();
      work(i);
    });
  }
  for (auto& one : threads) one.join();
}

}  // namespace
}  // namespace throng
