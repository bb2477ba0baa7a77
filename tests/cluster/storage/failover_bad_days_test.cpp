// SPDX-License-Identifier: Apache-2.0
// What else happens to a shard's servers: pauses, cuts, lag, foreign writes, wrong passwords, two supervisors.
#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "tests/cluster/storage/failover_shard.hpp"

using namespace throng;
using namespace throng::failover;

TEST_CASE("failover: a primary that was paused and wakes up after its replacement takes no write, and loses none") {
  failover_shard shard(3);
  auto& supervisor = shard.supervise();
  acked_writers writers(shard);
  REQUIRE(writers.get_more(300));
  auto& old = shard.primary();
  writers.forget_gaps();
  old.pause();
  REQUIRE_MESSAGE(eventually(20s, [&] { return !shard.is_primary(old.address()); }), shard.describe());
  REQUIRE_MESSAGE(writers.get_more(200), shard.describe());
  MESSAGE("paused: no acknowledgement for " << writers.longest_gap().count() << " ms");
  old.resume();
  // What it had on its way when it was paused is either nowhere else, then it is reported, or it comes back clean.
  REQUIRE_MESSAGE(
      eventually(20s,
                 [&] { return shard.is_in_sync(old.address()) || shard.has_finding(problem_t::errant_gtid_detected); }),
      shard.describe());
  CHECK(eventually(5s, [&] { return old.connect_as_root().number("SELECT @@global.read_only") == 1; }));
  CHECK_FALSE(shard.is_primary(old.address()));
  if (shard.has_finding(problem_t::errant_gtid_detected)) {
    const auto status = supervisor.status();
    const auto told = std::ranges::find(status.findings, problem_t::errant_gtid_detected, &finding::problem);
    CHECK(told->server == old.address());
    CHECK(told->detail.find("0-") != std::string::npos);
    CHECK_FALSE(shard.is_in_sync(old.address()));
  }
  REQUIRE(writers.get_more(100));
  writers.stop();
  CHECK(writers.lost() == 0);
}

TEST_CASE("failover: replicas that were cut off before the primary died are not promoted; the shard waits for it") {
  failover_shard shard(3);
  shard.supervise();
  acked_writers writers(shard);
  REQUIRE(writers.get_more(200));
  auto& primary = shard.primary();
  // They can't receive, but writes go on, for the shard has been told to do without: the rule by which it may.
  for (auto& one : shard.servers)
    if (one.get() != &primary) one->pause();
  REQUIRE_MESSAGE(eventually(20s, [&] { return shard.record().in_sync.size() == 1; }), shard.describe());
  REQUIRE_MESSAGE(writers.get_more(200), shard.describe());
  primary.kill9();
  for (auto& one : shard.servers)
    if (one.get() != &primary) one->resume();
  REQUIRE_MESSAGE(eventually(20s, [&] { return shard.has_finding(problem_t::dead_primary_without_in_sync); }),
                  shard.describe());
  CHECK_FALSE(writers.get_more(1, 1000ms));
  CHECK(shard.is_primary(primary.address()));
  failover_shard::restart(primary);
  REQUIRE_MESSAGE(writers.get_more(100), shard.describe());
  REQUIRE_MESSAGE(eventually(20s, [&] { return shard.record().in_sync.size() == 3; }), shard.describe());
  writers.stop();
  CHECK(writers.lost() == 0);
}

TEST_CASE("failover: with one in-sync replica out of reach nothing is promoted until it can be asked") {
  failover_shard shard(3);
  shard.supervise();
  acked_writers writers(shard);
  REQUIRE(writers.get_more(200));
  auto& primary = shard.primary();
  auto& hung = shard.replica();
  hung.pause();
  primary.kill9();  // before the paused one can leave the in-sync set
  REQUIRE(shard.is_in_sync(hung.address()));
  REQUIRE_MESSAGE(eventually(20s, [&] { return shard.has_finding(problem_t::dead_primary_and_some_replicas); }),
                  shard.describe());
  CHECK_FALSE(writers.get_more(1, 1000ms));
  hung.resume();
  REQUIRE_MESSAGE(eventually(20s, [&] { return !shard.is_primary(primary.address()); }), shard.describe());
  REQUIRE_MESSAGE(writers.get_more(100), shard.describe());
  writers.stop();
  CHECK(writers.lost() == 0);
}

TEST_CASE("failover: two supervisors that both act lose no write, and open no two servers in one term") {
  failover_shard shard(3);
  shard.how.is_alone = true;
  shard.supervise();
  shard.supervise_too();
  acked_writers writers(shard);
  std::atomic<bool> is_over{false};
  std::atomic<int> doubles{0};
  // Asks everybody in one term of the record whether it takes writes and can have them acknowledged.
  std::thread referee([&] {
    while (!is_over) {
      const auto before = shard.record();
      int open = 0;
      for (auto& one : shard.servers) {
        try {
          mysql::connection db(one->address(), {"supervisor", "secret", "", 1s, 1s});
          open += db.number("SELECT @@global.read_only") == 0 ? 1 : 0;
        } catch (const mysql::failure&) {  // it is down: closed
        }
      }
      if (shard.record().version == before.version && open > 1) ++doubles;
    }
  });
  for (int round = 0; round < 3; ++round) {
    CHECK_MESSAGE(writers.get_more(150), shard.describe());
    // Both of them: who hasn't seen yet that a server that was restarted has everything again promotes nobody.
    const auto are_well = [&] {
      return shard.record().in_sync.size() == 3 &&
             std::ranges::all_of(shard.supervisors, [](const auto& each) { return each->wait_until_well(0ms); });
    };
    if (!eventually(20s, are_well)) break;
    auto& old = shard.primary();
    old.kill9();
    CHECK_MESSAGE(eventually(20s, [&] { return !shard.is_primary(old.address()); }), shard.describe());
    CHECK_MESSAGE(writers.get_more(50), shard.describe());
    const auto again = old.restart();
    CHECK_MESSAGE(again.ok(), (again.ok() ? "" : again.failure().detail));
  }
  is_over = true;
  referee.join();
  writers.stop();
  CHECK(writers.lost() == 0);
  CHECK(doubles == 0);
}

TEST_CASE("failover: of two supervisors one leads, and the other takes over when it goes") {
  failover_shard shard(2);
  shard.supervise();
  shard.supervise_too();
  REQUIRE(eventually(10s, [&] { return !shard.supervisors[1]->status().servers.empty(); }));
  CHECK(shard.supervisors[0]->status().is_leading);
  CHECK_FALSE(shard.supervisors[1]->status().is_leading);
  CHECK(shard.supervisors[1]->reparent(shard.replica().address()).code() == errc::not_allowed);
  shard.supervisors.erase(shard.supervisors.begin());
  REQUIRE(eventually(20s, [&] { return shard.supervisors[0]->status().is_leading; }));
  acked_writers writers(shard);
  REQUIRE(writers.get_more(50));
  auto& old = shard.primary();
  old.kill9();
  REQUIRE_MESSAGE(eventually(20s, [&] { return !shard.is_primary(old.address()); }), shard.describe());
  REQUIRE_MESSAGE(writers.get_more(50), shard.describe());
  writers.stop();
  CHECK(writers.lost() == 0);
}

TEST_CASE("failover: who doesn't lead learns too that a restarted replica has everything again, and promotes it") {
  failover_shard shard(2);
  shard.how.policy.blocked_after = 60s;  // it stays a member while it is away: no new record tells, only the notes
  shard.supervise();
  shard.supervise_too();
  acked_writers writers(shard);
  REQUIRE(writers.get_more(50));
  auto& replica = shard.replica();
  const auto run_in = [&](const shard_status& status) -> std::int64_t {
    const auto seen = std::ranges::find(status.servers, replica.address(), &server_observation::server);
    return seen != status.servers.end() ? seen->start_s : 0;
  };
  const auto before = run_in(shard.supervisors[0]->status());
  REQUIRE(before != 0);
  replica.kill9();
  failover_shard::restart(replica);
  const auto is_trusted_again = [&] {
    const auto status = shard.supervisors[1]->status();
    return status.findings.empty() && run_in(status) > before &&
           std::ranges::all_of(status.servers, &server_observation::is_reachable);
  };
  REQUIRE_MESSAGE(eventually(20s, is_trusted_again), shard.describe());

  // The leader's machine had the primary too.
  auto& old = shard.primary();
  shard.supervisors.erase(shard.supervisors.begin());
  old.kill9();
  REQUIRE_MESSAGE(eventually(20s, [&] { return shard.is_primary(replica.address()); }), shard.describe());
  REQUIRE_MESSAGE(writers.get_more(50), shard.describe());
  writers.stop();
  CHECK(writers.lost() == 0);
}

TEST_CASE("failover: nothing is promoted while the notes can't be read, which may say who isn't trusted any more") {
  failover_shard shard(2);
  auto& supervisor = shard.supervise();
  acked_writers writers(shard);
  REQUIRE(writers.get_more(50));
  REQUIRE_MESSAGE(shard.becomes_well(), shard.describe());
  const auto notes = shard.topology->get(notes_key(shard.record()));
  REQUIRE(notes);
  REQUIRE(*notes);
  const auto broken = shard.topology->put((*notes)->key, "{}", (*notes)->version);
  REQUIRE(broken);

  auto& old = shard.primary();
  old.kill9();
  REQUIRE_MESSAGE(eventually(20s, [&] { return shard.has_finding(problem_t::dead_primary); }), shard.describe());
  CHECK(supervisor.status().trouble.starts_with("the notes of the shard can't be read: "));
  CHECK_FALSE(eventually(1500ms, [&] { return !shard.is_primary(old.address()); }));

  REQUIRE(shard.topology->put((*notes)->key, (*notes)->value, *broken));
  REQUIRE_MESSAGE(eventually(20s, [&] { return !shard.is_primary(old.address()); }), shard.describe());
  REQUIRE_MESSAGE(writers.get_more(50), shard.describe());
  failover_shard::restart(old);
  REQUIRE_MESSAGE(shard.becomes_well(), shard.describe());
  CHECK(eventually(5s, [&] { return supervisor.status().trouble.empty(); }));
  writers.stop();
  CHECK(writers.lost() == 0);
}

TEST_CASE("failover: a write on a replica is found, named, and keeps the replica out") {
  failover_shard shard(3);
  auto& supervisor = shard.supervise();
  acked_writers writers(shard);
  REQUIRE(writers.get_more(50));
  auto& strange = shard.replica();
  strange.connect_as_root().run("CREATE DATABASE strange");  // root passes read_only
  REQUIRE_MESSAGE(eventually(20s, [&] { return shard.has_finding(problem_t::errant_gtid_detected); }),
                  shard.describe());
  REQUIRE_MESSAGE(eventually(20s, [&] { return !shard.is_in_sync(strange.address()); }), shard.describe());
  const auto status = supervisor.status();
  const auto told = std::ranges::find(status.findings, problem_t::errant_gtid_detected, &finding::problem);
  REQUIRE(told != status.findings.end());
  const auto id = strange.connect_as_root().words("SELECT @@server_id");
  CHECK(told->detail.find("0-" + id + "-") != std::string::npos);
  REQUIRE_MESSAGE(writers.get_more(100), shard.describe());
  auto& old = shard.primary();
  old.kill9();
  REQUIRE_MESSAGE(eventually(20s, [&] { return !shard.is_primary(old.address()); }), shard.describe());
  CHECK_FALSE(shard.is_primary(strange.address()));
  REQUIRE_MESSAGE(writers.get_more(50), shard.describe());
  writers.stop();
  CHECK(writers.lost() == 0);
}

TEST_CASE("failover: an errant server that is seeded again, as the README says, is taken in") {
  if (std::system("command -v mariadb-backup >/dev/null") != 0) {
    MESSAGE("not run: there is no mariadb-backup");
    return;
  }
  failover_shard shard(2);
  shard.supervise();
  acked_writers writers(shard);
  REQUIRE(writers.get_more(50));
  auto& strange = shard.replica();
  strange.connect_as_root().run("CREATE DATABASE strange");
  REQUIRE_MESSAGE(eventually(20s, [&] { return shard.has_finding(problem_t::errant_gtid_detected); }),
                  shard.describe());
  REQUIRE_MESSAGE(eventually(20s, [&] { return !shard.is_in_sync(strange.address()); }), shard.describe());
  strange.kill9();

  const auto data = (shard.folder_of(strange) / "data").string();
  const auto log = (shard.folder().path() / "backup.log").string();
  std::filesystem::remove_all(data);
  const auto backup =
      "mariadb-backup --no-defaults --user=root --host=127.0.0.1 --port=" + std::to_string(shard.primary().port()) +
      " --target-dir=" + data;
  const auto seed = backup + " --datadir=" + (shard.folder_of(shard.primary()) / "data").string() + " --backup >" +
                    log + " 2>&1 && mariadb-backup --no-defaults --prepare --target-dir=" + data + " >>" + log +
                    " 2>&1";
  std::ostringstream told;
  const auto failed = std::system(seed.c_str());
  told << std::ifstream(log).rdbuf();
  REQUIRE_MESSAGE(failed == 0, told.str());
  std::ifstream info(data + "/xtrabackup_binlog_info");
  std::string file, offset, position;
  info >> file >> offset >> position;
  REQUIRE(gtid_list::parse(position));
  const auto script = (shard.folder().path() / "seed.sql").string();
  std::ofstream(script) << "SET GLOBAL gtid_slave_pos='" << position << "';\n";
  const auto started = strange.restart({"--init-file=" + script});
  REQUIRE_MESSAGE(started, strange.end_of_log());

  REQUIRE_MESSAGE(eventually(30s, [&] { return shard.is_in_sync(strange.address()); }), shard.describe());
  CHECK_FALSE(shard.has_finding(problem_t::errant_gtid_detected));
  REQUIRE(writers.get_more(50));
  REQUIRE_MESSAGE(shard.becomes_well(), shard.describe());  // trusted too, which takes a run a second
  shard.primary().kill9();
  REQUIRE_MESSAGE(eventually(20s, [&] { return shard.is_primary(strange.address()); }), shard.describe());
  REQUIRE_MESSAGE(writers.get_more(50), shard.describe());
  writers.stop();
  CHECK(writers.lost() == 0);
}

TEST_CASE("failover: a replica that takes writes is closed again") {
  failover_shard shard(2);
  shard.supervise();
  auto& replica = shard.replica();
  replica.connect_as_root().run("SET GLOBAL read_only=0");
  CHECK(eventually(20s, [&] { return replica.connect_as_root().number("SELECT @@global.read_only") == 1; }));
  CHECK(shard.becomes_well());
}

TEST_CASE("failover: a replica that lags is promoted only when it has applied everything it received") {
  failover_shard shard(2);
  shard.supervise();
  auto& replica = shard.replica();
  auto locker = replica.connect_as_root("throng");
  acked_writers writers(shard);
  REQUIRE(writers.get_more(50));
  locker.run("LOCK TABLES acked WRITE");  // nothing is applied any more; receiving goes on
  REQUIRE(writers.get_more(100));
  auto& old = shard.primary();

  const auto refused = shard.supervisors[0]->reparent(replica.address());
  REQUIRE_FALSE(refused);
  CHECK_MESSAGE(refused.failure().detail.find("behind") != std::string::npos, refused.failure().detail);
  REQUIRE_MESSAGE(writers.get_more(50), shard.describe());

  old.kill9();
  REQUIRE(eventually(20s, [&] { return shard.has_finding(problem_t::dead_primary); }));
  CHECK_FALSE(eventually(1500ms, [&] { return !shard.is_primary(old.address()); }));
  locker.run("UNLOCK TABLES");
  REQUIRE_MESSAGE(eventually(30s, [&] { return shard.is_primary(replica.address()); }), shard.describe());
  REQUIRE_MESSAGE(writers.get_more(50), shard.describe());
  writers.stop();
  CHECK(writers.lost() == 0);
}

TEST_CASE("failover: a planned reparent under load pauses writes for a moment, there and back") {
  for (const unsigned count : {2U, 3U}) {
    CAPTURE(count);
    failover_shard shard(count);
    auto& supervisor = shard.supervise();
    acked_writers writers(shard);
    for (int round = 0; round < 2; ++round) {
      REQUIRE_MESSAGE(writers.get_more(100), shard.describe());
      REQUIRE_MESSAGE(eventually(20s, [&] { return shard.record().in_sync.size() == count; }), shard.describe());
      const auto old = shard.record().primary;
      const auto to = shard.replica().address();
      writers.forget_gaps();
      const auto report = supervisor.reparent(to);
      REQUIRE_MESSAGE(report, (report ? "" : report.failure().detail));
      CHECK(shard.is_primary(to));
      REQUIRE_MESSAGE(writers.get_more(50), shard.describe());
      std::string phases;
      for (const auto& [name, time] : report->phases)
        phases += ", " + name + " " + std::to_string(time.count() / 1000) + " ms";
      MESSAGE(count << " servers, planned: no acknowledgement for " << writers.longest_gap().count() << " ms"
                    << phases);
      REQUIRE_MESSAGE(eventually(20s, [&] { return shard.is_in_sync(old); }), shard.describe());
    }
    CHECK(supervisor.status().figures.reparents == 2);
    CHECK(supervisor.status().figures.failovers == 0);
    writers.stop();
    CHECK(writers.lost() == 0);
    CHECK_FALSE(shard.has_finding(problem_t::errant_gtid_detected));
  }
}

TEST_CASE("failover: wrong credentials are told in words, and tried again until they are right") {
  failover_shard shard(2);
  for (auto& server : shard.servers) {
    auto root = server->connect_as_root();
    root.run("SET sql_log_bin=0");
    root.run("DROP USER supervisor@'%'");
  }
  const auto prepared = prepare_shard(*shard.topology, shard.key, shard.how);
  REQUIRE_FALSE(prepared);
  CHECK_MESSAGE(prepared.failure().detail.find("Access denied") != std::string::npos, prepared.failure().detail);
  shard.supervisors.push_back(shard_supervisor::start(*shard.topology, shard.key, shard.how));
  auto& supervisor = *shard.supervisors[0];
  REQUIRE(eventually(10s, [&] {
    const auto status = supervisor.status();
    return !status.servers.empty() && status.servers[0].trouble.find("refuses the supervisor's account") == 0;
  }));
  for (auto& server : shard.servers) failover_shard::make_accounts(*server);
  CHECK_MESSAGE(shard.becomes_well(), shard.describe());
  CHECK(eventually(20s, [&] { return shard.record().in_sync.size() == 2; }));
}

TEST_CASE("failover: a new shard refuses servers that don't fit together") {
  failover_shard shard(2);
  SUBCASE("foreign data on two of them") {
    for (auto& server : shard.servers)
      server->connect_as_root().run("CREATE DATABASE own" + server->address().substr(10));
    const auto prepared = prepare_shard(*shard.topology, shard.key, shard.how);
    REQUIRE_FALSE(prepared);
    CHECK_MESSAGE(prepared.failure().detail.find("has data that isn't from") != std::string::npos,
                  prepared.failure().detail);
  }
  SUBCASE("the same server id twice") {
    shard.servers[1]->connect_as_root().run("SET GLOBAL server_id=1");
    const auto prepared = prepare_shard(*shard.topology, shard.key, shard.how);
    REQUIRE_FALSE(prepared);
    CHECK_MESSAGE(prepared.failure().detail.find("the same server_id, 1") != std::string::npos,
                  prepared.failure().detail);
  }
  SUBCASE("a setting without which GTIDs can't be compared") {
    shard.servers[1]->connect_as_root().run("SET GLOBAL gtid_strict_mode=0");
    const auto prepared = prepare_shard(*shard.topology, shard.key, shard.how);
    REQUIRE_FALSE(prepared);
    CHECK_MESSAGE(prepared.failure().detail.find("gtid_strict_mode=0") != std::string::npos, prepared.failure().detail);
  }
  SUBCASE("data on one: it becomes the primary, though it isn't the first") {
    shard.servers[1]->connect_as_root().run("CREATE DATABASE mine");
    REQUIRE(prepare_shard(*shard.topology, shard.key, shard.how));
    CHECK(shard.is_primary(shard.servers[1]->address()));
    shard.supervisors.push_back(shard_supervisor::start(*shard.topology, shard.key, shard.how));
    REQUIRE_MESSAGE(eventually(20s, [&] { return shard.record().in_sync.size() == 2; }), shard.describe());
    CHECK(eventually(
        10s, [&] { return shard.servers[0]->connect_as_root().query("SHOW DATABASES LIKE 'mine'").count() == 1; }));
  }
}
