// SPDX-License-Identifier: Apache-2.0
#include "config/quantity.hpp"

#include <doctest/doctest.h>

using namespace throng;
using namespace std::chrono_literals;

TEST_CASE("quantity: a duration is a whole number and a unit") {
  CHECK(parse_duration("300ms") == 300ms);
  CHECK(parse_duration("10s") == 10s);
  CHECK(parse_duration("5m") == 5min);
  CHECK(parse_duration("2h") == 2h);
  CHECK(parse_duration("7d") == 168h);
  CHECK(parse_duration("0") == 0ms);
  for (auto bad : {"", "5", "m", "-5m", "+5m", "1.5s", " 5m", "5m ", "5 m", "5M", "5min", "5mm",
                   "99999999999999999999s", "106751991168d"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_duration(bad));
  }
}

TEST_CASE("quantity: a size is a whole number of bytes, or has a binary unit") {
  CHECK(parse_bytes("0") == 0u);
  CHECK(parse_bytes("65536") == 65536u);
  CHECK(parse_bytes("12B") == 12u);
  CHECK(parse_bytes("256KiB") == 262144u);
  CHECK(parse_bytes("16MiB") == 16777216u);
  CHECK(parse_bytes("2GiB") == 2147483648u);
  for (auto bad :
       {"", "KiB", "16KB", "16MB", "16k", "-1", "1.5MiB", "16 MiB", "9223372036854775808", "8589934592GiB"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_bytes(bad));
  }
}

TEST_CASE("quantity: what is written reads back, in the largest unit that divides it") {
  CHECK(duration_text(5min) == "5m");
  CHECK(duration_text(90s) == "90s");
  CHECK(duration_text(1500ms) == "1500ms");
  CHECK(duration_text(168h) == "7d");
  CHECK(duration_text(0ms) == "0ms");
  CHECK(bytes_text(0) == "0B");
  CHECK(bytes_text(1023) == "1023B");
  CHECK(bytes_text(262144) == "256KiB");
  for (std::uint64_t n : {0ull, 1ull, 1000ull, 59999ull, 60000ull, 1ull << 20, (1ull << 62) + 1}) {
    CHECK(parse_bytes(bytes_text(n)) == n);
    CHECK(parse_duration(duration_text(std::chrono::milliseconds(n)))->count() == static_cast<std::int64_t>(n));
  }
}
