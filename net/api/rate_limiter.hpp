// SPDX-License-Identifier: Apache-2.0
// RATE LIMITER: token buckets, one for each (workspace, caller, method) and, for posts, channel. A bucket starts full,
// so a burst passes; after it calls pass at the tier's rate. Pure: time is handed in. Not thread-safe.
// Bound: `buckets_max`; past it the bucket that was used longest ago goes, which by then has mostly refilled.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>

#include "storage/model/ids.hpp"
#include "storage/model/time.hpp"

namespace throng {

/// Slack's tiers, by how many calls a minute they promise; `post` is chat.postMessage's, per channel; `none` is for
/// what the operator does.
enum class rate_tier : std::uint8_t { tier1, tier2, tier3, tier4, post, none };

struct rate_limit {
  double burst = 1;       // calls at once
  double per_second = 1;  // after that
};

struct rate_limiter_options {
  bool enabled = true;
  // A minute's worth at once; the SDKs send what they have without pacing and wait only when they are told.
  rate_limit tier1{10, 10.0 / 60};
  rate_limit tier2{20, 20.0 / 60};
  rate_limit tier3{50, 50.0 / 60};
  rate_limit tier4{100, 100.0 / 60};
  rate_limit post{20, 1};
  std::size_t buckets_max = 100'000;
  std::size_t overrides_max = 10'000;
};

class rate_limiter {
 public:
  explicit rate_limiter(rate_limiter_options options) : options_(options) {}

  struct call {
    team_id team;
    std::uint64_t principal = 0;  // app or person
    std::string_view method;
    rate_tier tier = rate_tier::none;
    std::uint64_t detail = 0;  // for posts, what they go to
  };
  /// 0: go on, and it is counted. Otherwise how many whole seconds to wait, at least 1; it is not counted.
  /// A post counts twice, for what it goes to and, by tier 4, for the caller: else made-up names would each be a burst.
  std::chrono::seconds check(const call& what, steady_time now);

  /// For this method and workspace from now on: `limit` calls within `window` for each caller, whatever channel.
  /// Limit 0 ends the override. False if there are too many overrides.
  bool set_override(team_id team, std::string_view method, std::uint64_t limit, std::chrono::seconds window);

  std::size_t bucket_count() const { return buckets_.size(); }

 private:
  struct key {
    team_id team;
    std::uint64_t principal;
    std::uint64_t detail;
    std::string method;
    friend bool operator==(const key&, const key&) = default;
  };
  struct key_hash {
    std::size_t operator()(const key& k) const noexcept;
  };
  struct bucket {
    key name;
    double left;
    steady_time at;
  };
  using buckets = std::list<bucket>;  // the most recently used first

  rate_limit limit_of(rate_tier tier) const;
  std::chrono::seconds take(key name, rate_limit limit, steady_time now);
  void give_back(const key& name);

  rate_limiter_options options_;
  buckets buckets_;
  std::unordered_map<key, buckets::iterator, key_hash> index_;
  std::unordered_map<std::string, rate_limit> overrides_;  // "T1 method"
};

}  // namespace throng
