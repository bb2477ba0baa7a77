// SPDX-License-Identifier: Apache-2.0
// Resharding on real servers, from start to complete, while writers go on and a model keeps what they were told.
#include "storage/store.hpp"
#include "tests/cluster/storage/reshard_fixture.hpp"

using namespace throng;

namespace {

using std::chrono::seconds;

void finish(reshard_runner& runner, const result<>& begun) {
  REQUIRE_MESSAGE(begun, begun.failure().detail);
  REQUIRE(runner.wait_idle(seconds(60)));
  const auto now = runner.status();
  REQUIRE_MESSAGE(now.trouble.empty(), to_text(now));
}

void wait_until(reshard_runner& runner, reshard_phase phase) {
  const auto is_there = comes_true([&] {
    const auto now = runner.status();
    return now.record && now.record->phase == phase;
  });
  REQUIRE_MESSAGE(is_there, to_text(runner.status()));
}

void check_equal(reshard_runner& runner) {
  finish(runner, runner.verify());
  const auto now = runner.status();
  REQUIRE(now.verified);
  CHECK_MESSAGE(now.verified->is_equal(), to_text(*now.verified));
  CHECK(now.verified->rows > 0);
}

}  // namespace

TEST_CASE("reshard: a split under writers loses, doubles and resurrects nothing, there and back and there again") {
  reshard_fixture shards({"-"});
  shards.fill_all_tables(300, 1);
  {  // the largest rows that there are
    auto db = shards.connect_shard("-");
    for (const std::uint64_t user : {1, 2, 3}) {
      mysql::statement put(db, "INSERT INTO users VALUES(?, 1, ?, ?)");
      put.execute(user, mysql::blob{std::string(row_bytes_max, static_cast<char>('a' + user))}, keyspace_id(user));
    }
  }
  const auto before = shards.all_rows();
  const auto targets = shards.targets({"-80", "80-"});
  model_writers writers(shards.directory(), 4);
  writers.go_on();
  const auto runner = shards.make_runner();
  finish(*runner, runner->start("-", targets));
  wait_until(*runner, reshard_phase::running);
  writers.go_on();
  check_equal(*runner);
  CHECK(shards.serving() == std::set<std::string>{"-"});

  finish(*runner, runner->switch_writes());
  CHECK(shards.phase() == reshard_phase::switched);
  CHECK(shards.serving() == std::set<std::string>{"-80", "80-"});
  writers.go_on();
  check_equal(*runner);

  finish(*runner, runner->reverse());
  CHECK(shards.phase() == reshard_phase::running);
  CHECK(shards.serving() == std::set<std::string>{"-"});
  writers.go_on();
  check_equal(*runner);

  for (int i = 0; i < 3; ++i) {
    finish(*runner, runner->switch_writes());
    writers.go_on(50);
    finish(*runner, runner->reverse());
    writers.go_on(50);
  }
  finish(*runner, runner->switch_writes());
  writers.go_on();
  finish(*runner, runner->complete());
  writers.go_on();
  writers.stop_and_check();

  CHECK(shards.phase() == reshard_phase::completed);
  CHECK(shards.serving() == std::set<std::string>{"-80", "80-"});
  CHECK(shards.directory().current()->others().empty());
  MESSAGE("write pauses: " << to_text(histogram_of(runner->status().record->pauses_micros)));
  // What nobody wrote to is as it was, and nothing of the reshard is left.
  const auto after = shards.all_rows();
  for (const auto& [key, row] : before) {
    if (key.starts_with("fences:")) continue;
    const auto found = after.find(key);
    REQUIRE_MESSAGE(found != after.end(), key);
    CHECK_MESSAGE(found->second == row, key);
  }
  for (const auto* name : {"-80", "80-"}) {
    auto db = shards.connect_shard(name);
    CHECK(db.number("SELECT COUNT(*) FROM information_schema.triggers WHERE trigger_schema='throng'") == 0);
    CHECK(db.number("SELECT COUNT(*) FROM information_schema.tables WHERE table_schema='throng' AND table_name LIKE "
                    "'reshard%'") == 0);
  }
}

TEST_CASE("reshard: a merge under writers, and an uneven set after it") {
  reshard_fixture shards({"-40", "40-80", "80-"});
  shards.fill_all_tables(200, 2);
  model_writers writers(shards.directory(), 4);
  writers.go_on();
  const auto runner = shards.make_runner();
  for (const auto& [sources, targets] : {std::pair{"-40,40-80", shards.targets({"-80"})},
                                         std::pair{"-80,80-", shards.targets({"-20", "20-c0", "c0-"})}}) {
    finish(*runner, runner->start(sources, targets));
    wait_until(*runner, reshard_phase::running);
    check_equal(*runner);
    finish(*runner, runner->switch_writes());
    writers.go_on();
    check_equal(*runner);
    finish(*runner, runner->complete(true));
    writers.go_on();
  }
  writers.stop_and_check();
  CHECK(shards.serving() == std::set<std::string>{"-20", "20-c0", "c0-"});
  auto old = shards.connect(shards.server(0).address());
  for (const auto& table : mysql::sharded_tables())
    CHECK(old.number("SELECT COUNT(*) FROM " + std::string(table.name)) == 0);
}

TEST_CASE("reshard: cancel leaves the sources as they were and the targets empty") {
  reshard_fixture shards({"-"});
  shards.fill_all_tables(100, 3);
  const auto targets = shards.targets({"-80", "80-"});
  model_writers writers(shards.directory(), 2);
  const auto runner = shards.make_runner();
  for (int round = 0; round < 2; ++round) {  // the same servers can be used again
    finish(*runner, runner->start("-", targets));
    wait_until(*runner, reshard_phase::running);
    writers.go_on();
    if (round == 1) {
      finish(*runner, runner->switch_writes());
      const auto refused = runner->cancel();
      REQUIRE_FALSE(refused);
      CHECK(refused.failure().detail ==
            "cancel isn't possible while the reshard is switched: reverse it first, or complete it");
      writers.go_on();
      finish(*runner, runner->reverse());
      writers.go_on();
    }
    finish(*runner, runner->cancel());
    CHECK(shards.phase() == reshard_phase::cancelled);
    auto map = shards.directory().current();  // which hears of it a moment later
    for (int waits = 0; !map->others().empty() && waits < 100; ++waits)
      map = shards.directory().wait_for_change(map, std::chrono::milliseconds(200));
    CHECK(map->others().empty());
    for (const std::size_t server : {1, 2}) {
      auto db = shards.connect(shards.server(server).address());
      CHECK(db.number("SELECT COUNT(*) FROM messages") == 0);
    }
  }
  writers.go_on();
  writers.stop_and_check();
  auto db = shards.connect_shard("-");
  CHECK(db.number("SELECT COUNT(*) FROM information_schema.triggers WHERE trigger_schema='throng'") == 0);
}

TEST_CASE("reshard: verify finds what was planted, and nothing else") {
  reshard_fixture shards({"-"});
  shards.fill_all_tables(150, 4);
  const auto runner = shards.make_runner();
  finish(*runner, runner->start("-", shards.targets({"-80", "80-"})));
  wait_until(*runner, reshard_phase::running);
  check_equal(*runner);
  auto db = shards.connect_shard("-80");
  db.run("SET @throng_feeder=1");
  const auto missing = db.number("SELECT id FROM users ORDER BY id LIMIT 1");
  db.run("DELETE FROM users WHERE id=" + std::to_string(missing));
  const auto changed = db.number("SELECT id FROM channels ORDER BY id DESC LIMIT 1");
  db.run("UPDATE channels SET data=CONCAT(data, '!') WHERE id=" + std::to_string(changed));
  db.run("INSERT INTO apps VALUES(7, 'x', 5)");
  db.run("INSERT INTO members VALUES(1, 2, 3, 18446744073709551615)");
  finish(*runner, runner->verify());
  const auto found = runner->status().verified.value();
  CHECK_FALSE(found.is_equal());
  CHECK(found.missing == 1);
  CHECK(found.different == 1);
  CHECK(found.extra == 1);
  CHECK(found.stray == 1);
  std::set<std::string> texts;
  for (const auto& one : found.first) texts.insert(to_text(one));
  CHECK(texts == std::set<std::string>{"missing on -80: users(" + std::to_string(missing) + ")",
                                       "different on -80: channels(" + std::to_string(changed) + ")",
                                       "extra on -80: apps(7)", "stray on -80: members(1,2)"});
}

TEST_CASE("reshard: a writer that sleeps on its locks doesn't hold up a switch") {
  reshard_fixture shards({"-"});
  shards.fill_all_tables(20, 5);
  const auto runner = shards.make_runner();
  finish(*runner, runner->start("-", shards.targets({"-80", "80-"})));
  wait_until(*runner, reshard_phase::running);
  auto asleep = shards.connect_shard("-");
  asleep.run("START TRANSACTION");
  asleep.number("SELECT state FROM shard_guard WHERE id=0 LOCK IN SHARE MODE");
  asleep.run("UPDATE users SET data='never' LIMIT 1");
  model_writers writers(shards.directory(), 2);
  writers.go_on(50);
  finish(*runner, runner->switch_writes());
  writers.go_on();
  writers.stop_and_check();
  CHECK_THROWS_AS(asleep.run("COMMIT"), mysql::failure);
  CHECK(shards.serving() == std::set<std::string>{"-80", "80-"});
  const std::chrono::microseconds pause(runner->status().record->pauses_micros.back());
  CHECK(pause < reshard_options{}.freeze_patience);
}

TEST_CASE("reshard: what can't be is refused, and changes nothing") {
  reshard_fixture shards({"-"});
  shards.fill_all_tables(20, 6);
  const auto runner = shards.make_runner();
  const auto targets = shards.targets({"-80", "80-"});
  CHECK(runner->start("-", "-80=h:1").failure().detail == "no target takes 80- of the sources");
  CHECK(runner->verify().code() == errc::not_found);

  // A target with rows keeps them.
  const auto used = shards.server(1).address();
  mysql::connection(used, mysql::local_server::root()).run("CREATE DATABASE throng");
  auto db = shards.connect(used);
  REQUIRE(mysql::migrate(db, mysql::migrations()));
  db.run("INSERT INTO apps VALUES(1, 'precious', 2)");
  REQUIRE(runner->start("-", targets));
  REQUIRE(runner->wait_idle(seconds(30)));
  CHECK(runner->status().trouble == "the server of target -80 has rows in apps: it must be empty");
  CHECK(shards.phase() == reshard_phase::cancelled);
  CHECK(db.number("SELECT COUNT(*) FROM apps") == 1);

  // So does another shard's.
  db.run("DELETE FROM apps");
  db.run("INSERT INTO shard_guard VALUES(0, '40-', 1, 0)");
  REQUIRE(runner->start("-", targets));
  REQUIRE(runner->wait_idle(seconds(30)));
  CHECK(runner->status().trouble == "the server of target -80 holds shard 40-");
  CHECK(db.number("SELECT COUNT(*) FROM shard_guard") == 1);
  CHECK(shards.directory().current()->others().empty());
  auto source = shards.connect_shard("-");
  CHECK(source.number("SELECT COUNT(*) FROM information_schema.triggers WHERE trigger_schema='throng'") == 0);

  // Two at the same time aren't possible, in one process or in two.
  db.run("UPDATE shard_guard SET shard=''");
  finish(*runner, runner->start("-", targets));
  CHECK(runner->start("-", targets).code() == errc::conflict);
  const auto rival = shards.make_runner();
  REQUIRE(rival->resume());
  REQUIRE(rival->wait_idle(seconds(30)));
  CHECK(rival->status().trouble == "another process runs the reshard of this keyspace");
}
