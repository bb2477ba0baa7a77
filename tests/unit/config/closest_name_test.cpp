// SPDX-License-Identifier: Apache-2.0
#include "config/closest_name.hpp"

#include <array>
#include <string>

#include <doctest/doctest.h>

namespace throng {
namespace {

TEST_CASE("closest name: the distance counts letters put in, taken out and replaced") {
  CHECK(edit_distance("", "") == 0);
  CHECK(edit_distance("table", "table") == 0);
  CHECK(edit_distance("", "abc") == 3);
  CHECK(edit_distance("abc", "") == 3);
  CHECK(edit_distance("kitten", "sitting") == 3);
  CHECK(edit_distance("shraded", "sharded") == 2);
}

TEST_CASE("closest name: at most two typing errors away, and the nearest") {
  constexpr std::array<std::string_view, 3> known{"column", "columns", "name"};
  CHECK(closest_name("colum", known) == "column");
  CHECK(closest_name("columnss", known) == "columns");
  CHECK(closest_name("nmae", known) == "name");
  CHECK(closest_name("nothing like it", known).empty());
  CHECK(closest_name(std::string(100'000, 'c'), known).empty());
  CHECK(closest_name("name", {}).empty());
}

}  // namespace
}  // namespace throng
