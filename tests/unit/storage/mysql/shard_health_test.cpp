// SPDX-License-Identifier: Apache-2.0
#include "storage/mysql/shard_health.hpp"

#include <doctest/doctest.h>

using throng::mysql::shard_health;
using namespace std::chrono_literals;

TEST_CASE("shard health: waiting is for the patience; then one looks now and then, and the others fail at once") {
  shard_health health("-80", "reads");
  shard_health::clock::time_point start{};
  CHECK(health.admit(2s, start));
  health.failed("gone", start);
  CHECK(health.admit(2s, start + 1s));
  CHECK(health.admit(2s, start + 1999ms));
  health.failed("still gone", start + 1999ms);
  CHECK_FALSE(health.admit(2s, start + 2s));      // somebody has looked just now
  CHECK(health.admit(2s, start + 2300ms));        // looks
  CHECK_FALSE(health.admit(2s, start + 2600ms));  // somebody is looking
  health.failed("gone", start + 3s);
  CHECK_FALSE(health.admit(2s, start + 3100ms));
  CHECK(health.admit(2s, start + 3300ms));
  CHECK(health.reason() == "gone");
  health.fine(start + 3400ms);
  CHECK(health.admit(2s, start + 3400ms));
  CHECK(health.admit(2s, start + 3400ms));
  health.failed("again", start + 4s);  // counts from here
  CHECK(health.admit(2s, start + 5s));
}
