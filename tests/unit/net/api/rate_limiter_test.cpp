// SPDX-License-Identifier: Apache-2.0
#include "net/api/rate_limiter.hpp"

#include <doctest/doctest.h>

using namespace throng;
using namespace std::chrono_literals;

namespace {

rate_limiter::call call(std::uint64_t principal, rate_tier tier = rate_tier::tier2, std::uint64_t detail = 0) {
  return {team_id{1}, principal, "some.method", tier, detail};
}

}  // namespace

TEST_CASE("rate limiter: a burst passes, then the caller is told how long to wait, and that is long enough") {
  rate_limiter limiter({});
  steady_time now{};
  for (int i = 0; i < 20; ++i) CHECK(limiter.check(call(1), now) == 0s);
  auto wait = limiter.check(call(1), now);
  CHECK(wait == 3s);  // 20 a minute
  CHECK(limiter.check(call(1), now + wait) == 0s);
  CHECK(limiter.check(call(1), now + wait) == 3s);
  CHECK(limiter.check(call(1), now + 1h) == 0s);
}

TEST_CASE("rate limiter: who waits as told after each refusal is never refused twice in a row") {
  rate_limiter limiter({});
  steady_time now{};
  for (int i = 0; i < 500; ++i) {
    if (auto wait = limiter.check(call(1, rate_tier::tier3), now); wait > 0s) {
      CHECK(wait >= 1s);
      now += wait;
      CHECK(limiter.check(call(1, rate_tier::tier3), now) == 0s);
    }
  }
}

TEST_CASE("rate limiter: callers, methods, workspaces and channels don't share a bucket") {
  rate_limiter_options options;
  options.post = {1, 1};
  options.tier1 = {1, 1};
  rate_limiter limiter(options);
  const steady_time now{};
  CHECK(limiter.check(call(1, rate_tier::post, 7), now) == 0s);
  CHECK(limiter.check(call(1, rate_tier::post, 7), now) == 1s);
  CHECK(limiter.check(call(1, rate_tier::post, 8), now) == 0s);
  CHECK(limiter.check(call(2, rate_tier::post, 7), now) == 0s);
  auto elsewhere = call(1, rate_tier::post, 7);
  elsewhere.team = team_id{2};
  CHECK(limiter.check(elsewhere, now) == 0s);
  auto other = call(1, rate_tier::post, 7);
  other.method = "other.method";
  CHECK(limiter.check(other, now) == 0s);
}

TEST_CASE("rate limiter: posts to ever new names pass only as often as the caller may call at all") {
  rate_limiter_options options;
  options.post = {2, 1};
  options.tier4 = {10, 1};
  rate_limiter limiter(options);
  const steady_time now{};
  int passed = 0;
  for (std::uint64_t name = 1; name <= 1'000; ++name)
    passed += limiter.check(call(1, rate_tier::post, name), now) == 0s;
  CHECK(passed == 10);
  CHECK(limiter.bucket_count() <= 11);
  CHECK(limiter.check(call(2, rate_tier::post, 1), now) == 0s);
  // A post that its channel refuses takes nothing from those to other channels.
  for (int i = 0; i < 100; ++i) (void)limiter.check(call(3, rate_tier::post, 1), now);
  for (std::uint64_t name = 2; name <= 9; ++name) CHECK(limiter.check(call(3, rate_tier::post, name), now) == 0s);
  CHECK(limiter.check(call(3, rate_tier::post, 10), now) == 1s);
}

TEST_CASE("rate limiter: an override counts for all channels of a caller, and can be taken back") {
  rate_limiter limiter({});
  const steady_time now{};
  REQUIRE(limiter.set_override(team_id{1}, "some.method", 2, 10s));
  CHECK(limiter.check(call(1, rate_tier::post, 1), now) == 0s);
  CHECK(limiter.check(call(1, rate_tier::post, 2), now) == 0s);
  CHECK(limiter.check(call(1, rate_tier::post, 3), now) == 5s);
  REQUIRE(limiter.set_override(team_id{1}, "some.method", 0, 0s));
  CHECK(limiter.check(call(1, rate_tier::post, 3), now) == 0s);
}

TEST_CASE("rate limiter: switched off it refuses nothing but what an override says") {
  rate_limiter_options options;
  options.enabled = false;
  rate_limiter limiter(options);
  for (int i = 0; i < 1000; ++i) CHECK(limiter.check(call(1), {}) == 0s);
  limiter.set_override(team_id{1}, "some.method", 1, 60s);
  CHECK(limiter.check(call(1), {}) == 0s);
  CHECK(limiter.check(call(1), {}) == 60s);
}

TEST_CASE("rate limiter: the table is bounded, and so are the overrides") {
  rate_limiter_options options;
  options.buckets_max = 10;
  options.overrides_max = 1;
  rate_limiter limiter(options);
  for (std::uint64_t i = 0; i < 100; ++i) CHECK(limiter.check(call(i), {}) == 0s);
  CHECK(limiter.bucket_count() == 10);
  CHECK(limiter.set_override(team_id{1}, "a", 1, 1s));
  CHECK_FALSE(limiter.set_override(team_id{1}, "b", 1, 1s));
  CHECK(limiter.set_override(team_id{1}, "a", 2, 1s));
}
