// SPDX-License-Identifier: Apache-2.0
#include "storage/topology/shard_map.hpp"

#include <algorithm>
#include <random>

#include <doctest/doctest.h>

namespace throng {
namespace {

shard_record shard(std::string_view range, term_t term = 1) {
  shard_record record;
  record.range = parse_key_range(range).value();
  record.term = term;
  record.servers = {"db1:3306", "db2:3306"};
  record.primary = "db1:3306";
  record.in_sync = {"db1:3306"};
  return record;
}

std::vector<shard_record> shards(const std::vector<std::string_view>& ranges) {
  std::vector<shard_record> all;
  for (auto range : ranges) all.push_back(shard(range));
  return all;
}

std::string refusal(const std::vector<std::string_view>& ranges) {
  const auto made = shard_map::make(shards(ranges), {}, 1);
  if (made) return "made";
  CHECK(made.code() == errc::invalid_arguments);
  return made.failure().detail;
}

TEST_CASE("shard map: every keyspace id has its shard, whatever the order of the records") {
  const auto map = shard_map::make(shards({"c0-", "-40", "80-c0", "40-80"}), {}, 7);
  REQUIRE(map);
  CHECK(map->size() == 4);
  CHECK(map->version() == 7);
  CHECK(map->of(0).name() == "-40");
  CHECK(map->of(0x3fffffffffffffff).name() == "-40");
  CHECK(map->of(0x4000000000000000).name() == "40-80");
  CHECK(map->of(0xbfffffffffffffff).name() == "80-c0");
  CHECK(map->of(~ksid_t{0}).name() == "c0-");
  CHECK(map->index_of(0xc000000000000000) == 3);
}

TEST_CASE("shard map: gaps and overlaps are refused by name") {
  CHECK(refusal({"-40", "80-"}) == "no shard has 40-80");
  CHECK(refusal({"40-80", "80-"}) == "no shard has -40");
  CHECK(refusal({"-40", "40-80"}) == "no shard has 80-");
  CHECK(refusal({}) == "no shard has -");
  CHECK(refusal({"-80", "40-c0", "c0-"}) == "shards -80 and 40-c0 overlap");
  CHECK(refusal({"-", "80-"}) == "shards - and 80- overlap");
  CHECK(refusal({"-80", "-80", "80-"}) == "there are two shards -80");
  CHECK(refusal({"-80", "80-"}) == "made");
}

TEST_CASE("shard map: shards that don't serve are found, and route nothing") {
  const auto map = shard_map::make(shards({"-"}), shards({"80-", "-80"}), 1);
  REQUIRE(map);
  CHECK(map->size() == 1);
  CHECK(map->of(0x80ull << 56).name() == "-");
  REQUIRE(map->find(key_range{0x80ull << 56, 0}));
  CHECK(map->find(key_range{0x80ull << 56, 0})->name() == "80-");
  CHECK(map->find(key_range{})->name() == "-");
  CHECK(map->find(key_range{0x40ull << 56, 0}) == nullptr);
}

TEST_CASE("shard map: random maps give every slot to exactly one shard") {
  std::mt19937_64 random(3);
  for (int round = 0; round < 20; ++round) {
    std::vector<shard_record> records;
    for (const auto& part : even_split(key_range{}, 1 + random() % 5))
      for (const auto& piece : even_split(part, 1 + random() % 40)) {
        records.push_back(shard("-"));
        records.back().range = piece;
      }
    std::ranges::shuffle(records, random);
    const auto map = shard_map::make(records, {}, 1);
    REQUIRE(map);
    for (std::uint32_t slot = 0; slot < slot_count; ++slot) {
      const auto first = first_ksid_of({static_cast<std::uint16_t>(slot)});
      const auto& owner = map->of(first);
      REQUIRE(owner.range.contains(first));
      REQUIRE(&map->of(first | (first_ksid_of({1}) - 1)) == &owner);  // the slot's last
      REQUIRE(std::ranges::count_if(map->serving(), [&](const auto& each) { return each.range.contains(first); }) == 1);
    }
    // With any one taken out there is a gap, and with any one doubled two of a name.
    auto fewer = records;
    fewer.erase(fewer.begin() + static_cast<std::ptrdiff_t>(random() % fewer.size()));
    CHECK(!shard_map::make(fewer, {}, 1));
    records.push_back(records[random() % records.size()]);
    CHECK(!shard_map::make(records, {}, 1));
  }
}

TEST_CASE("shard record: JSON gives back what was written") {
  auto record = shard("40-80", 12);
  record.servers.push_back("/run/db 3.sock");
  record.in_sync = {"db2:3306", "db1:3306"};
  record.reason = "\"db1\" didn't answer\nfor 60 ms";
  record.version = 5;
  const auto parsed = parse_shard_record({"shards/throng/40-80", to_json(record), 5});
  REQUIRE_MESSAGE(parsed, parsed.failure().detail);
  CHECK(*parsed == record);

  record.primary.clear();
  CHECK(parse_shard_record({"shards/throng/40-80", to_json(record), 5}).value() == record);
}

TEST_CASE("shard record: what is wrong is said with the key") {
  const auto refusal = [](std::string from, std::string to) {
    auto text = to_json(shard("-80"));
    const auto at = text.find(from);
    REQUIRE(at != std::string::npos);
    text.replace(at, from.size(), to);
    const auto parsed = parse_shard_record({"shards/throng/-80", text, 1});
    if (parsed) return std::string("parsed");
    CHECK(parsed.code() == errc::invalid_json);
    return parsed.failure().detail;
  };
  CHECK(refusal("{", "{") == "parsed");
  CHECK(refusal("}", "").starts_with("shards/throng/-80: not JSON at byte "));
  CHECK(refusal("\"-80\"", "\"80-\"") == "shards/throng/-80: holds another shard's record, shards/throng/80-");
  CHECK(refusal("\"throng\"", "\"other\"") == "shards/throng/-80: holds another shard's record, shards/other/-80");
  CHECK(refusal("\"-80\"", "\"-8\"") == "shards/throng/-80: expected a \"range\" such as \"40-80\"");
  CHECK(refusal("\"term\":1", "\"term\":0") == "shards/throng/-80: expected a \"term\" from 1 on");
  CHECK(refusal("\"term\":1", "\"term\":\"1\"") == "shards/throng/-80: expected a \"term\" from 1 on");
  CHECK(refusal("\"primary\":\"db1", "\"primary\":\"db9") ==
        "shards/throng/-80: expected a \"primary\" that is one of the servers, or empty");
  CHECK(refusal("\"in_sync\":[\"db1", "\"in_sync\":[\"db9") ==
        "shards/throng/-80: expected \"in_sync\", a list of some of the servers");
  CHECK(refusal("[\"db1:3306\",\"db2:3306\"]", "[]") ==
        "shards/throng/-80: expected \"servers\", a list of one or more \"host:port\", each once");
  CHECK(refusal("\"db2:3306\"", "\"db1:3306\"").find("each once") != std::string::npos);
  CHECK(refusal("\"db2:3306\"", "\"db2:99999\"").find("host:port") != std::string::npos);
  CHECK(parse_shard_record({"shards/throng/-80", "[]", 1}).failure().detail ==
        "shards/throng/-80: expected a JSON object");
}

TEST_CASE("server address: a host and a port, or the path of a socket") {
  for (std::string good : {"db1:3306", "127.0.0.1:1", "a-b_c.example:65535", "/run/db.sock"})
    CHECK(is_server_address(good));
  for (std::string bad : {"", "db1", "db1:", ":3306", "db1:0", "db1:65536", "db1:33x", "db1:+33", "d b:1", "a,b:1",
                          "a=b:1", "/", "tcp://db1:3306", "db1:3306 "})
    CHECK_MESSAGE(!is_server_address(bad), bad);
}

TEST_CASE("serving entry: JSON gives back what was written, and says which text is no range") {
  const std::vector<key_range> ranges{parse_key_range("-80").value(), parse_key_range("80-").value()};
  CHECK(serving_to_json(ranges) == R"({"ranges":["-80","80-"]})");
  CHECK(parse_serving({"serving/throng", serving_to_json(ranges), 3}).value() == ranges);
  CHECK(parse_serving({"serving/throng", R"({"ranges":["-80","8-"]})", 3}).failure().detail ==
        "serving/throng: \"8-\" is no range of whole slots such as \"40-80\"");
  CHECK(parse_serving({"serving/throng", R"({"ranges":[1]})", 3}).failure().detail ==
        "serving/throng: 1 is no range of whole slots such as \"40-80\"");
  CHECK(parse_serving({"serving/throng", "[]", 3}).failure().detail ==
        "serving/throng: expected \"ranges\", a list of texts such as \"40-80\"");
}

}  // namespace
}  // namespace throng
