// SPDX-License-Identifier: Apache-2.0
#include "storage/model/sabotage.hpp"

#include <doctest/doctest.h>

TEST_CASE("sabotage: nothing is broken in a build that isn't told to") {
  CHECK(throng::sabotage::here == throng::sabotage::kind::none);
  CHECK(!throng::sabotage::acks_before_commit);
  CHECK(!throng::sabotage::ignores_fences);
  CHECK(!throng::sabotage::drops_what_waited);
}
