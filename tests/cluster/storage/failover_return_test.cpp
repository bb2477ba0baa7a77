// SPDX-License-Identifier: Apache-2.0
// A primary that was killed comes back, with less than a replica has, or cut off where it must not be. What it "cut
// off" is made by writing the primary's next transaction on a replica, under the primary's server id.
#include "tests/cluster/storage/failover_shard.hpp"

using namespace throng;
using namespace throng::failover;

namespace {

constexpr auto cut_off_row = std::uint64_t{7};

/// As if `replica` had received and applied what the restart of the primary then cut off.
void apply_what_is_cut_off(mysql::local_server& replica, std::uint32_t primary_id) {
  auto db = replica.connect_as_root("throng");
  db.run("STOP SLAVE");
  db.run("SET SESSION server_id=" + std::to_string(primary_id));
  db.run("INSERT INTO acked VALUES(" + std::to_string(cut_off_row) + ")");
  db.run("SET GLOBAL gtid_slave_pos=@@global.gtid_binlog_pos");
}

bool is_copied(mysql::local_server& from, mysql::local_server& to) {
  const auto* position = "SELECT @@global.gtid_binlog_pos";
  return eventually(20s,
                    [&] { return from.connect_as_root().words(position) == to.connect_as_root().words(position); });
}

std::int64_t rows_of(mysql::local_server& server, std::uint64_t id) {
  return server.connect_as_root().number("SELECT COUNT(*) FROM throng.acked WHERE id=" + std::to_string(id));
}

std::uint32_t id_of(mysql::local_server& server) {
  return static_cast<std::uint32_t>(server.connect_as_root().number("SELECT @@global.server_id"));
}

}  // namespace

TEST_CASE("failover: a primary that comes back behind a replica which isn't trusted is replaced by that one") {
  failover_shard shard(3);
  shard.supervise();
  {
    acked_writers writers(shard);
    REQUIRE(writers.get_more(50));
  }
  REQUIRE_MESSAGE(shard.becomes_well(), shard.describe());
  auto& old = shard.primary();
  auto& ahead = shard.replica();
  const auto id = id_of(old);
  for (auto& one : shard.servers) REQUIRE(is_copied(old, *one));
  shard.supervisors.clear();  // so that nobody leaves M, and nobody is trusted, before all is in place
  old.kill9();
  for (auto& one : shard.servers) {
    if (one.get() == &old) continue;
    one->connect_as_root().run("FLUSH LOCAL ENGINE LOGS");  // or the restart cuts off what they applied
    failover_shard::restart(*one, {"--skip-slave-start"});
  }
  apply_what_is_cut_off(ahead, id);
  shard.supervisors.push_back(shard_supervisor::start(*shard.topology, shard.key, shard.how));
  REQUIRE_MESSAGE(eventually(20s, [&] { return shard.has_finding(problem_t::dead_primary_and_replicas); }),
                  shard.describe());
  failover_shard::restart(old);
  REQUIRE_MESSAGE(eventually(20s, [&] { return shard.is_primary(ahead.address()); }), shard.describe());
  acked_writers writers(shard);
  REQUIRE_MESSAGE(writers.get_more(50), shard.describe());
  CHECK_MESSAGE(eventually(20s, [&] { return shard.record().in_sync.size() == 3; }), shard.describe());
  CHECK(rows_of(ahead, cut_off_row) == 1);
  writers.stop();
  CHECK(writers.lost() == 0);
}

TEST_CASE("failover: what a server applied as a replica survives its death as the primary, from the first moment") {
  temporary_folder folder;
  const auto alone = failover_shard::start_alone(folder);
  auto& server = *alone;
  {
    auto db = server.connect_as_root();
    for (int id = 0; id < 20; ++id) db.run("INSERT INTO throng.acked VALUES(" + std::to_string(id) + ")");
    server_session session(server.address(), {"supervisor", "secret", "", 2s, 5s}, {"throng_replica_", "secret"});
    session.flush_each_commit();
    server.kill9();
  }
  failover_shard::restart(server);
  CHECK(server.connect_as_root().number("SELECT COUNT(*) FROM throng.acked") == 20);
}
