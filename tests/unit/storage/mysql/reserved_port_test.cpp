// SPDX-License-Identifier: Apache-2.0
#include "storage/mysql/reserved_port.hpp"

#include <set>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

using namespace throng;
using mysql::reserved_port;

TEST_CASE("reserved port: nobody gets one that someone holds") {
  std::vector<reserved_port> held;
  std::set<std::uint16_t> numbers;
  for (int i = 0; i < 500; ++i) {  // by chance alone two of them would be the same, 998 times of 1,000
    auto one = reserved_port::take();
    REQUIRE_MESSAGE(one, (one ? "" : one.failure().detail));
    numbers.insert(one->number());
    held.push_back(std::move(one).value());
  }
  CHECK(numbers.size() == held.size());
  CHECK(*numbers.rbegin() < 32'768);
}

TEST_CASE("reserved port: who takes over from another holds it alone") {
  auto first = reserved_port::take();
  REQUIRE(first);
  const auto number = first->number();
  reserved_port second;
  CHECK(second.number() == 0);
  second = std::move(first).value();
  CHECK(second.number() == number);
}
