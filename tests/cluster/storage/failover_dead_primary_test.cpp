// SPDX-License-Identifier: Apache-2.0
// A primary dies under load: what was acknowledged is on its successor.
#include "tests/cluster/storage/failover_shard.hpp"

using namespace throng;
using namespace throng::failover;

namespace {

std::string phases_of(const shard_supervisor& supervisor) {
  std::string text;
  const auto report = supervisor.status().last_reparent;
  if (!report) return "none";
  for (const auto& [name, time] : report->phases) text += name + " " + std::to_string(time.count() / 1000) + " ms, ";
  return text + "in all " + std::to_string(report->total.count() / 1000) + " ms";
}

void kill_primary_under_load(unsigned servers, int rounds) {
  failover_shard shard(servers);
  auto& supervisor = shard.supervise();
  acked_writers writers(shard);
  for (int round = 0; round < rounds; ++round) {
    REQUIRE_MESSAGE(writers.get_more(200), shard.describe());
    REQUIRE_MESSAGE(shard.becomes_well(), shard.describe());
    REQUIRE(shard.record().in_sync.size() == servers);
    auto& old = shard.primary();
    writers.forget_gaps();
    old.kill9();
    REQUIRE_MESSAGE(eventually(20s, [&] { return !shard.is_primary(old.address()); }), shard.describe());
    REQUIRE_MESSAGE(writers.get_more(100), shard.describe());
    MESSAGE(servers << " servers: no acknowledgement for " << writers.longest_gap().count() << " ms; "
                    << phases_of(supervisor));
    failover_shard::restart(old);
    REQUIRE_MESSAGE(eventually(20s, [&] { return shard.is_in_sync(old.address()); }), shard.describe());
  }
  writers.stop();
  CHECK(writers.lost() == 0);
  CHECK(supervisor.status().figures.failovers == static_cast<unsigned>(rounds));
}

}  // namespace

TEST_CASE("failover: of two servers the replica takes over, and the old primary comes back as its replica") {
  kill_primary_under_load(2, 2);
}

TEST_CASE("failover: of three servers one takes over, and the others follow it") { kill_primary_under_load(3, 2); }

TEST_CASE("failover: a replica that dies leaves the in-sync set, and writes go on") {
  for (const unsigned count : {2U, 3U}) {
    CAPTURE(count);
    failover_shard shard(count);
    shard.supervise();
    acked_writers writers(shard);
    REQUIRE(writers.get_more(100));
    auto& gone = shard.replica();
    gone.kill9();
    REQUIRE_MESSAGE(eventually(20s, [&] { return !shard.is_in_sync(gone.address()); }), shard.describe());
    CHECK(shard.record().in_sync.size() == count - 1);
    REQUIRE_MESSAGE(writers.get_more(200), shard.describe());
    if (count == 2) CHECK(shard.record().reason.find("alone") != std::string::npos);
    failover_shard::restart(gone);
    REQUIRE_MESSAGE(eventually(20s, [&] { return shard.is_in_sync(gone.address()); }), shard.describe());
    REQUIRE(writers.get_more(100));
    writers.stop();
    CHECK(writers.lost() == 0);
  }
}

TEST_CASE("failover: with ackers_min 1 the last primary waits instead of going on alone") {
  failover_shard shard(2, 1);
  shard.supervise();
  acked_writers writers(shard);
  REQUIRE(writers.get_more(50));
  auto& gone = shard.replica();
  gone.kill9();
  REQUIRE(eventually(20s, [&] { return shard.has_finding(problem_t::primary_semi_sync_blocked); }));
  CHECK(shard.is_in_sync(gone.address()));
  const auto blocked_at = writers.count();
  CHECK_FALSE(writers.get_more(5, 1500ms));  // the one in flight may have been acknowledged
  CHECK(writers.count() <= blocked_at + 4);
  failover_shard::restart(gone);
  REQUIRE_MESSAGE(writers.get_more(50), shard.describe());
  writers.stop();
  CHECK(writers.lost() == 0);
}

TEST_CASE("failover: all servers die at once and come back") {
  failover_shard shard(3);
  shard.supervise();
  acked_writers writers(shard);
  for (int round = 0; round < 2; ++round) {
    REQUIRE(writers.get_more(200));
    for (auto& one : shard.servers) one->kill9();
    REQUIRE(eventually(20s, [&] {
      return shard.has_finding(problem_t::dead_primary_and_replicas) ||
             shard.has_finding(problem_t::dead_primary_without_in_sync);
    }));
    for (auto& one : shard.servers) failover_shard::restart(*one);
    REQUIRE_MESSAGE(writers.get_more(100), shard.describe());
    REQUIRE_MESSAGE(shard.becomes_well(), shard.describe());
  }
  writers.stop();
  CHECK(writers.lost() == 0);
}
