// SPDX-License-Identifier: Apache-2.0
// What a runner does that was asleep while another one went on with its work, and what others do to its triggers.
#include "storage/reshard/reshard_databases.hpp"
#include "tests/cluster/storage/reshard_fixture.hpp"

using namespace throng;
using namespace std::chrono_literals;

TEST_CASE("reshard: a runner that wakes up in the middle of a cancel deletes nothing of a shard that serves by now") {
  reshard_fixture shards({"-"});
  shards.fill_all_tables(5, 1);
  const auto whole = parse_key_range("-").value();
  reshard_context late{shards.directory(), reshard_fixture::account(), 7};
  install_journal(late, whole, 5s);
  const auto before = shards.all_rows();
  REQUIRE_FALSE(before.empty());
  CHECK_THROWS_AS(clear_target(late, whole, 5s), mysql::failure);
  CHECK_THROWS_AS(empty_shard(late, whole), mysql::failure);
  CHECK(shards.all_rows() == before);
  auto db = shards.connect_shard("-");
  CHECK(db.words("SELECT CONCAT(shard, state) FROM shard_guard") == "-0");

  db.run("UPDATE shard_guard SET state=2");  // as of a target that never served
  clear_target(late, whole, 5s);
  for (const auto& table : mysql::sharded_tables())
    CHECK(db.number("SELECT COUNT(*) FROM " + std::string(table.name)) == 0);
  CHECK(db.words("SELECT CONCAT(shard, state) FROM shard_guard") == "2");
}

TEST_CASE("reshard: a runner that falls asleep in the middle of a copy doesn't hold up who takes over") {
  reshard_fixture shards({"-"});
  const auto whole = parse_key_range("-").value();
  reshard_context late{shards.directory(), reshard_fixture::account(), 7};
  late.admin.idle_transaction_max = 1s;
  install_journal(late, whole, 5s);
  const auto asleep = connect_primary(late, whole);
  set_guard(*asleep, late.runner, guard_state::filling);
  begin_filling(*asleep, late.runner);
  take_over(*connect_primary(late, whole), 8);
  CHECK_THROWS_AS(asleep->run("COMMIT"), mysql::failure);
}

TEST_CASE("reshard: nothing is switched when somebody has taken a journal's trigger along") {
  reshard_fixture shards({"-"});
  shards.fill_all_tables(5, 2);
  auto runner = shards.make_runner();
  REQUIRE(runner->start("-", shards.targets({"-80", "80-"})));
  REQUIRE(runner->wait_idle(30s));
  REQUIRE(comes_true([&] { return shards.phase() == reshard_phase::running; }));
  shards.connect_shard("-").run("DROP TRIGGER reshard_messages_insert");
  REQUIRE(runner->switch_writes());
  REQUIRE(runner->wait_idle(10s));
  const auto triggers = mysql::sharded_tables().size() * 3;
  const auto one_lacks = std::to_string(triggers - 1) + " of " + std::to_string(triggers) + " journal triggers";
  CHECK(runner->status().trouble.find(one_lacks) != std::string::npos);
  CHECK(shards.serving() == std::set<std::string>{"-"});
  CHECK(shards.phase() == reshard_phase::running);
  REQUIRE(runner->cancel());
  CHECK(comes_true([&] { return shards.phase() == reshard_phase::cancelled; }));
}
