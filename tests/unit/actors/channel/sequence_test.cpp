// SPDX-License-Identifier: Apache-2.0
#include "actors/channel/sequence.hpp"

#include <doctest/doctest.h>

#include "actors/channel/member_set.hpp"
#include "actors/channel/root_cache.hpp"

namespace throng {

namespace {
wall_time at(std::int64_t micros) { return wall_time(std::chrono::microseconds(micros)); }
}  // namespace

TEST_CASE("sequence: a ts is the wall clock, and rises when the clock stands or steps back") {
  sequence numbers;
  CHECK(numbers.next_ts(at(1'000)) == message_ts{1'000});
  CHECK(numbers.next_ts(at(1'000)) == message_ts{1'001});
  CHECK(numbers.next_ts(at(400)) == message_ts{1'002});
  CHECK(numbers.next_ts(at(5'000)) == message_ts{5'000});
}

TEST_CASE("sequence: goes on after what the store has, though the clock is behind it") {
  sequence numbers(41, {9'000});
  CHECK(numbers.next_seq() == 42);
  CHECK(numbers.next_seq() == 43);
  CHECK(numbers.next_ts(at(1'000)) == message_ts{9'001});
}

TEST_CASE("member set: says who is in it, whatever the order they came in") {
  member_set set({{5}, {1}, {3}, {5}});
  CHECK(set.count() == 3);
  CHECK(set.add({2}));
  CHECK_FALSE(set.add({2}));
  CHECK(set.remove({5}));
  CHECK_FALSE(set.remove({5}));
  CHECK_FALSE(set.remove({9}));
  for (std::uint64_t id : {1, 2, 3}) CHECK(set.contains({id}));
  for (std::uint64_t id : {0, 4, 5, 9}) CHECK_FALSE(set.contains({id}));
}

TEST_CASE("member set: pages give everyone once, in id order") {
  member_set set;
  for (std::uint64_t id = 10; id > 0; --id) set.add({id});
  std::vector<user_id> all;
  for (user_id last{};;) {
    auto page = set.page(last, 3);
    if (page.empty()) break;
    CHECK(page.size() <= 3);
    all.insert(all.end(), page.begin(), page.end());
    last = page.back();
  }
  CHECK(std::ranges::equal(all, set.all()));
  CHECK(set.page({10}, 3).empty());
}

TEST_CASE("root cache: knows the roots that were used last, and who wrote them") {
  root_cache roots(2);
  CHECK_FALSE(roots.use({1}));
  roots.add({1}, {7});
  roots.add({2}, {8});
  CHECK(roots.use({1}) == user_id{7});
  roots.add({3}, {9});
  CHECK(roots.use({1}) == user_id{7});
  CHECK_FALSE(roots.use({2}));
  roots.remove({1});
  CHECK_FALSE(roots.use({1}));
  CHECK(roots.use({3}) == user_id{9});
}

}  // namespace throng
