// SPDX-License-Identifier: Apache-2.0
// A primary that was restarted cuts off its unacknowledged tail. When a replica has applied that tail and can't be
// asked, the numbers of what was cut off must not be given to other transactions: the replica would take them for what
// it has already, and go on with other rows than its primary, unseen.
#include "tests/cluster/storage/failover_shard.hpp"

using namespace throng;
using namespace throng::failover;

namespace {

mysql::connection as_application(const mysql::local_server& server) {
  return mysql::connection(server.address(), mysql::connect_options{"throng", "app", "throng", 1s, 3s});
}

bool insert(const mysql::local_server& server, int id) {
  try {
    as_application(server).run("INSERT INTO acked VALUES(" + std::to_string(id) + ")");
    return true;
  } catch (const mysql::failure& why) {
    return why.is_duplicate_key();  // an earlier try was committed after its answer was given up
  }
}

std::string rows_of(mysql::local_server& server) {
  return server.connect_as_root().words("SELECT COALESCE(GROUP_CONCAT(id ORDER BY id), '') FROM throng.acked");
}

/// The replica applies one insert, of 1, that the primary gets no acknowledgement for; then the primary is killed.
void leave_a_tail(mysql::local_server& primary, mysql::local_server& replica) {
  auto db = replica.connect_as_root();
  db.run("STOP SLAVE IO_THREAD");
  db.run("SET GLOBAL rpl_semi_sync_slave_enabled=0");
  db.run("START SLAVE IO_THREAD");
  std::atomic<bool> is_answered{false};
  std::thread client([&] { is_answered = insert(primary, 1); });
  const auto is_applied = eventually(10s, [&] { return rows_of(replica) == "1"; });
  primary.kill9();
  client.join();
  REQUIRE(is_applied);
  REQUIRE_FALSE(is_answered);
}

}  // namespace

TEST_CASE("failover: the numbers of a tail that was cut off are not used again while a replica may have it") {
  failover_shard shard(2);
  shard.supervise();
  auto& primary = shard.primary();
  auto& replica = shard.replica();
  REQUIRE(shard.is_in_sync(replica.address()));
  shard.supervisors.clear();  // or they would repair what follows
  leave_a_tail(primary, replica);
  replica.pause();
  failover_shard::restart(primary);
  shard.supervisors.push_back(shard_supervisor::start(*shard.topology, shard.key, shard.how));
  REQUIRE_MESSAGE(eventually(20s, [&] { return insert(primary, 2); }), shard.describe());
  CHECK(rows_of(primary) == "2");

  replica.resume();
  const auto is_told = [&] {
    const auto status = shard.supervisors.front()->status();
    return std::ranges::any_of(status.findings, [&](const finding& one) {
      return one.server == replica.address() && one.detail.find("0-1-") != std::string::npos;
    });
  };
  REQUIRE_MESSAGE(eventually(20s, [&] { return shard.is_in_sync(replica.address()) || is_told(); }), shard.describe());
  CHECK_MESSAGE(rows_of(replica) == "1", "it goes on from a history that isn't its primary's");
  CHECK_FALSE_MESSAGE(shard.is_in_sync(replica.address()), shard.describe());
}
