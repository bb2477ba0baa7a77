// SPDX-License-Identifier: Apache-2.0
#include "cluster/recent_log.hpp"

#include <doctest/doctest.h>

using namespace throng;

namespace {
const auto all = [](int) { return true; };
}  // namespace

TEST_CASE("recent log: the oldest record makes room") {
  recent_log<int> log(3);
  CHECK(log.find(10, all).empty());
  for (int i = 1; i <= 5; ++i) log.add(i);
  CHECK(log.find(10, all) == std::vector{3, 4, 5});
  log.add(6);
  CHECK(log.find(10, all) == std::vector{4, 5, 6});
}

TEST_CASE("recent log: the newest that fit, oldest first") {
  recent_log<int> log(100);
  for (int i = 1; i <= 10; ++i) log.add(i);
  CHECK(log.find(2, [](int i) { return i % 2 == 0; }) == std::vector{8, 10});
  CHECK(log.find(0, all).empty());
}

TEST_CASE("recent log: without room it keeps nothing") {
  recent_log<int> log(0);
  log.add(1);
  CHECK(log.find(1, all).empty());
}
