// SPDX-License-Identifier: Apache-2.0
#include "storage/reshard/reshard_plan.hpp"

#include <doctest/doctest.h>

using namespace throng;

namespace {

key_range range(std::string_view text) { return parse_key_range(text).value(); }

shard_record shard(std::string_view name, server_address server) {
  shard_record record;
  record.range = range(name);
  record.term = 1;
  record.primary = server;
  record.servers = {server};
  record.in_sync = {server};
  return record;
}

shard_map map_of(std::vector<shard_record> serving, std::vector<shard_record> others = {}) {
  return shard_map::make(std::move(serving), std::move(others), 1).value();
}

const shard_map halves = map_of({shard("-80", "a:1"), shard("80-", "b:1")});

result<reshard_plan> plan(const shard_map& map, std::string_view sources, std::string_view targets) {
  return make_reshard_plan(map, "throng", parse_shard_list(sources).value(), parse_reshard_targets(targets).value());
}

std::string refusal(const shard_map& map, std::string_view sources, std::string_view targets) {
  const auto made = plan(map, sources, targets);
  return made ? "" : made.failure().detail;
}

}  // namespace

TEST_CASE("reshard plan: a split has a stream to each target") {
  const auto made = plan(map_of({shard("-", "a:1")}), "-", "-80=b:1 80-=c:1,c:2");
  REQUIRE(made);
  CHECK(made->streams == std::vector<reshard_plan::stream>{{range("-"), range("-80"), range("-80")},
                                                           {range("-"), range("80-"), range("80-")}});
  CHECK(made->serving_after == std::vector{range("-80"), range("80-")});
  CHECK(made->unknown == std::vector{range("-80"), range("80-")});
  CHECK(made->targets[1].servers == std::vector<server_address>{"c:1", "c:2"});
}

TEST_CASE("reshard plan: a merge has a stream from each source") {
  const auto made = plan(halves, "-80,80-", "-=c:1");
  REQUIRE(made);
  CHECK(made->streams == std::vector<reshard_plan::stream>{{range("-80"), range("-"), range("-80")},
                                                           {range("80-"), range("-"), range("80-")}});
}

TEST_CASE("reshard plan: uneven sets have a stream wherever they overlap, and leave others alone") {
  const auto map = map_of({shard("-40", "a:1"), shard("40-80", "b:1"), shard("80-", "c:1")});
  const auto made = plan(map, "40-80,-40", "20-80=e:1 -20=d:1");
  REQUIRE(made);
  CHECK(made->streams == std::vector<reshard_plan::stream>{{range("-40"), range("-20"), range("-20")},
                                                           {range("-40"), range("20-80"), range("20-40")},
                                                           {range("40-80"), range("20-80"), range("40-80")}});
  CHECK(made->serving_after == std::vector{range("-20"), range("20-80"), range("80-")});
}

TEST_CASE("reshard plan: targets that the topology knows need no servers") {
  const auto map = map_of({shard("-", "a:1")}, {shard("-80", "b:1"), shard("80-", "c:1")});
  const auto made = plan(map, "-", "-80,80-");
  REQUIRE(made);
  CHECK(made->targets[0].servers == std::vector<server_address>{"b:1"});
  CHECK(made->unknown.empty());
  CHECK(refusal(map, "-", "-80=d:1 80-=c:1") ==
        "the topology has other servers for target -80: leave them out to use those");
}

TEST_CASE("reshard plan: bad sets are refused by name") {
  CHECK(refusal(halves, "-", "-=c:1") == "source - doesn't serve (serving: -80, 80-)");
  CHECK(refusal(halves, "-80", "-80=c:1") == "target -80 serves already");
  CHECK(refusal(halves, "-80", "-40=c:1") == "no target takes 40-80 of the sources");
  CHECK(refusal(halves, "-80", "40-80=c:1") == "no target takes -40 of the sources");
  CHECK(refusal(halves, "-80", "-20=c:1 40-80=d:1") == "no target takes 20-40 of the sources");
  CHECK(refusal(halves, "80-", "80-c0=c:1") == "no target takes c0- of the sources");
  CHECK(refusal(halves, "-80", "-40=c:1 40-=d:1") == "the targets take 80-, which no source has");
  CHECK(refusal(halves, "-80", "-=c:1") == "the targets take 80-, which no source has");
  CHECK(refusal(halves, "-80", "-60=c:1 40-80=d:1") == "targets -60 and 40-80 overlap");
  CHECK(refusal(halves, "-80,-80", "-40=c:1 40-80=d:1") == "sources -80 and -80 overlap");
  CHECK(refusal(halves, "-80", "-40=a:1 40-80=d:1") == "server a:1 belongs to shard -80 already");
  CHECK(refusal(halves, "-80", "-40=c:1 40-80=c:1") == "server c:1 is named twice");
  CHECK(refusal(halves, "-80", "-40=c:x 40-80=d:1") == "target -40: c:x is no host:port");
  CHECK(refusal(halves, "-80", "-40 40-80") ==
        "target -40 has no servers, and the topology doesn't know such a shard: name them, as in -40=host:port");
  CHECK(make_reshard_plan(halves, "throng", {}, {}).code() == errc::invalid_arguments);
}

TEST_CASE("reshard plan: what is no list of shards is refused with the part that is none") {
  CHECK(parse_shard_list("-80, 8-9").failure().detail == "8-9 is no range of whole slots such as 40-80");
  CHECK(parse_shard_list("").failure().detail == "expected shards, as in -80,80-");
  CHECK(parse_reshard_targets("x=h:1").failure().detail == "x is no range of whole slots such as 40-80");
  CHECK(parse_reshard_targets(" ").failure().detail == "expected targets, as in -80=host:port 80-=host:port");
}

TEST_CASE("reshard plan: any cover is accepted, and exactly the covers") {
  // Cuts of the keyspace at sixteenths: sources and targets by bit masks of their cuts.
  const auto ranges = [](unsigned cuts) {
    std::vector<key_range> out{{0, 0}};
    for (ksid_t at = 1; at < 8; ++at)
      if (cuts >> (at - 1) & 1) {
        out.back().end = at << 61;
        out.push_back({at << 61, 0});
      }
    return out;
  };
  for (unsigned a = 0; a < 128; a += 5)
    for (unsigned b = 0; b < 128; b += 3) {
      std::vector<shard_record> serving;
      for (const auto& each : ranges(a))
        serving.push_back(shard(to_text(each), "s:" + std::to_string(serving.size() + 1)));
      const auto map = map_of(serving);
      auto sources = ranges(a);
      std::vector<reshard_target> targets;
      for (const auto& each : ranges(b)) targets.push_back({each, {"t:" + std::to_string(targets.size() + 1)}});
      // What is on both sides already stays where it is.
      std::erase_if(targets, [&](const auto& target) { return std::erase(sources, target.range) > 0; });
      if (sources.empty()) continue;
      const auto made = make_reshard_plan(map, "throng", sources, targets);
      REQUIRE(made);
      CHECK(made->serving_after == ranges(b));
      if (targets.size() < 2) continue;
      targets.pop_back();
      CHECK_FALSE(make_reshard_plan(map, "throng", sources, targets));
    }
}
