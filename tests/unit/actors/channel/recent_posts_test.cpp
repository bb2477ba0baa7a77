// SPDX-License-Identifier: Apache-2.0
#include "actors/channel/recent_posts.hpp"

#include <doctest/doctest.h>

namespace throng {

namespace {

using std::chrono::minutes;
using std::chrono::seconds;

constexpr steady_time start{std::chrono::hours(1)};
constexpr user_id ann{1}, bob{2};

}  // namespace

TEST_CASE("recent posts: an id that was seen leads to its post") {
  recent_posts seen({10, minutes(5)});
  CHECK_FALSE(seen.find(ann, "x", start));
  seen.remember(ann, "x", {17}, start);
  CHECK(seen.find(ann, "x", start + seconds(1)) == message_ts{17});
  CHECK_FALSE(seen.find(ann, "y", start));
}

TEST_CASE("recent posts: another person's id is another one") {
  recent_posts seen({10, minutes(5)});
  seen.remember(ann, "x", {17}, start);
  CHECK_FALSE(seen.find(bob, "x", start));
  seen.remember(bob, "x", {18}, start);
  CHECK(seen.find(ann, "x", start) == message_ts{17});
  CHECK(seen.find(bob, "x", start) == message_ts{18});
}

TEST_CASE("recent posts: an id is forgotten after the window") {
  recent_posts seen({10, minutes(5)});
  seen.remember(ann, "x", {17}, start);
  CHECK(seen.find(ann, "x", start + minutes(5)));
  CHECK_FALSE(seen.find(ann, "x", start + minutes(5) + seconds(1)));
  CHECK(seen.count() == 0);
}

TEST_CASE("recent posts: the oldest ids go when there are too many") {
  recent_posts seen({3, minutes(5)});
  for (int each = 0; each < 5; ++each) seen.remember(ann, std::to_string(each), {each + 1}, start + seconds(each));
  CHECK(seen.count() == 3);
  CHECK_FALSE(seen.find(ann, "1", start + seconds(5)));
  CHECK(seen.find(ann, "2", start + seconds(5)) == message_ts{3});
  CHECK(seen.find(ann, "4", start + seconds(5)) == message_ts{5});
}

}  // namespace throng
