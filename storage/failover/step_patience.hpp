// SPDX-License-Identifier: Apache-2.0
// STEP PATIENCE: when a step that failed or changed nothing may be tried again: soon the first time, later and later
// while it keeps being needed. Pure, but for its jitter.
#pragma once

#include <map>
#include <random>
#include <string>

#include "storage/failover/supervisor_options.hpp"

namespace throng::failover {

class step_patience {
 public:
  /// `how` must stay.
  explicit step_patience(const supervisor_options& how) : how_(how) {}

  bool may(const next_step& step, steady_time now) const;
  /// It was tried from `began` until `now`.
  void was_tried(const next_step& step, steady_time began, steady_time now);

 private:
  struct attempt {
    steady_time last{}, next{};
    std::chrono::milliseconds pause{0};
  };

  const supervisor_options& how_;
  std::mt19937_64 random_{std::random_device{}()};
  std::map<std::string, attempt> tries_;  // by the step and its servers; at most about 100
};

}  // namespace throng::failover
