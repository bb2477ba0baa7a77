// SPDX-License-Identifier: Apache-2.0
// FAILURE DETECTOR of one peer, from the times its heartbeats arrived. Phi accrual (Hayashibara and others, 2004): phi
// is how surprising the silence is, given how regular the peer was: -log10 of the chance that its next heartbeat comes
// later than now. So a jittery link is given more time than a steady one, without a setting.
//
// Pure; times come in. Bounds: `samples_max` intervals of 4 bytes. Says only that a peer is suspect: declaring it dead
// is the COORDINATOR's.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <vector>

#include "storage/model/time.hpp"

namespace throng {

struct failure_detector_options {
  /// How often the peer sends. What comes in less than a quarter of it was held up on the way and arrives in a burst;
  /// it shows that the peer lives, but not how often it sends.
  std::chrono::milliseconds interval{200};
  /// Suspect from this phi on. 8: on a link whose jitter is normal, one wrong suspicion in 10^8 heartbeats.
  double threshold = 8;
  /// A steady link's deviation counts as this much, since its first hiccup would be a surprise otherwise. With the
  /// defaults, a peer that was steady is suspect after 200 + 5.6 * 100 = 760 ms.
  std::chrono::milliseconds deviation_min{100};
  /// Silence that is never held against a peer, on top of what its jitter allows.
  std::chrono::milliseconds pause{0};
  std::size_t samples_max = 200;
};

/// One thread at a time.
class failure_detector {
 public:
  explicit failure_detector(const failure_detector_options& options = {});

  /// One that was late enough for suspicion isn't learned from: a peer that stood still once isn't slower for that.
  void heartbeat(steady_time now);
  /// This process itself stood still for `paused`: what peers sent meanwhile waits to be read.
  void forgive(std::chrono::microseconds paused);

  double phi(steady_time now) const;  // 0 before the first heartbeat
  /// When phi reaches the threshold, unless a heartbeat comes first; none before the first one.
  std::optional<steady_time> suspect_at() const;
  bool is_suspect(steady_time now) const {
    auto at = suspect_at();
    return at && now >= *at;
  }

  std::chrono::microseconds mean() const;
  std::chrono::microseconds deviation() const;  // at least deviation_min

 private:
  void learn(std::chrono::microseconds interval);

  failure_detector_options options_;
  double deviations_to_threshold_;
  std::optional<steady_time> last_;
  std::vector<std::uint32_t> samples_;  // microseconds, a ring
  std::size_t oldest_ = 0;
  std::uint64_t sum_ = 0, sum_of_squares_ = 0;  // exact, so that they don't drift
};

}  // namespace throng
