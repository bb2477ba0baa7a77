// SPDX-License-Identifier: Apache-2.0
// EPOCH RENEWAL: how far above its epochs a node goes, and how soon, when the store has refused some of them. How much
// later the store's are isn't asked: that could wait for a shard that is away. Pure.
#pragma once

#include <algorithm>
#include <chrono>
#include <optional>
#include <random>

#include "cluster/clock.hpp"
#include "storage/model/records.hpp"

namespace throng {

class epoch_renewal {
 public:
  explicit epoch_renewal(std::uint64_t seed) : random_(seed) {}

  /// Called while some are refused. By how much to raise them now: 1 first, then 8 times as much each time, at most
  /// 4,096. nullopt: later; between two there are 100 ms, then twice as much each time, at most 5 s, more or less.
  std::optional<epoch_t> next(steady_time now) {
    if (now < not_before_) return std::nullopt;
    if (now >= calm_from_) tries_ = 0;
    const auto leap = epoch_t{1} << (3 * std::min(tries_, 4));
    const auto pause = std::min(first_pause * (1 << std::min(tries_, 10)), pause_max);
    ++tries_;
    not_before_ = now + pause * std::uniform_int_distribution<int>(75, 125)(random_) / 100;
    calm_from_ = now + calm;
    return leap;
  }

 private:
  static constexpr std::chrono::milliseconds first_pause{100}, pause_max{5'000};
  static constexpr std::chrono::seconds calm{10};  // without refusals: it begins anew

  int tries_ = 0;
  steady_time not_before_{}, calm_from_{};
  std::mt19937_64 random_;
};

}  // namespace throng
