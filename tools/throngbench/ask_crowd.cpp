// SPDX-License-Identifier: Apache-2.0
#include "tools/throngbench/ask_crowd.hpp"

#include "tools/throngbench/bench_storage.hpp"
#include "tools/throngbench/post_sides.hpp"
#include "tools/throngbench/process_usage.hpp"

namespace throng {

result<> ask_crowd::run(std::size_t count) {
  limit_ = count == 0 ? ~std::size_t{0} : count;
  asked_ = 0;
  running_ = lanes_.size();
  for (auto& lane : lanes_) next(lane);
  std::unique_lock lock(mutex_);
  ended_.wait(lock, [this] { return running_ == 0; });
  return failure_;
}

latency_histogram ask_crowd::latencies() const {
  latency_histogram all;
  for (const auto& lane : lanes_)
    for (auto ns : lane.latencies) all.add(ns);
  return all;
}

void ask_crowd::forget() {
  for (auto& lane : lanes_) lane.latencies.clear();
}

void ask_crowd::next(lane& own) {
  const auto number = asked_.fetch_add(1);
  if (number >= limit_) return end(done);
  own.started = now_ns();
  door_.ask_raw(key_of(bench_channel(number % channels_)), request_, std::chrono::seconds(20),
                [this, &own](result<message_ptr> answer) {
                  if (!answer) return end(answer.failure());
                  own.latencies.push_back(now_ns() - own.started);
                  next(own);
                });
}

void ask_crowd::end(result<> outcome) {
  std::lock_guard lock(mutex_);
  if (!outcome && failure_) failure_ = outcome.failure();
  if (--running_ == 0) ended_.notify_all();
}

}  // namespace throng
