// SPDX-License-Identifier: Apache-2.0
#include "storage/model/keyspace.hpp"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <set>
#include <vector>

#include <doctest/doctest.h>

namespace throng {
namespace {

// The published vectors of Vitess's xxhash vindex (xxhash_test.go), for the values that an id can have.
TEST_CASE("keyspace: the keyspace id is what Vitess computes") {
  CHECK(keyspace_id(1) == 0xd46405367612b4b7);
  CHECK(keyspace_id(std::numeric_limits<std::uint64_t>::max()) == 0x477cfa8d6d8f1f8d);
  CHECK(keyspace_id(std::numeric_limits<std::int64_t>::max()) == 0xb37eb01f7bffafd8);
}

TEST_CASE("keyspace: the slot is the first 12 bits, whatever the kind") {
  CHECK(slot_of(key_of(channel_id{1})) == slot_id{0xd46});
  CHECK(slot_of(key_of(user_id{1})) == slot_id{0xd46});
  CHECK(slot_of(key_of(team_id{std::numeric_limits<std::uint64_t>::max()})) == slot_id{0x477});
}

TEST_CASE("keyspace: dense ids spread evenly over the slots and the shards") {
  constexpr std::uint64_t keys = 409'600;  // 100 a slot
  std::vector<int> per_slot(slot_count), per_shard(4);
  for (std::uint64_t id = 1; id <= keys; ++id) {
    auto slot = slot_of(key_of(user_id{id}));
    REQUIRE(slot.value < slot_count);
    ++per_slot[slot.value];
    ++per_shard[slot.value / (slot_count / 4)];
  }
  // A fair hash leaves a slot within 100 ± 6 standard deviations (10) and a quarter within 1 % of its share.
  CHECK(*std::ranges::min_element(per_slot) > 40);
  CHECK(*std::ranges::max_element(per_slot) < 160);
  CHECK(*std::ranges::min_element(per_shard) > 101'000);
  CHECK(*std::ranges::max_element(per_shard) < 104'000);
}

TEST_CASE("keyspace: presence uses all of 1,024 buckets, and none is bucket 0") {
  std::set<std::uint64_t> buckets;
  for (std::uint64_t id = 1; id <= 20'000; ++id) buckets.insert(presence_bucket_of(user_id{id}).value);
  CHECK(buckets.size() == 1024);
  CHECK(*buckets.begin() == 1);
  CHECK(*buckets.rbegin() == 1024);
}

TEST_CASE("keyspace: an entity's name is its kind and its id") {
  CHECK(to_text(key_of(make_channel_id(256, channel_kind::im))) == "channel:D76");
  CHECK(to_text(key_of(bucket_id{17})) == "presence:17");
  CHECK(to_text(key_of(team_id{36})) == "workspace:T10");
  CHECK(to_text(key_of(user_id{36})) == "user:U10");
  CHECK(to_text(key_of(session_id{36})) == "session:S10");
  CHECK(to_text(entity_key{static_cast<entity_kind>(99), 5}) == "unknown:5");
}

}  // namespace
}  // namespace throng
