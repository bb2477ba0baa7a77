// SPDX-License-Identifier: Apache-2.0
#include "storage/mysql/vtgate_shards.hpp"

#include <doctest/doctest.h>

using namespace throng;

TEST_CASE("vtgate: the shards of one keyspace are found in what SHOW VITESS_SHARDS answers") {
  const std::vector<std::string> rows{"other/-", "throng/80-", "throng/-80", "throng_old/0"};
  const auto shards = parse_vitess_shards(rows, "throng");
  REQUIRE(shards);
  REQUIRE(shards->size() == 2);
  CHECK((*shards)[0] == vtgate_shard{*parse_key_range("-80"), "-80"});
  CHECK((*shards)[1] == vtgate_shard{*parse_key_range("80-"), "80-"});
  const auto unsharded = parse_vitess_shards(rows, "throng_old");
  REQUIRE(unsharded);
  CHECK((*unsharded)[0] == vtgate_shard{*parse_key_range("-"), "0"});

  CHECK(parse_vitess_shards(rows, "none").failure().detail == "Vitess has no shard of the keyspace none");
  const std::vector<std::string> fine_cut{"throng/-80001", "throng/80001-"};
  CHECK(parse_vitess_shards(fine_cut, "throng").code() == errc::invalid_arguments);
}

TEST_CASE("vtgate: a shard is reached by Vitess's own name for its primary") {
  CHECK(vtgate_database("throng", {*parse_key_range("-80"), "-80"}) == "throng:-80@primary");
  CHECK(vtgate_database("throng", {*parse_key_range("-"), "0"}) == "throng:0@primary");
}

TEST_CASE("vtgate: it is every shard's primary, and its shards must cover everything once") {
  const vtgate_shard low{*parse_key_range("-80"), "-80"}, high{*parse_key_range("80-"), "80-"};
  const auto map = vtgate_map({low, high}, "gate:15306", "throng");
  REQUIRE(map);
  CHECK(map->size() == 2);
  for (const auto& shard : map->serving()) CHECK(shard.primary == "gate:15306");
  CHECK_FALSE(vtgate_map({low}, "gate:15306", "throng"));
  CHECK_FALSE(vtgate_map({low, high, {*parse_key_range("-"), "-"}}, "gate:15306", "throng"));
}
