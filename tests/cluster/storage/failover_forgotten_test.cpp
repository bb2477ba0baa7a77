// SPDX-License-Identifier: Apache-2.0
// The topology loses all it knew, as Consul does that is started again without its data, while a shard serves.
#include "tests/cluster/storage/failover_shard.hpp"

using namespace throng;
using namespace throng::failover;

namespace {

void forget(failover_shard& shard) { REQUIRE(shard.topology->erase(shard.key, shard.record().version)); }
bool is_there(failover_shard& shard) {
  const auto entry = shard.topology->get(shard.key);
  return entry && entry->has_value();
}

}  // namespace

TEST_CASE(
    "failover: a topology that has forgotten a shard is told of it again, and the next primary that dies is replaced") {
  failover_shard shard(2);
  shard.supervise();
  acked_writers writers(shard);
  REQUIRE(writers.get_more(200));
  const auto before = shard.record();

  forget(shard);
  REQUIRE(eventually(20s, [&] { return is_there(shard); }));
  CHECK(shard.record().primary == before.primary);
  CHECK(shard.record().term > before.term);
  REQUIRE(eventually(20s, [&] { return shard.record().in_sync.size() == 2; }));
  REQUIRE_MESSAGE(writers.get_more(200), shard.describe());

  shard.primary().kill9();
  REQUIRE_MESSAGE(eventually(20s, [&] { return shard.record().primary != before.primary; }), shard.describe());
  REQUIRE_MESSAGE(writers.get_more(200), shard.describe());
  writers.stop();
  CHECK(writers.lost() == 0);
}

TEST_CASE("failover: who remembers an older primary names the one that takes writes") {
  failover_shard shard(2);
  shard.supervise();
  const auto older = shard.record();
  REQUIRE(shard.supervisors.front()->reparent(shard.replica().address()));
  const auto newer = shard.record();
  REQUIRE(newer.primary != older.primary);
  shard.supervisors.clear();

  forget(shard);
  REQUIRE(restore_shard(*shard.topology, older, shard.how));
  CHECK(shard.record().primary == newer.primary);
  CHECK(shard.record().in_sync == std::vector{newer.primary});
}

TEST_CASE("failover: a record that was erased on purpose stays away") {
  failover_shard shard(2);
  shard.supervise();
  const auto last = shard.record();
  REQUIRE(shard.topology->put(serving_key(last.keyspace), serving_to_json(std::vector{last.range}), 0));
  forget(shard);
  REQUIRE(restore_shard(*shard.topology, last, shard.how));
  CHECK_FALSE(is_there(shard));
}
