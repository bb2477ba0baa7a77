// SPDX-License-Identifier: Apache-2.0
#include "storage/mysql/post_inserts.hpp"

#include <doctest/doctest.h>

using namespace throng::mysql;

TEST_CASE("post inserts: what the server says before it comes to the commit is a refusal, and nothing else is") {
  for (int code : {1048, 1062, 1146, 1205, 1213, 1243, 1290, 1615, 1114}) {
    CAPTURE(code);
    CHECK(post_inserts::is_refusal(failure(code, "")));
  }
  // Lost, killed, or from the binary log or the commit itself: the posts may be there.
  for (int code : {2006, 2013, 2014, 2020, 1317, 1026, 1030, 1180, 1598}) {
    CAPTURE(code);
    CHECK_FALSE(post_inserts::is_refusal(failure(code, "")));
  }
}
