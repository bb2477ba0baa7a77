// SPDX-License-Identifier: Apache-2.0
// A primary whose commits wait for an acknowledgement that can't come any more, though its replica is there and has all
// of them: MariaDB counts an acknowledgement only behind an event, and no event goes out while commits wait.
#include "tests/cluster/storage/failover_shard.hpp"

using namespace throng;
using namespace throng::failover;

namespace {

/// Connects again: as one that acknowledges what it receives from then on, or as one that doesn't.
void reconnect(mysql::local_server& replica, bool acknowledges) {
  auto db = replica.connect_as_root();
  db.run("STOP SLAVE IO_THREAD");
  db.run("SET GLOBAL rpl_semi_sync_slave_enabled=" + std::to_string(acknowledges ? 1 : 0));
  db.run("START SLAVE IO_THREAD");
}

constexpr auto of_replicas = "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE USER LIKE 'throng_replica_%'";

/// Nearly always at the first try: the thread that hears acknowledgements hasn't woken for a connection that is refused
/// at once, as that of a replica at a number which the primary left out, when this one waits for it to let go.
bool leave_a_connection_that_never_ends(mysql::local_server& primary, mysql::local_server& replica) {
  auto db = primary.connect_as_root();
  auto other = replica.connect_as_root();
  other.run("STOP SLAVE");
  db.run("SET GLOBAL rpl_semi_sync_master_enabled=0");
  db.run("SET SESSION gtid_seq_no=1000000");
  db.run("INSERT INTO throng.acked VALUES(1)");
  db.run("SET GLOBAL rpl_semi_sync_master_enabled=1");
  const auto position = other.words("SELECT @@global.gtid_slave_pos");
  other.run("SET GLOBAL gtid_slave_pos='0-1-900000'");
  auto is_stuck = false;
  for (int tries = 0; tries < 5 && !is_stuck; ++tries) {
    other.run("START SLAVE IO_THREAD");
    is_stuck = eventually(3s, [&] { return db.number(of_replicas) == 2; });  // one waits for the other
  }
  other.run("STOP SLAVE");
  other.run("SET GLOBAL gtid_slave_pos='" + position + "'");
  other.run("START SLAVE");
  return is_stuck;
}

std::int64_t commits_under_way(mysql::local_server& primary) {
  return primary.connect_as_root().number(
      "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE USER='throng' AND COMMAND='Query'");
}

}  // namespace

TEST_CASE("failover: commits whose acknowledgements were lost don't hold up the shard when their replica is back") {
  for (const unsigned ackers_min : {0U, 1U}) {
    CAPTURE(ackers_min);
    failover_shard shard(2, ackers_min);
    shard.supervise();
    auto& primary = shard.primary();
    auto& replica = shard.replica();
    REQUIRE(shard.is_in_sync(replica.address()));
    acked_writers writers(shard);
    REQUIRE(writers.get_more(50));
    shard.supervisors.clear();  // or they would be quicker
    reconnect(replica, false);
    // More than one group of them: the one behind that waits for the first keeps the log locked.
    REQUIRE(eventually(20s, [&] { return commits_under_way(primary) >= 12; }));
    reconnect(replica, true);
    WARN_FALSE(writers.get_more(1, 1s));  // or this MariaDB has lost this fault
    shard.supervisors.push_back(shard_supervisor::start(*shard.topology, shard.key, shard.how));
    REQUIRE_MESSAGE(writers.get_more(50), shard.describe());
    CHECK_MESSAGE(shard.becomes_well(), shard.describe());
    CHECK(shard.is_in_sync(replica.address()));
    writers.stop();
    CHECK(writers.lost() == 0);
  }
}

TEST_CASE("failover: a replica gets back in though MariaDB doesn't let go of its last connection") {
  for (const unsigned ackers_min : {0U, 1U}) {
    CAPTURE(ackers_min);
    failover_shard shard(2, ackers_min);
    shard.supervise();
    auto& replica = shard.replica();
    shard.supervisors.clear();
    WARN(leave_a_connection_that_never_ends(shard.primary(), replica));  // or this MariaDB has lost this fault
    acked_writers writers(shard);
    shard.supervisors.push_back(shard_supervisor::start(*shard.topology, shard.key, shard.how));
    REQUIRE_MESSAGE(writers.get_more(50), shard.describe());
    REQUIRE_MESSAGE(eventually(20s, [&] { return shard.is_in_sync(replica.address()); }), shard.describe());
    CHECK_MESSAGE(shard.becomes_well(), shard.describe());
    REQUIRE_MESSAGE(writers.get_more(50), shard.describe());
    writers.stop();
    CHECK(writers.lost() == 0);
  }
}

TEST_CASE("failover: a replica can be shut out though MariaDB doesn't let go of its connection") {
  failover_shard shard(2, 1);
  shard.supervise();
  auto& primary = shard.primary();
  auto& replica = shard.replica();
  shard.supervisors.clear();
  WARN(leave_a_connection_that_never_ends(primary, replica));  // or this MariaDB has lost this fault
  server_session session(primary.address(), shard.how.admin, shard.how.replication);
  session.close_gates_except({});
  CHECK(primary.connect_as_root().number(of_replicas) == 0);
}

TEST_CASE("failover: a primary that is made to listen again answers nobody whose commit no replica has") {
  temporary_folder folder;
  const auto alone = failover_shard::start_alone(folder);
  auto& server = *alone;
  auto db = server.connect_as_root();
  db.run("ALTER TABLE throng.acked ADD COLUMN changes INT");
  server_session session(server.address(), {"supervisor", "secret", "", 2s, 5s}, {"throng_replica_", "secret"});
  session.wait_for_acknowledgements(true);
  session.open_for_writes();

  // It may write while the server is read-only, so this must not be committed while nobody waits for a replica.
  mysql::connection sleeper(server.address(), mysql::connect_options{"supervisor", "secret", "throng", 5s, 5s});
  sleeper.run("BEGIN");
  sleeper.run("INSERT INTO acked VALUES(1000, 0)");

  constexpr int clients = 24;
  std::atomic<int> answered{0}, refused{0};
  {
    std::vector<std::jthread> all;
    for (int id = 0; id < clients; ++id)
      all.emplace_back([&, id] {
        try {
          // Some with the rights of the supervisor, as the reshard runner; some in a transaction; some wait for the row
          // of another, and would be the next to commit.
          const auto account = id % 4 == 0 ? std::pair("supervisor", "secret") : std::pair("throng", "app");
          mysql::connection client(server.address(),
                                   mysql::connect_options{account.first, account.second, "throng", 5s, 30s});
          if (id % 3 == 1) client.run("BEGIN");
          client.run("INSERT INTO acked VALUES(" + std::to_string(id % 3 == 2 ? id - 2 : id) +
                     ", 0) ON DUPLICATE KEY UPDATE changes=changes+1");
          if (id % 3 == 1) client.run("COMMIT");
          ++answered;
        } catch (const mysql::failure&) {
          ++refused;
        }
      });
    const auto* waiting =
        "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE USER IN ('throng', 'supervisor') AND COMMAND='Query'"
        " AND"
        " (STATE IN ('Commit', 'Update') OR STATE LIKE 'Waiting for semi-sync%' OR INFO='COMMIT')";
    CHECK(eventually(20s, [&] { return db.number(waiting) == clients; }));
    session.listen_again();
  }
  CHECK(answered == 0);
  CHECK(refused == clients);
  CHECK_THROWS_AS(sleeper.run("COMMIT"), mysql::failure);
  CHECK(db.number("SELECT @@global.read_only") == 0);
  CHECK(db.number("SELECT @@global.rpl_semi_sync_master_enabled") == 1);
}
