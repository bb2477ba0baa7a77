// SPDX-License-Identifier: Apache-2.0
#include "storage/topology/shard_directory.hpp"

#include <future>
#include <thread>

#include <doctest/doctest.h>

#include "storage/topology/shard_bootstrap.hpp"
#include "tests/unit/storage/topology/memory_topology.hpp"

namespace throng {
namespace {

using namespace std::chrono_literals;

const std::string two_shards = "-80=db1:3306,db2:3306  80-=db3:3306";

std::unique_ptr<shard_directory> open(topology_store& topology, const std::string& bootstrap = two_shards) {
  auto opened = open_shard_directory(topology, "throng", bootstrap);
  REQUIRE_MESSAGE(opened, opened.failure().detail);
  return std::move(opened).value();
}

std::string refusal(topology_store& topology, const std::string& bootstrap) {
  auto opened = open_shard_directory(topology, "throng", bootstrap);
  return opened ? "opened" : opened.failure().detail;
}

/// Changes one record, as a supervisor does.
template <class Change>
void change(topology_store& topology, std::string_view range, Change how) {
  const auto key = shard_key("throng", parse_key_range(range).value());
  auto record = parse_shard_record(*topology.get(key).value()).value();
  how(record);
  REQUIRE(topology.put(key, to_json(record), record.version));
}

std::vector<std::string> names(const std::vector<shard_record>& shards) {
  std::vector<std::string> all;
  for (const auto& each : shards) all.push_back(each.name());
  return all;
}

TEST_CASE("shard directory: the first node registers what the configuration says") {
  memory_topology topology;
  const auto directory = open(topology);
  const auto map = directory->current();
  REQUIRE(map->size() == 2);
  const auto& first = map->serving()[0];
  CHECK(first.name() == "-80");
  CHECK(first.keyspace == "throng");
  CHECK(first.term == 1);
  CHECK(first.primary == "db1:3306");
  CHECK(first.servers == std::vector<server_address>{"db1:3306", "db2:3306"});
  CHECK(first.in_sync == std::vector<server_address>{"db1:3306"});
  CHECK(first.version > 0);
  CHECK(map->serving()[1].primary == "db3:3306");
  CHECK(map->version() == topology.get("serving/throng").value()->version);
}

TEST_CASE("shard directory: what is registered wins over every configuration") {
  memory_topology topology;
  open(topology);
  change(topology, "-80",
         [](auto& record) { record.primary = "db2:3306", record.in_sync = {"db2:3306"}, ++record.term; });
  for (const std::string other : {"-=elsewhere:1", "", "nonsense"}) {
    const auto directory = open(topology, other);
    CHECK(directory->current()->size() == 2);
    CHECK(directory->current()->serving()[0].primary == "db2:3306");
  }
  CHECK(topology.list("shards/").value().size() == 2);
}

TEST_CASE("shard directory: a topology that was emptied hears who serves once it has all records again") {
  memory_topology topology;
  const auto directory = open(topology);
  const auto last = directory->current();
  CHECK_FALSE(directory->is_forgotten());
  for (const std::string prefix : {"serving/", "shards/"}) {
    const auto entries = topology.list(prefix).value();
    for (const auto& entry : entries) REQUIRE(topology.erase(entry.key, entry.version));
  }
  const auto deadline = std::chrono::steady_clock::now() + 20s;
  while (!directory->is_forgotten() && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
  REQUIRE(directory->is_forgotten());
  CHECK(directory->current() == last);

  REQUIRE(restore_serving(topology, "throng", *last));
  CHECK_FALSE(topology.get("serving/throng").value());
  for (const auto& shard : last->serving()) {
    CHECK_FALSE(topology.get("serving/throng").value());
    REQUIRE(topology.put(shard_key("throng", shard.range), to_json(shard), 0));
    REQUIRE(restore_serving(topology, "throng", *last));
  }
  CHECK(names(read_shard_map(topology, "throng").value().serving()) == std::vector<std::string>{"-80", "80-"});
  while (directory->is_forgotten() && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
  CHECK_FALSE(directory->is_forgotten());
}

TEST_CASE("shard directory: a bootstrap that can't be is refused with what is wrong, and registers nothing") {
  memory_topology topology;
  const std::string key = "storage.mysql.shards: ";
  CHECK(refusal(topology, "") == key + "no shards: expected such as \"-80=db1:3306 80-=db2:3306\"");
  CHECK(refusal(topology, "-80=a:1") == key + "no shard has 80-");
  CHECK(refusal(topology, "-80=a:1 40-=b:1") == key + "shards -80 and 40- overlap");
  CHECK(refusal(topology, "a:1") == key + "\"a:1\": expected RANGE=HOST:PORT,…, such as -80=db1:3306,db2:3306");
  CHECK(refusal(topology, "-8=a:1 80-=b:1").starts_with(key + "\"-8=a:1\": \"-8\" is no range of whole slots"));
  CHECK(refusal(topology, "-=a") == key + "\"-=a\": \"a\" is no server: expected HOST:PORT");
  CHECK(refusal(topology, "-=a:1,") == key + "\"-=a:1,\": \"\" is no server: expected HOST:PORT");
  CHECK(refusal(topology, "-=") == key + "\"-=\": \"\" is no server: expected HOST:PORT");
  CHECK(refusal(topology, "-=a:1,a:1") == key + "\"-=a:1,a:1\": a:1 is there twice");
  CHECK(refusal(topology, "-80=a:1 80-=b:1,a:1") ==
        key + "\"80-=b:1,a:1\": a:1 has shard -80 already: a server has one shard");
  CHECK(topology.list("").value().empty());
  CHECK(refusal(topology, "0=a:1") == "opened");
}

TEST_CASE("shard directory: a topology that is away or holds nonsense is an error, and nothing is registered over it") {
  memory_topology topology;
  topology.is_away = true;
  CHECK(open_shard_directory(topology, "throng", two_shards).code() == errc::service_unavailable);
  topology.is_away = false;
  REQUIRE(topology.put("serving/throng", R"({"ranges":["-80","80-"]})", 0));
  CHECK(refusal(topology, two_shards) == "serving/throng names shard -80, which has no record");
  REQUIRE(topology.put("shards/throng/-80", "{", 0));
  CHECK(refusal(topology, two_shards).starts_with("shards/throng/-80: not JSON"));
  REQUIRE(topology.put("serving/throng", R"({"ranges":"-"})", topology.get("serving/throng").value()->version));
  CHECK(refusal(topology, two_shards).starts_with("serving/throng: expected \"ranges\""));
}

TEST_CASE("shard directory: nodes that start at once end with one truth") {
  for (int round = 0; round < 20; ++round) {
    memory_topology topology;
    std::vector<std::future<shard_directory::map_ptr>> nodes;
    for (int node = 0; node < 4; ++node)
      nodes.push_back(std::async(std::launch::async, [&topology, node] {
        // Two of them were configured for another cut of the keyspace.
        return open(topology, node % 2 ? "-=db9:3306" : two_shards)->current();
      }));
    const auto truth = nodes[0].get();
    CHECK((names(truth->serving()) == std::vector<std::string>{"-80", "80-"} ||
           names(truth->serving()) == std::vector<std::string>{"-"}));
    for (int node = 1; node < 4; ++node)
      CHECK(nodes[static_cast<std::size_t>(node)].get()->serving() == truth->serving());
  }
}

TEST_CASE("shard directory: a new primary is seen by current(), by listeners and by who waits") {
  memory_topology topology;
  const auto directory = open(topology);
  const auto seen = directory->current();
  std::vector<std::string> heard;
  auto handle = directory->listen([&](auto map) { heard.push_back(map->serving()[0].primary); });
  auto waiter = std::async(std::launch::async, [&] { return directory->wait_for_change(seen, 10s); });

  change(topology, "-80", [](auto& record) { record.primary = "db2:3306"; });
  CHECK(heard == std::vector<std::string>{"db2:3306"});
  CHECK(directory->current()->serving()[0].primary == "db2:3306");
  CHECK(seen->serving()[0].primary == "db1:3306");  // a map never changes
  CHECK(waiter.get()->serving()[0].primary == "db2:3306");

  handle.reset();
  change(topology, "-80", [](auto& record) { record.primary = "db1:3306"; });
  CHECK(heard.size() == 1);
}

TEST_CASE("shard directory: waiting for nothing ends in time, and what has changed already isn't waited for") {
  memory_topology topology;
  const auto directory = open(topology);
  const auto seen = directory->current();
  CHECK(directory->wait_for_change(seen, 1ms) == seen);
  change(topology, "80-", [](auto& record) { ++record.term; });
  CHECK(directory->wait_for_change(seen, 10s) != seen);
  CHECK(directory->wait_for_change(nullptr, 10s) == directory->current());
}

TEST_CASE("shard directory: one write of the serving entry moves the whole keyspace to new shards") {
  memory_topology topology;
  const auto directory = open(topology, "-=db1:3306");
  std::vector<std::vector<std::string>> heard;
  const auto handle = directory->listen([&](auto map) { heard.push_back(names(map->serving())); });
  const auto targets = parse_bootstrap("-80=db2:3306 80-=db3:3306", "throng").value();
  for (const auto& target : targets) REQUIRE(topology.put(shard_key("throng", target.range), to_json(target), 0));
  CHECK(names(directory->current()->serving()) == std::vector<std::string>{"-"});
  CHECK(names(directory->current()->others()) == std::vector<std::string>{"-80", "80-"});

  const std::vector<key_range> ranges{targets[0].range, targets[1].range};
  REQUIRE(topology.put("serving/throng", serving_to_json(ranges), directory->current()->version()));
  CHECK(names(directory->current()->serving()) == std::vector<std::string>{"-80", "80-"});
  CHECK(names(directory->current()->others()) == std::vector<std::string>{"-"});
  CHECK(heard.back() == std::vector<std::string>{"-80", "80-"});
}

TEST_CASE("shard directory: entries that make no map leave the last one in place until they are right again") {
  memory_topology topology;
  const auto directory = open(topology);
  const auto good = directory->current();
  const auto serving = *topology.get("serving/throng").value();

  auto version = topology.put("serving/throng", R"({"ranges":["-80","c0-"]})", serving.version).value();
  CHECK(directory->current() == good);
  version = topology.put("serving/throng", "nonsense", version).value();
  CHECK(directory->current() == good);
  REQUIRE(topology.erase("serving/throng", version));
  CHECK(directory->current() == good);
  // A neighbour whose name starts with ours is not ours.
  REQUIRE(topology.put("serving/throng2", R"({"ranges":["-"]})", 0));
  CHECK(directory->current() == good);
  REQUIRE(topology.put("serving/throng", serving.value, 0));
  CHECK(directory->current()->serving() == good->serving());
  CHECK(directory->current()->version() > good->version());
}

TEST_CASE("shard directory: a broken record that serves nothing disturbs nobody") {
  memory_topology topology;
  const auto directory = open(topology);
  REQUIRE(topology.put("shards/throng/40-80", "nonsense", 0));
  CHECK(directory->current()->others().empty());
  change(topology, "-80", [](auto& record) { ++record.term; });
  CHECK(directory->current()->serving()[0].term == 2);
  CHECK(read_shard_map(topology, "throng").value() == *directory->current());
}

TEST_CASE("shard directory: a keyspace that nobody registered isn't found") {
  memory_topology topology;
  CHECK(read_shard_map(topology, "throng").code() == errc::not_found);
}

TEST_CASE("fixed shard directory: the map is what was set last, and a listener's handle may outlive it") {
  auto directory = make_fixed_shard_directory(shard_map::single("a:1"));
  CHECK(directory->current()->of(0).primary == "a:1");
  CHECK(directory->current()->of(~ksid_t{0}).primary == "a:1");
  int heard = 0;
  auto handle = directory->listen([&](auto) { ++heard; });
  directory->set(shard_map::single("b:2"));
  CHECK(directory->current()->of(0).primary == "b:2");
  CHECK(heard == 1);
  directory.reset();
  handle.reset();
}

}  // namespace
}  // namespace throng
