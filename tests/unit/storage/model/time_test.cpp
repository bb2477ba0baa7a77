// SPDX-License-Identifier: Apache-2.0
#include "storage/model/time.hpp"

#include <string>

#include <doctest/doctest.h>

namespace throng {
namespace {

TEST_CASE("time: a ts is seconds, a point and six digits") {
  CHECK(to_text(message_ts{1'700'000'000'000'100}) == "1700000000.000100");
  CHECK(to_text(message_ts{5}) == "0.000005");
  CHECK(to_text(message_ts{}) == "0.000000");
  CHECK(parse_ts("1700000000.000100") == message_ts{1'700'000'000'000'100});
  CHECK(parse_ts("999999999999.999999") == message_ts{999'999'999'999'999'999});
}

TEST_CASE("time: only the exact form is a message's id") {
  for (std::string_view text : {"", ".", "1", "1.", "1.00000", "1.0000000", ".000001", "-1.000000", "+1.000000",
                                "1700000000,000100", " 1.000000", "1.000000 ", "1.00000a", "0x1.000000",
                                "1234567890123.000000", "1.000000.0", "1e9", "p1700000000000100"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_ts(text));
  }
  CHECK_FALSE(parse_ts(std::string("1.000000\0", 9)));
}

TEST_CASE("time: a bound may be written loosely") {
  CHECK(parse_ts("0", true) == message_ts{0});
  CHECK(parse_ts("1700000000", true) == message_ts{1'700'000'000'000'000});
  CHECK(parse_ts("1700000000.1", true) == message_ts{1'700'000'000'100'000});
  CHECK(parse_ts("1700000000.000100", true) == message_ts{1'700'000'000'000'100});
  for (std::string_view text : {"", "now", "1.", ".5", "-1", "1.0000001", "1234567890123", "1 "}) {
    CAPTURE(text);
    CHECK_FALSE(parse_ts(text, true));
  }
}

}  // namespace
}  // namespace throng
