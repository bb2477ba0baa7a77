// SPDX-License-Identifier: Apache-2.0
// What is particular to the MySQL store: its guard row, who may open it, what its servers refuse, and how many round
// trips it makes. The rest is store_contract.hpp, and for lost connections mysql_outcome_test.cpp.
#include "storage/mysql/mysql_store.hpp"

#include <future>
#include <random>
#include <thread>

#include "storage/statement_tap.hpp"
#include "tests/cluster/storage/cutting_proxy.hpp"
#include "tests/cluster/storage/mysql_harness.hpp"

namespace throng {
namespace {

using namespace std::chrono_literals;

constexpr channel_id lobby{400};

message_record numbered(std::int64_t number, std::string data = "post") {
  message_record row;
  row.channel = lobby;
  row.ts = {number};
  row.seq = static_cast<seq_t>(number);
  row.data = std::move(data);
  return row;
}
template <class Op>
std::vector<commit_unit> one_unit(Op op, fence guard = {}) {
  return {commit_unit{guard, {std::move(op)}}};
}
std::vector<commit_unit> post_unit(std::int64_t number, fence guard = {}) {
  return one_unit(insert_message{numbered(number)}, guard);
}
bool contains(const error& failure, const std::string& words) {
  return failure.detail.find(words) != std::string::npos;
}

template <class Condition>
bool comes_true(Condition condition) {
  for (auto end = std::chrono::steady_clock::now() + 60s; std::chrono::steady_clock::now() < end;) {
    if (condition()) return true;
    std::this_thread::sleep_for(2ms);
  }
  return false;
}

/// How many transactions wait for a lock, in all databases. The server renews what it shows only for who hasn't looked
/// for 100 ms.
std::uint64_t lock_waits(mysql::connection& admin) {
  std::this_thread::sleep_for(110ms);
  return admin.number("SELECT COUNT(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'");
}

// -- the guard row ---------------------------------------------------------------------------------------------------

TEST_CASE("mysql: a frozen shard takes no writes and no fences, and breaks no lineage") {
  mysql_harness at;
  auto rows = at.open();
  REQUIRE(rows->raise_fence({{5}, 3}).ok());
  REQUIRE(rows->commit(post_unit(1)).ok());
  for (int state : {1, 2}) {
    at.admin().run("UPDATE shard_guard SET state = " + std::to_string(state));
    auto units = post_unit(2);
    units[0].lineage = std::make_shared<std::atomic<bool>>(false);
    CHECK(rows->commit(units).code() == errc::wrong_owner);
    CHECK_FALSE(units[0].lineage->load());
    CHECK(rows->raise_fence({{5}, 4}).code() == errc::wrong_owner);
  }
  CHECK(rows->make_reader()->messages(lobby, {})->size() == 1);
  at.admin().run("UPDATE shard_guard SET state = 0");
  CHECK(rows->commit(post_unit(2))->at(0).ok());
  CHECK(rows->fences().value() == std::vector{fence{{5}, 3}});
}

TEST_CASE("mysql: who freezes a shard waits for the commits in flight, and those after it are refused") {
  cutting_proxy proxy(shared_mariadb::server().port());
  mysql_harness at;
  at.directory->set(shard_map::single(proxy.address()));
  at.options.sends_packets = false;
  auto rows = at.open();
  proxy.hold_commits(true);
  auto answer = std::async(std::launch::async, [&] { return rows->commit(post_unit(1)); });
  REQUIRE(comes_true([&] { return proxy.held() == 1; }));
  auto admin = at.admin();
  admin.run("SET innodb_lock_wait_timeout = 1");
  CHECK_THROWS_AS(admin.run("UPDATE shard_guard SET state = 1"), mysql::failure);
  proxy.hold_commits(false);
  REQUIRE(answer.get().ok());
  admin.run("UPDATE shard_guard SET state = 1");
  CHECK(rows->commit(post_unit(2)).code() == errc::wrong_owner);
}

TEST_CASE("mysql: a writer that falls asleep within its transaction doesn't hold up who takes over") {
  cutting_proxy proxy(shared_mariadb::server().port());
  mysql_harness at;
  at.options.sends_packets = false;  // several round trips: it sleeps between two of them
  at.options.connect.idle_transaction_max = 1s;
  at.directory->set(shard_map::single(proxy.address()));
  auto asleep = at.open();
  auto beside_proxy = make_fixed_shard_directory(shard_map::single(shared_mariadb::server().address()));
  auto opened = open_mysql_store(*beside_proxy, {}, at.options);
  REQUIRE(opened.ok());
  auto& successor = *opened;
  REQUIRE(asleep->raise_fence({{5}, 10}).ok());
  proxy.hold_commits(true);
  auto answer = std::async(std::launch::async, [&] { return asleep->commit(post_unit(1, {{5}, 10})); });
  REQUIRE(comes_true([&] { return proxy.held() == 1; }));
  auto taken = successor->raise_fence({{5}, 11});
  CHECK_MESSAGE(taken.ok(), taken.failure().detail);
  proxy.hold_commits(false);
  auto outcomes = answer.get();
  REQUIRE_MESSAGE(outcomes.ok(), outcomes.failure().detail);
  CHECK(outcomes->at(0).code() == errc::stale_epoch);
  CHECK(successor->make_reader()->messages(lobby, {})->empty());
}

TEST_CASE("mysql: posts that are being inserted hold off who freezes their shard and who asks for their fate") {
  mysql_harness at;
  auto rows = at.open();
  for (std::int64_t number = 1; number <= 3; ++number) REQUIRE(rows->commit(post_unit(number))->at(0).ok());
  auto rival = at.admin();
  rival.run("START TRANSACTION");
  rival.run("INSERT INTO messages VALUES (400, 4, 4, 0, 0, 1, 0, '', '', 0)");  // the insert waits for this row
  auto answer = std::async(std::launch::async, [&] { return rows->commit(post_unit(4)); });
  auto admin = at.admin();
  REQUIRE(comes_true([&] { return lock_waits(admin) == 1; }));
  CHECK_THROWS_AS(admin.query("SELECT state FROM shard_guard WHERE id = 0 FOR UPDATE NOWAIT"), mysql::failure);
  CHECK_THROWS_AS(admin.query("SELECT batch FROM writers FOR UPDATE NOWAIT"), mysql::failure);
  rival.run("ROLLBACK");
  auto outcomes = answer.get();
  REQUIRE_MESSAGE(outcomes.ok(), outcomes.failure().detail);
  CHECK(outcomes->at(0).ok());
}

TEST_CASE("mysql: a post's place among the keyspace ids is the same by a packet and by a statement") {
  mysql_harness at;
  auto rows = at.open();
  for (std::int64_t number = 1; number <= 3; ++number)
    for (std::uint64_t channel = 1; channel <= 20; ++channel) {
      auto row = numbered(number);
      row.channel = {channel};
      REQUIRE(rows->commit(one_unit(insert_message{row}))->at(0).ok());
    }
  auto admin = at.admin();
  CHECK(admin.number("SELECT COUNT(DISTINCT channel, ksid) FROM messages") == 20);
  CHECK(admin.number("SELECT COUNT(DISTINCT channel) FROM messages WHERE ksid >= 9223372036854775808") > 5);
  CHECK(admin.number("SELECT ksid FROM messages WHERE channel = 7 AND ts = 3") == table_routes::standard().of_key(7));
}

TEST_CASE("mysql: a batch that arrives after its shard was frozen, or after a fence was raised, is refused whole") {
  cutting_proxy proxy(shared_mariadb::server().port());
  mysql_harness at;
  at.directory->set(shard_map::single(proxy.address()));
  auto rows = at.open();
  REQUIRE(rows->raise_fence({{5}, 10}).ok());
  int before = 0;  // posts: the third is a prepared statement
  SUBCASE("a packet") {}
  SUBCASE("a statement") { before = 3; }
  for (int number = 0; number < before; ++number) REQUIRE(rows->commit(post_unit(100 + number, {{5}, 10}))->at(0).ok());
  REQUIRE(proxy.executed() == std::min(before, 1));
  const auto late_commit = [&](auto meanwhile) {
    proxy.hold_commits(true);
    auto answer = std::async(std::launch::async, [&] { return rows->commit(post_unit(1, {{5}, 10})); });
    REQUIRE(comes_true([&] { return proxy.held() == 1; }));
    meanwhile();
    proxy.hold_commits(false);
    return answer.get();
  };
  auto admin = at.admin();
  SUBCASE("frozen") {
    CHECK(late_commit([&] { admin.run("UPDATE shard_guard SET state = 1"); }).code() == errc::wrong_owner);
  }
  SUBCASE("fenced") {
    auto beside_proxy = make_fixed_shard_directory(shard_map::single(shared_mariadb::server().address()));
    auto other = open_mysql_store(*beside_proxy, {}, at.options);
    REQUIRE(other.ok());
    auto outcomes = late_commit([&] { REQUIRE((*other)->raise_fence({{5}, 11}).ok()); });
    REQUIRE(outcomes.ok());
    CHECK(outcomes->at(0).code() == errc::stale_epoch);
  }
  CHECK(admin.number("SELECT COUNT(*) FROM messages") == static_cast<std::uint64_t>(before));
}

TEST_CASE("mysql: a fence that another store raised refuses what this one knew to be good") {
  mysql_harness at;
  auto paused = at.open();
  auto other = at.open();
  REQUIRE(paused->raise_fence({{5}, 10}).ok());
  REQUIRE(paused->commit(post_unit(1, {{5}, 10}))->at(0).ok());
  REQUIRE(other->raise_fence({{5}, 11}).ok());
  CHECK(paused->commit(post_unit(2, {{5}, 10}))->at(0).code() == errc::stale_epoch);
  CHECK(other->commit(post_unit(2, {{5}, 11}))->at(0).ok());
  CHECK(paused->raise_fence({{5}, 10}).code() == errc::stale_epoch);
  CHECK(paused->commit(post_unit(3, {{6}, 1}))->at(0).ok());
}

TEST_CASE("mysql: a fence that is raised already is answered after a commit of its own") {
  mysql_harness at;
  auto rows = at.open();
  REQUIRE(rows->raise_fence({{5}, 3}).ok());
  auto admin = at.admin();
  // As on a primary whose semi-sync wait was killed: its rows are there, and no replica may have them.
  const auto before = admin.words("SELECT @@gtid_binlog_pos");
  REQUIRE_FALSE(before.empty());
  REQUIRE(rows->raise_fence({{5}, 3}).ok());
  CHECK(admin.words("SELECT @@gtid_binlog_pos") != before);
  CHECK(rows->fences().value() == std::vector{fence{{5}, 3}});
}

// -- several writers -------------------------------------------------------------------------------------------------

TEST_CASE("mysql: a batch that a deadlock ends is committed after it") {
  mysql_harness at;
  auto rows = at.open();
  std::vector<commit_unit> both{{{}, {put_user{{{1}, {1}, "a"}}, put_channel{{{1}, {1}, "a"}}}}};
  REQUIRE(rows->commit(both)->at(0).ok());
  auto rival = at.admin();
  auto watcher = at.admin();
  // The rival has the channel and changed more rows, so that it is the store whom the server ends.
  rival.run("START TRANSACTION");
  rival.run("UPDATE channels SET data = 'rival'");
  for (int i = 0; i < 50; ++i) rival.run("INSERT INTO apps VALUES(" + std::to_string(i) + ", '', 0)");
  auto answer = std::async(std::launch::async, [&] {
    std::vector<commit_unit> again{{{}, {put_user{{{1}, {1}, "b"}}, put_channel{{{1}, {1}, "b"}}}}};
    return rows->commit(again);
  });
  REQUIRE(comes_true([&] { return lock_waits(watcher) == 1; }));
  rival.run("UPDATE users SET data = 'rival'");  // crosswise
  rival.run("COMMIT");
  auto outcomes = answer.get();
  REQUIRE(outcomes.ok());
  CHECK(outcomes->at(0).ok());
  CHECK(rows->make_reader()->user({1})->data == "b");
  CHECK(rows->make_reader()->channel({1})->data == "b");
}

TEST_CASE("mysql: four stores that write the same rows all the time all get through") {
  mysql_harness at;
  auto first = at.open();
  std::vector<std::future<int>> writers;
  for (unsigned seed = 1; seed <= 4; ++seed)
    writers.push_back(std::async(std::launch::async, [&, seed] {
      std::mt19937 random(seed);
      auto rows = at.open();
      int committed = 0;
      for (int batch = 0; batch < 40; ++batch) {
        std::vector<commit_unit> units;
        for (int i = 0; i < 10; ++i) {
          commit_unit unit;
          std::uint64_t id = 1 + random() % 5;
          unit.ops.push_back(put_user{{{id}, {1}, std::to_string(seed)}});
          unit.ops.push_back(put_member{{lobby, {id}, {}}});
          if (random() % 2) unit.ops.push_back(erase_member{lobby, {1 + random() % 5}});
          unit.ops.push_back(insert_message{numbered(1 + static_cast<std::int64_t>(random() % 600))});
          units.push_back(std::move(unit));
        }
        auto outcomes = rows->commit(units);
        if (!outcomes.ok()) return -1;
        for (const auto& outcome : *outcomes) {
          if (outcome.ok())
            ++committed;
          else if (outcome.code() != errc::conflict)
            return -2;
        }
      }
      return committed;
    }));
  int committed = 0;
  for (auto& each : writers) {
    auto count = each.get();
    CHECK(count >= 0);
    committed += count;
  }
  // One unit for each post that is there, whoever made it.
  CHECK(first->make_reader()->messages_after(lobby, 0, 10'000)->size() == static_cast<std::size_t>(committed));
}

// -- values ----------------------------------------------------------------------------------------------------------

TEST_CASE("mysql: no text is anything but a value, in any column") {
  std::string every_byte;
  for (int i = 0; i < 256; ++i) every_byte += static_cast<char>(i);
  const std::vector<std::string> odd{
      "'; DROP TABLE messages; --",
      "\\'; DELETE FROM users; -- ",
      "\\",
      "''\"\"``%_?",
      "\n\r\t\x1a",
      std::string("\0\0", 2),
      "0x41",
      "NULL",
      every_byte.substr(0, 255),
      every_byte.substr(1),
      "\xc2\x80 \xdf\xbf \xe0\xa0\x80 \xef\xbf\xbf \xf0\x90\x80\x80 \xf4\x8f\xbf\xbf",  // ends of UTF-8's ranges
      "\xed\xa0\x80 \xc0\xaf \xe0\x80\xaf \xf5\x80\x80\x80 \xf4\x90\x80\x80",           // what UTF-8 doesn't allow
      "\xc3",
      "\xe2\x82",
      "\xf0\x9f\x98",
      "\xbf'\xbf\\\xe5'\xf0\\",  // a quote within a character, if one took it for another set
      "a\xcc\x81 \xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x91\xa7",
      " leading and trailing ",
      ""};
  mysql_harness at;
  auto rows = at.open();
  auto reader = rows->make_reader();
  std::uint64_t id = 0;
  for (const auto& text : odd) {
    ++id;
    CAPTURE(id);
    auto message = numbered(static_cast<std::int64_t>(id), text);
    message.client_msg_id = text;
    token_record token;
    token.hash[0] = static_cast<std::uint8_t>(id);
    token.hash[31] = '\'';
    token.user = {id};
    token.scopes = text;
    workspace_record workspace{{id}, text, text};
    directory_record listed{{id}, directory_record::kind_t::app, 1, text};
    event_record event{key_of(user_id{id}), 1, {}, text};
    std::vector<commit_unit> units{
        {{},
         {insert_message{message}, put_token{token}, put_workspace{workspace}, put_directory{listed},
          put_user{{{id}, {1}, text}}, put_channel{{{id}, {1}, text}}, insert_event{event}, put_app{{{id}, text}}}}};
    auto outcomes = rows->commit(units);
    REQUIRE_MESSAGE(outcomes.ok(), outcomes.failure().detail);
    REQUIRE(outcomes->at(0).ok());
    CHECK(reader->message(lobby, message.ts).value() == message);
    CHECK(reader->token(token.hash).value() == token);
    CHECK(reader->workspace_by_domain(text).value() == workspace);
    CHECK(reader->directory({id}, listed.kind, 0, 10)->at(0) == listed);
    CHECK(reader->user({id})->data == text);
    CHECK(reader->channel({id})->data == text);
    CHECK(reader->events_after(event.stream, 0, 10)->at(0) == event);
    CHECK(reader->app({id})->data == text);
  }
  CHECK(reader->workspace_by_domain("leading and trailing").code() == errc::not_found);
}

TEST_CASE("mysql: large rows that are all quotes, several in a batch, go through; larger ones are refused alone") {
  mysql_harness at;
  auto rows = at.open();
  std::string quotes(row_bytes_max, '\'');
  std::string fitting((1u << 20) - 64, '\\');  // just not a large one
  std::vector<commit_unit> units;
  for (std::int64_t number = 1; number <= 2; ++number) units.push_back(post_unit(number)[0]);
  for (std::int64_t number = 3; number <= 4; ++number)
    units.push_back(one_unit(insert_message{numbered(number, quotes)})[0]);
  for (std::int64_t number = 5; number <= 9; ++number)
    units.push_back(one_unit(insert_message{numbered(number, fitting)})[0]);
  units.push_back(one_unit(put_user{{{1}, {1}, quotes}})[0]);
  units.push_back(one_unit(put_user{{{2}, {1}, std::string(10'000'000, 'x')}})[0]);
  auto outcomes = rows->commit(units);
  REQUIRE_MESSAGE(outcomes.ok(), outcomes.failure().detail);
  for (std::size_t i = 0; i + 1 < units.size(); ++i) REQUIRE(outcomes->at(i).ok());
  CHECK(outcomes->back().code() == errc::request_too_large);
  auto reader = rows->make_reader();
  CHECK(reader->message(lobby, {4})->data == quotes);
  CHECK(reader->message(lobby, {8})->data == fitting);
  CHECK(reader->user({1})->data == quotes);
  CHECK(reader->user({2}).code() == errc::not_found);
  CHECK(rows->commit(one_unit(insert_message{numbered(4, quotes)}))->at(0).code() == errc::conflict);
}

// -- round trips -----------------------------------------------------------------------------------------------------

TEST_CASE("mysql: a batch of any size is four statements, posts alone are one, and a duplicate in it costs six more") {
  mysql_harness at;
  auto rows = at.open();
  REQUIRE(rows->commit(post_unit(1))->at(0).ok());  // opens the connection
  auto statements_of = [&](const std::vector<commit_unit>& units) {
    REQUIRE(statement_tap::instance().start(100));
    auto outcomes = rows->commit(units);
    auto seen = statement_tap::instance().stop();
    REQUIRE(outcomes.ok());
    for (const auto& each : seen) CAPTURE(each.statement);
    return seen.size();
  };
  CHECK(statements_of(one_unit(put_message{numbered(2)})) == 4);
  CHECK(statements_of(post_unit(3)) == 4);
  CHECK(statements_of(post_unit(4)) == 2);  // is worth preparing
  CHECK(statements_of(post_unit(5)) == 1);
  std::vector<commit_unit> units;
  for (std::int64_t number = 10; number < 522; ++number) units.push_back(post_unit(number)[0]);
  CHECK(statements_of(units) == 4);
  units.clear();
  for (std::int64_t number = 521; number < 1000; ++number) units.push_back(post_unit(number)[0]);
  CHECK(statements_of(units) <= 10);  // and the rollback is one of them
  CHECK(rows->make_reader()->messages_after(lobby, 0, 10'000)->size() == 995);
}

TEST_CASE("mysql: statements for posts are kept for the numbers that come often, and not for all there are") {
  mysql_harness at;
  auto rows = at.open();
  auto admin = at.admin();
  const auto prepared = [&] {
    auto found = admin.query("SHOW GLOBAL STATUS LIKE 'Prepared_stmt_count'");
    REQUIRE(found.next());
    return std::stoul(found.by_name("Value"));
  };
  const auto before = prepared();
  std::int64_t last = 0;
  const auto post = [&](int count) {
    std::vector<commit_unit> units;
    while (static_cast<int>(units.size()) < count) units.push_back(post_unit(++last)[0]);
    auto outcomes = rows->commit(units);
    REQUIRE_MESSAGE(outcomes.ok(), outcomes.failure().detail);
    for (const auto& each : *outcomes) REQUIRE(each.ok());
  };
  SUBCASE("as many as may be") {
    for (int round = 0; round < 2; ++round)
      for (int count = 1; count <= 100; ++count) post(count);
    CHECK(prepared() - before > 20);
    CHECK(prepared() - before < 50);  // 61 to 100 are 3,220 rows
  }
  SUBCASE("as many as the server allows") {
    admin.run("SET GLOBAL max_prepared_stmt_count = " + std::to_string(before + 1));
    for (int round = 0; round < 3; ++round)
      for (int count = 1; count <= 3; ++count) post(count);
    CHECK(prepared() == before + 1);
    admin.run("SET GLOBAL max_prepared_stmt_count = DEFAULT");
  }
  CHECK(rows->make_reader()->messages_after(lobby, 0, 100'000)->size() == static_cast<std::size_t>(last));
}

// -- opening ---------------------------------------------------------------------------------------------------------

TEST_CASE("mysql: the database is made if it isn't there, and found again") {
  mysql_harness at;
  at.admin().run("DROP DATABASE " + at.database);
  REQUIRE(at.open()->commit(post_unit(1)).ok());
  CHECK(at.open()->make_reader()->message(lobby, {1}).ok());
}

TEST_CASE("mysql: what isn't this shard's database is refused, in a sentence that names it") {
  mysql_harness at;
  at.open();
  SUBCASE("another shard's") {
    auto half = *parse_key_range("-80");
    shard_record lower, upper;
    lower.range = half, upper.range = *parse_key_range("80-");
    lower.primary = upper.primary = shared_mariadb::server().address();
    at.directory->set(shard_map::make({lower, upper}, {}, 1).value());
    auto opened = open_mysql_store(*at.directory, half, at.options);
    REQUIRE_FALSE(opened.ok());
    CHECK(opened.code() == errc::fatal_error);
    CHECK(contains(opened.failure(), at.database));
    CHECK(contains(opened.failure(), "for the shard -80"));
    CHECK(contains(opened.failure(), "it holds the shard -"));
  }
  SUBCASE("a newer program's") {
    at.admin().run("INSERT INTO schema_version VALUES(1000, UTC_TIMESTAMP())");
    auto opened = at.try_open();
    REQUIRE_FALSE(opened.ok());
    CHECK(opened.code() == errc::fatal_error);
    CHECK(contains(opened.failure(), "its schema has version 1000"));
  }
  SUBCASE("another program's") {
    at.admin().run("DROP TABLE schema_version");
    auto opened = at.try_open();
    REQUIRE_FALSE(opened.ok());
    CHECK(opened.code() == errc::fatal_error);
    CHECK(contains(opened.failure(), "another program"));
  }
  SUBCASE("that of a shard which nobody registered") {
    auto opened = open_mysql_store(*at.directory, *parse_key_range("80-"), at.options);
    REQUIRE_FALSE(opened.ok());
    CHECK(contains(opened.failure(), "the topology knows no shard 80-"));
  }
}

TEST_CASE("mysql: a server that isn't there, or doesn't know us, is named, and the password isn't") {
  mysql_harness at;
  at.options.connect.password = "s3cret-of-ours";
  at.options.connect.user = "nobody";
  auto refused = at.try_open();
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.code() == errc::service_unavailable);
  CHECK(contains(refused.failure(), shared_mariadb::server().address()));
  CHECK(contains(refused.failure(), "Access denied"));
  CHECK_FALSE(contains(refused.failure(), "s3cret"));

  at.directory->set(shard_map::single("127.0.0.1:1"));
  auto away = at.try_open();
  REQUIRE_FALSE(away.ok());
  CHECK(away.code() == errc::service_unavailable);
  CHECK(contains(away.failure(), "127.0.0.1:1"));
  CHECK_FALSE(contains(away.failure(), "s3cret"));
}

// -- a shard that is away --------------------------------------------------------------------------------------------

TEST_CASE("mysql: without a primary, writes and reads fail after their patience, and later reads at once") {
  mysql_harness at;
  at.options.commit_patience = 200ms;
  at.options.read_patience = 2s;
  auto rows = at.open();
  auto reader = rows->make_reader();
  REQUIRE(rows->commit(post_unit(1)).ok());
  REQUIRE(reader->message(lobby, {1}).ok());
  shard_record nobody;
  at.directory->set(shard_map::make({nobody}, {}, 1).value());

  auto since = std::chrono::steady_clock::now();
  auto written = rows->commit(post_unit(2));
  CHECK(std::chrono::steady_clock::now() - since >= 200ms);
  REQUIRE_FALSE(written.ok());
  CHECK(written.code() == errc::service_unavailable);
  CHECK(contains(written.failure(), "the shard -"));
  CHECK(contains(written.failure(), "no primary"));

  since = std::chrono::steady_clock::now();
  CHECK(reader->message(lobby, {1}).code() == errc::service_unavailable);
  CHECK(std::chrono::steady_clock::now() - since >= 2s);
  int at_once = 0;
  for (int i = 0; i < 20; ++i) {
    since = std::chrono::steady_clock::now();
    CHECK(reader->message(lobby, {1}).code() == errc::service_unavailable);
    at_once += std::chrono::steady_clock::now() - since < 1s;
  }
  CHECK(at_once >= 15);

  at.directory->set(shard_map::single(shared_mariadb::server().address()));
  CHECK(rows->commit(post_unit(2))->at(0).ok());
  CHECK(comes_true([&] { return reader->message(lobby, {2}).ok(); }));
}

TEST_CASE("mysql: a shard that comes back without its tables is read again when it has them") {
  mysql_harness at;
  at.options.read_patience = 50ms;
  auto rows = at.open();
  auto reader = rows->make_reader();
  CHECK(reader->channel(channel_id{1}).code() == errc::not_found);
  auto admin = at.admin();
  admin.run("RENAME TABLE shard_guard TO away");  // as while a dump is being restored
  at.directory->set(shard_map::make({shard_record{}}, {}, 1).value());
  const auto fails_with = [&](std::string_view word) {
    auto read = reader->channel(channel_id{1});
    return read.code() == errc::service_unavailable && read.failure().detail.find(word) != std::string::npos;
  };
  REQUIRE(fails_with("no primary"));
  at.directory->set(shard_map::single(shared_mariadb::server().address()));
  REQUIRE(comes_true([&] { return fails_with("1146"); }));
  admin.run("RENAME TABLE away TO shard_guard");
  const auto end = std::chrono::steady_clock::now() + 5s;
  errc last{};
  while ((last = reader->channel(channel_id{1}).code()) != errc::not_found && std::chrono::steady_clock::now() < end)
    std::this_thread::sleep_for(20ms);
  CHECK(last == errc::not_found);
}

TEST_CASE("mysql: writes and reads follow the primary to another address while they wait for it") {
  cutting_proxy proxy(shared_mariadb::server().port());
  mysql_harness at;
  auto rows = at.open();
  auto reader = rows->make_reader();
  REQUIRE(rows->commit(post_unit(1)).ok());
  shard_record nobody;
  at.directory->set(shard_map::make({nobody}, {}, 1).value());
  auto written = std::async(std::launch::async, [&] { return rows->commit(post_unit(2)); });
  auto read = std::async(std::launch::async, [&] { return reader->message(lobby, {1}); });
  CHECK(written.wait_for(50ms) == std::future_status::timeout);
  at.directory->set(shard_map::single(proxy.address()));
  CHECK(written.get()->at(0).ok());
  CHECK(read.get().ok());
  CHECK(proxy.connections() == 2);
}

TEST_CASE("mysql: a primary that takes no writes yet is waited for, by writers and readers") {
  temporary_folder folder;
  auto server = mysql::local_server::start(folder.path());
  REQUIRE_MESSAGE(server.ok(), server.failure().detail);
  auto admin = (*server)->connect_as_root();
  REQUIRE(mysql::create_accounts(admin, {"app", "app-secret"}, {"boss", "boss-secret"}).ok());
  auto directory = make_fixed_shard_directory(shard_map::single((*server)->address()));
  mysql_options options;
  options.connect = {"app", "app-secret", "throng", 2s, 5s};
  options.commit_patience = 30s;
  options.read_patience = 30s;
  auto opened = open_mysql_store(*directory, {}, options);
  REQUIRE_MESSAGE(opened.ok(), opened.failure().detail);
  REQUIRE((*opened)->commit(post_unit(1)).ok());

  admin.run("SET GLOBAL read_only = 1");
  auto refused = open_mysql_store(*directory, {}, options);
  CHECK(contains(refused.failure(), "read-only"));
  auto written = std::async(std::launch::async, [&] { return (*opened)->commit(post_unit(2)); });
  auto read = std::async(std::launch::async, [&] { return (*opened)->make_reader()->message(lobby, {1}); });
  CHECK(written.wait_for(200ms) == std::future_status::timeout);
  CHECK(read.wait_for(0ms) == std::future_status::timeout);
  admin.run("SET GLOBAL read_only = 0");
  CHECK(written.get()->at(0).ok());
  CHECK(read.get().ok());
}

TEST_CASE("mysql: a server that is full says so, and keeps and reads what it has") {
  temporary_folder folder;
  mysql::local_server_options small;
  small.more = {"--innodb-file-per-table=0", "--innodb-data-file-path=ibdata1:12M:autoextend:max:40M"};
  auto server = mysql::local_server::start(folder.path(), small);
  REQUIRE_MESSAGE(server.ok(), server.failure().detail);
  auto directory = make_fixed_shard_directory(shard_map::single((*server)->address()));
  mysql_options options;
  options.connect = mysql::local_server::root();
  options.connect.database = "throng";
  auto opened = open_mysql_store(*directory, {}, options);
  REQUIRE_MESSAGE(opened.ok(), opened.failure().detail);
  std::int64_t last = 0;
  errc refused{};
  while (refused == errc{} && last < 100) {
    auto outcomes = (*opened)->commit(one_unit(insert_message{numbered(++last, std::string(900'000, 'x'))}));
    if (!outcomes.ok()) refused = outcomes.code();
  }
  CHECK(refused == errc::storage_full);
  CHECK((*opened)->make_reader()->message(lobby, {1}).ok());
  CHECK((*opened)->make_reader()->message(lobby, {last}).code() == errc::not_found);
  std::vector<commit_unit> nothing(1);  // what a channel loads behind
  auto reached = (*opened)->commit(nothing);
  REQUIRE_MESSAGE(reached.ok(), reached.failure().detail);
  CHECK(reached->at(0).ok());
}

TEST_CASE("mysql: a server without a connection to spare is waited for, and named when it stays so") {
  temporary_folder folder;
  mysql::local_server_options narrow;
  narrow.more = {"--max-connections=10"};
  auto server = mysql::local_server::start(folder.path(), narrow);
  REQUIRE_MESSAGE(server.ok(), server.failure().detail);
  auto admin = (*server)->connect_as_root();
  REQUIRE(mysql::create_accounts(admin, {"app", "app-secret"}, {"boss", "boss-secret"}).ok());
  auto directory = make_fixed_shard_directory(shard_map::single((*server)->address()));
  mysql_options options;
  options.connect = {"app", "app-secret", "throng", 2s, 5s};
  options.commit_patience = 200ms;
  auto opened = open_mysql_store(*directory, {}, options);
  REQUIRE_MESSAGE(opened.ok(), opened.failure().detail);
  std::vector<std::unique_ptr<mysql::connection>> others;
  try {
    while (others.size() < 20)
      others.push_back(std::make_unique<mysql::connection>((*server)->address(), options.connect));
  } catch (const mysql::failure& why) {
    CHECK(why.is_too_many_connections());
  }
  auto refused = (*opened)->commit(post_unit(1));
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.code() == errc::service_unavailable);
  CHECK(contains(refused.failure(), "Too many connections"));
  CHECK_FALSE(contains(refused.failure(), "app-secret"));
  others.clear();
  CHECK(comes_true([&] { return (*opened)->commit(post_unit(1)).ok(); }));
}

}  // namespace
}  // namespace throng
