// SPDX-License-Identifier: Apache-2.0
#include "storage/failover/step_patience.hpp"

#include <algorithm>

namespace throng::failover {

namespace {

using std::chrono::milliseconds;

constexpr std::size_t tries_max = 100;
constexpr milliseconds reparent_retry_max{1000};

std::string name_of(const next_step& step) {
  std::string name(to_string(step.what));
  for (const auto& one : step.servers) name += " " + one;
  return name;
}

/// A step that is needed again so soon after it may be tried again hasn't helped.
milliseconds again_within(const next_step& step, const analysis_policy& policy) {
  const milliseconds seen_within(1000);
  return step.what == step_t::listen_again ? policy.deaf_after + seen_within : seen_within;
}

}  // namespace

bool step_patience::may(const next_step& step, steady_time now) const {
  const auto known = tries_.find(name_of(step));
  return known == tries_.end() || now >= known->second.next;
}

void step_patience::was_tried(const next_step& step, steady_time began, steady_time now) {
  auto& one = tries_[name_of(step)];
  const auto most = step.what == step_t::emergency_reparent ? reparent_retry_max : how_.retry_at_most;
  const auto is_again = began - one.last < one.pause + again_within(step, how_.policy);
  one.pause = is_again ? std::min(2 * one.pause, most) : how_.retry_first;
  one.last = now;
  std::uniform_int_distribution<milliseconds::rep> jitter(one.pause.count() * 3 / 4, one.pause.count() * 5 / 4);
  one.next = now + milliseconds(jitter(random_));
  if (tries_.size() > tries_max) std::erase_if(tries_, [&](const auto& each) { return each.second.next < now; });
}

}  // namespace throng::failover
