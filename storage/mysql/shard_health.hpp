// SPDX-License-Identifier: Apache-2.0
// Whether a shard answers, as those who use it for one purpose see it: said once on the way down and once on the way
// up, and asked by those who would rather fail at once than be the next to wait. Any thread.
#pragma once

#include <atomic>
#include <chrono>
#include <mutex>
#include <string>
#include <string_view>

namespace throng::mysql {

class shard_health {
 public:
  using clock = std::chrono::steady_clock;

  /// `purpose` is a word for the log: "writes".
  shard_health(std::string shard, std::string purpose) : shard_(std::move(shard)), purpose_(std::move(purpose)) {}

  /// False: it has been down for longer than `patience`, and somebody has looked just now, or is looking; so don't wait
  /// for it. Who gets true must say how it went, by failed() or fine().
  bool admit(std::chrono::milliseconds patience, clock::time_point now);
  void failed(std::string_view why, clock::time_point now);
  void fine(clock::time_point now);
  std::string reason() const;  // of the last failure

 private:
  static constexpr std::chrono::milliseconds look_again{250};

  const std::string shard_, purpose_;
  std::atomic<bool> is_down_{false};
  mutable std::mutex mutex_;
  clock::time_point down_since_, last_look_;
  bool is_looking_ = false;
  std::string reason_;
};

}  // namespace throng::mysql
