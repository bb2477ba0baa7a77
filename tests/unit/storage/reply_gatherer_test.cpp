// SPDX-License-Identifier: Apache-2.0
#include "storage/reply_gatherer.hpp"

#include <doctest/doctest.h>

using namespace throng;

TEST_CASE("reply gatherer: only asked threads, in the asked order, with people by their first reply") {
  reply_gatherer replies;
  for (std::uint64_t i = 0; i < 12; ++i) replies.add({10}, {7 - i % 7 + 1}, {static_cast<std::int64_t>(100 + i)});
  replies.add({20}, {3}, {500});
  replies.add({30}, {4}, {600});
  std::vector<message_ts> roots{{30}, {15}, {10}};
  auto all = replies.summaries(roots);
  REQUIRE(all.size() == 2);
  CHECK(all[0] == thread_summary{{30}, 1, {600}, {{4}}, 1});
  CHECK(all[1] == thread_summary{{10}, 12, {111}, {{8}, {7}, {6}, {5}, {4}}, 7});
}
