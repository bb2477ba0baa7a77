// SPDX-License-Identifier: Apache-2.0
// RETENTION: deletes what is older than the configuration keeps it: events, posts, useless tokens. Driven by tick(): a
// job that is due submits one small trim through the COMMIT QUEUE, where it shares the transaction of whatever else
// waits; then the writer is left alone for a while (TRIM PACE), until the job is through; then the job pauses. One trim
// is under way at a time, over all jobs, and none while the queue is long. Used by one thread; figures by any.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <random>
#include <string_view>
#include <vector>

#include "storage/commit_queue.hpp"
#include "storage/trim_pace.hpp"

namespace throng {

std::string_view to_string(trim_kind kind);

class retention {
 public:
  struct job_options {
    trim_kind what{};
    std::chrono::microseconds kept{};
    std::chrono::milliseconds pause{};  // after it was through or has failed; ±25 %, so that nodes part
  };
  struct options {
    std::vector<job_options> jobs;
    trim_pace::options pace{};
    std::chrono::milliseconds first_pause_max{60'000};
    std::size_t waiting_units_max = 1'000;       // in the queue, for a trim to begin
    std::chrono::milliseconds patience{30'000};  // with a long queue; then one begins all the same
    std::chrono::milliseconds look_again{5};     // at a trim under way, or a long queue
  };
  struct figures {
    trim_kind what{};
    std::uint64_t rows = 0, trims = 0, failures = 0;
    wall_time last_through{};  // epoch 0: not yet
  };

  /// Each job starts at a random point of its first pause. `queue` must outlive it; a trim under way may outlive it.
  retention(commit_queue& queue, const options& how, std::uint64_t seed);
  ~retention();

  /// When it wants to be called again; sooner does no harm.
  steady_time tick(steady_time now, wall_time wall);
  std::vector<figures> read_figures() const;

 private:
  struct job;
  struct trim;  // one, and what came of it

  void submit(job& of, steady_time now, wall_time wall);
  void settle(steady_time now, wall_time wall);
  job* next_due();
  std::chrono::milliseconds jittered(std::chrono::milliseconds pause, double least, double most);

  commit_queue& queue_;
  const options options_;
  std::mt19937_64 random_;
  std::vector<std::unique_ptr<job>> jobs_;
  std::shared_ptr<trim> under_way_;
  bool has_started_ = false;
  steady_time rests_until_{};  // the writer is left alone
  steady_time waits_since_{};  // for the queue to become short
  bool is_waiting_ = false;
};

}  // namespace throng
