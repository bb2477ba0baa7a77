// SPDX-License-Identifier: Apache-2.0
#include "net/api/rate_limiter.hpp"

#include <algorithm>
#include <cmath>
#include <functional>

namespace throng {

namespace {

std::string override_name(team_id team, std::string_view method) { return to_text(team) + " " + std::string(method); }

}  // namespace

std::size_t rate_limiter::key_hash::operator()(const key& k) const noexcept {
  constexpr std::uint64_t prime = 0x9E3779B97F4A7C15ULL;
  std::uint64_t hash = std::hash<std::string>{}(k.method);
  for (std::uint64_t part : {k.team.value, k.principal, k.detail}) hash = (hash ^ part) * prime ^ (hash >> 29);
  return static_cast<std::size_t>(hash);
}

rate_limit rate_limiter::limit_of(rate_tier tier) const {
  switch (tier) {
    case rate_tier::tier1:
      return options_.tier1;
    case rate_tier::tier2:
      return options_.tier2;
    case rate_tier::tier3:
      return options_.tier3;
    case rate_tier::tier4:
      return options_.tier4;
    case rate_tier::post:
      return options_.post;
    case rate_tier::none:
      break;
  }
  return {};
}

std::chrono::seconds rate_limiter::check(const call& what, steady_time now) {
  key all{what.team, what.principal, 0, std::string(what.method)};
  if (auto found = overrides_.empty() ? overrides_.end() : overrides_.find(override_name(what.team, what.method));
      found != overrides_.end())
    return take(std::move(all), found->second, now);
  if (!options_.enabled || what.tier == rate_tier::none) return std::chrono::seconds{0};
  if (what.tier != rate_tier::post) return take(std::move(all), limit_of(what.tier), now);

  if (const auto wait = take(all, options_.tier4, now); wait.count() > 0) return wait;
  auto one = all;
  one.detail = what.detail == 0 ? 1 : what.detail;
  const auto wait = take(std::move(one), options_.post, now);
  if (wait.count() > 0) give_back(all);
  return wait;
}

void rate_limiter::give_back(const key& name) {
  if (auto found = index_.find(name); found != index_.end()) found->second->left += 1;
}

std::chrono::seconds rate_limiter::take(key name, rate_limit limit, steady_time now) {
  using namespace std::chrono;
  auto found = index_.find(name);
  if (found == index_.end()) {
    buckets_.push_front({name, limit.burst, now});
    found = index_.emplace(std::move(name), buckets_.begin()).first;
    if (buckets_.size() > options_.buckets_max) {
      index_.erase(buckets_.back().name);
      buckets_.pop_back();
    }
  } else {
    buckets_.splice(buckets_.begin(), buckets_, found->second);
  }
  auto& mine = buckets_.front();
  const double passed = std::max(0.0, duration<double>(now - mine.at).count());
  mine.left = std::min(limit.burst, mine.left + passed * limit.per_second);
  mine.at = std::max(mine.at, now);
  // A bit of slack: 0.1 + 0.1 + … is not quite 1, and who waited as long as told must pass.
  if (mine.left >= 1 - 1e-6) {
    mine.left -= 1;
    return seconds{0};
  }
  return seconds{std::max<std::int64_t>(1, static_cast<std::int64_t>(std::ceil((1 - mine.left) / limit.per_second)))};
}

bool rate_limiter::set_override(team_id team, std::string_view method, std::uint64_t limit,
                                std::chrono::seconds window) {
  auto name = override_name(team, method);
  // Buckets of before would carry their old fill into the new limit.
  for (auto at = buckets_.begin(); at != buckets_.end();) {
    if (at->name.team == team && at->name.method == method) {
      index_.erase(at->name);
      at = buckets_.erase(at);
    } else {
      ++at;
    }
  }
  if (limit == 0) {
    overrides_.erase(name);
    return true;
  }
  if (overrides_.size() >= options_.overrides_max && !overrides_.contains(name)) return false;
  const auto calls = static_cast<double>(limit);
  overrides_[std::move(name)] = {calls, calls / static_cast<double>(std::max<std::int64_t>(1, window.count()))};
  return true;
}

}  // namespace throng
