// SPDX-License-Identifier: Apache-2.0
#include "storage/topology/topology_memory.hpp"

#include <doctest/doctest.h>

#include "storage/topology/shard_bootstrap.hpp"
#include "storage/topology/shard_map.hpp"
#include "tests/unit/storage/topology/memory_topology.hpp"

namespace throng {
namespace {

topology_entry entry(std::string key, topology_version version, std::string value = "x") {
  return {std::move(key), std::move(value), version};
}
std::vector<std::string> keys(const remembered_entries& all) {
  std::vector<std::string> found;
  for (const auto& each : all.below("")) found.push_back(each.key);
  return found;
}
using names = std::vector<std::string>;

TEST_CASE("topology memory: what is written and erased in the ordinary way is followed") {
  remembered_entries all;
  all.take("shards/", {entry("shards/a", 1), entry("shards/b", 2)});
  all.take("serving/", {entry("serving/t", 3)});
  all.take("shards/", {entry("shards/b", 2), entry("shards/c", 4)});
  CHECK(keys(all) == names{"serving/t", "shards/b", "shards/c"});
  all.take("shards/", {entry("shards/b", 9, "y"), entry("shards/c", 4)});
  CHECK(all.below("shards/").front().value == "y");
}

TEST_CASE("topology memory: a topology that begins anew takes nothing away") {
  remembered_entries all;
  all.take("shards/", {entry("shards/a", 100), entry("shards/b", 101)});
  all.take("shards/", {});
  CHECK(keys(all) == names{"shards/a", "shards/b"});
  all.take("shards/", {entry("shards/other", 7)});  // registered from a configuration
  CHECK(keys(all) == names{"shards/a", "shards/b"});
}

TEST_CASE("topology memory: what others are slow to put back isn't taken for erased") {
  remembered_entries all;
  all.take("shards/", {entry("shards/a", 100), entry("shards/b", 101)});
  SUBCASE("from nothing") { all.take("shards/", {}); }
  SUBCASE("from the first that is there again") {}
  auto shard = parse_bootstrap("-=db1:3306,db2:3306", "throng").value().front();
  shard.term = 2;
  all.take("shards/", {entry("shards/a", 3, to_json(shard))});
  all.take("shards/", {entry("shards/a", 4, to_json(shard))});
  all.take("shards/", {entry("shards/a", 5, to_json(shard))});
  CHECK(keys(all) == names{"shards/a", "shards/b"});
  all.take("shards/", {entry("shards/a", 5, to_json(shard)), entry("shards/b", 6)});
  all.take("shards/", {entry("shards/a", 5, to_json(shard))});  // from here on in the ordinary way
  CHECK(keys(all) == names{"shards/a"});
}

TEST_CASE("topology memory: of a shard the later term counts, of who serves the later version") {
  auto shard = parse_bootstrap("-=db1:3306,db2:3306", "throng").value().front();
  auto at_term = [&](term_t term, topology_version version) {
    shard.term = term;
    return entry("shards/throng/-", version, to_json(shard));
  };
  auto term = [](const remembered_entries& all) { return parse_shard_record(all.below("shards/").front())->term; };
  remembered_entries all;
  all.take("shards/", {at_term(5, 100)});
  all.take("shards/", {at_term(1, 8)});  // registered from a configuration
  CHECK(term(all) == 5);
  all.take("shards/", {at_term(5, 9)});  // restored: from here on in the new count
  all.take("shards/", {at_term(6, 10)});
  CHECK(term(all) == 6);
  all.take("serving/", {entry("serving/throng", 50, "two")});
  all.take("serving/", {entry("serving/throng", 9, "one")});
  CHECK(all.below("serving/").front().value == "two");
  all.take("serving/", {entry("serving/throng", 11, "two")});
  all.take("serving/", {entry("serving/throng", 12, "four")});
  CHECK(all.below("serving/").front().value == "four");
}

/// A keyspace that was resharded from "-" to two shards, and one of those failed over.
struct scene {
  memory_topology topology;
  std::unique_ptr<topology_memory> memory;
  std::vector<topology_entry> before;
  scene() {
    REQUIRE(register_shards(topology, "throng", parse_bootstrap("-=db1:3306", "throng").value()));
    auto shards = parse_bootstrap("-80=db2:3306,db3:3306 80-=db4:3306", "throng").value();
    for (auto& shard : shards) {
      shard.term = 5;
      if (shard.name() == "-80") shard.primary = "db3:3306";
      REQUIRE(topology.put(shard_key("throng", shard.range), to_json(shard), 0));
    }
    const auto serving = topology.get("serving/throng").value();
    REQUIRE(topology.put(serving->key, R"({"ranges":["-80","80-"]})", serving->version));
    REQUIRE(topology.put("failover/throng/-80", "{}", 0));
    const auto old = topology.get("shards/throng/-").value();
    REQUIRE(topology.erase(old->key, old->version));
    memory = std::make_unique<topology_memory>(topology);
    before = all();
    topology.forget();
  }
  std::vector<topology_entry> all() {
    auto found = topology.list("").value();
    for (auto& each : found) each.version = 0;
    return found;
  }
};

TEST_CASE("topology memory: what was forgotten is there again, and a second time nothing is written") {
  scene s;
  CHECK(s.memory->restore().value() == 4);
  CHECK(s.all() == s.before);
  CHECK(s.memory->restore().value() == 0);
  s.topology.forget();  // and once more
  CHECK(s.memory->restore().value() == 4);
}

TEST_CASE("topology memory: what a node has registered from its configuration meanwhile gives way") {
  scene s;
  REQUIRE(register_shards(s.topology, "throng", parse_bootstrap("-=db1:3306", "throng").value()));
  CHECK(s.memory->restore().value() == 4);
  CHECK(s.all() == s.before);
}

TEST_CASE("topology memory: what a supervisor has done meanwhile stays") {
  scene s;
  auto record = parse_bootstrap("-80=db2:3306,db3:3306 80-=db4:3306", "throng").value().front();
  record.term = 6;
  REQUIRE(s.topology.put(shard_key("throng", record.range), to_json(record), 0));
  REQUIRE(s.topology.put("failover/throng/-80", R"({"trusted":1})", 0));
  CHECK(s.memory->restore().value() == 2);
  CHECK(s.topology.get("shards/throng/-80").value()->value == to_json(record));
  CHECK(s.topology.get("failover/throng/-80").value()->value == R"({"trusted":1})");
}

TEST_CASE("topology memory: a topology that is away is an error, and it goes on where it was") {
  scene s;
  s.topology.is_away = true;
  CHECK(s.memory->restore().code() == errc::service_unavailable);
  s.topology.is_away = false;
  CHECK(s.memory->restore().value() == 4);
}

}  // namespace
}  // namespace throng
