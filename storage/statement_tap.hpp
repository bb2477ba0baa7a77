// SPDX-License-Identifier: Apache-2.0
// STATEMENT TAP: counts what a store asks of its database, and for the shell's `explain` keeps a short record of it.
// The stores report every statement; off, that costs three relaxed additions.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace throng {

class statement_tap {
 public:
  struct seen {
    std::string shard;       // "-80"; empty for SQLite
    std::string statement;   // with '?' for its values; values are people's data and aren't kept
    std::uint64_t rows = 0;  // returned or changed
    std::chrono::microseconds took{0};
  };
  struct figures {
    std::uint64_t round_trips = 0, rows = 0;
    std::uint64_t micros = 0;  // spent waiting for them
  };

  /// The one of this process: `explain` sees all of it.
  static statement_tap& instance();

  /// `trips`: 0 for a statement that went in one packet with one that was told before.
  void record(std::string_view shard, std::string_view statement, std::uint64_t rows, std::chrono::microseconds took,
              unsigned trips = 1);
  figures read_figures() const;
  bool is_recording() const { return is_recording_.load(std::memory_order_relaxed); }

  /// From now on, at most `count_max` statements are kept; false if somebody else is recording.
  bool start(std::size_t count_max);
  std::vector<seen> stop();

 private:
  std::atomic<std::uint64_t> round_trips_{0}, rows_{0}, micros_{0};
  std::atomic<bool> is_recording_{false};
  std::mutex mutex_;
  std::size_t count_max_ = 0;
  std::vector<seen> record_;
};

}  // namespace throng
