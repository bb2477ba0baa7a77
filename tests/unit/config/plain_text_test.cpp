// SPDX-License-Identifier: Apache-2.0
#include "config/plain_text.hpp"

#include <doctest/doctest.h>

using namespace throng;

TEST_CASE("plain_text: valid UTF-8 without controls is plain, the rest is not") {
  for (auto yes : {"", "n1", "straße", "日本", "\xf0\x9f\x98\x80"}) CHECK(is_plain_text(yes));
  for (auto no : {"\n", "a\tb", "\x7f", "\xc2\x85", "\xe2\x80\xa8", "\xef\xbb\xbf", "\xff", "\xc0\xaf", "\xed\xa0\x80",
                  "\xf4\x90\x80\x80", "\xe2\x82", "\xf0\x82\x82\xac"}) {
    CAPTURE(make_plain(no, 100));
    CHECK_FALSE(is_plain_text(no));
  }
  CHECK_FALSE(is_plain_text(std::string_view("a\0b", 3)));
}

TEST_CASE("plain_text: what is made plain is plain, one line, and bounded") {
  CHECK(make_plain("a\nb\tc\x1b[31m", 100) == "a\\nb\\tc\\x1b[31m");
  CHECK(make_plain("ü\xff", 100) == "ü\\xff");
  CHECK(make_plain("abcdef", 3) == "abc…");
  CHECK(make_plain("abc", 3) == "abc");
  CHECK(make_plain("aü", 2) == "a…");
}
