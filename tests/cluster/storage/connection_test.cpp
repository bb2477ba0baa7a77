// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <future>
#include <limits>
#include <memory>
#include <optional>
#include <thread>

#include <doctest/doctest.h>

#include "storage/mysql/mysql_connection.hpp"
#include "storage/mysql/mysql_prepare.hpp"
#include "storage/mysql/open_transaction.hpp"
#include "storage/mysql/primary_link.hpp"
#include "storage/statement_tap.hpp"
#include "tests/support/shared_mariadb.hpp"

using namespace throng;
using mysql::blob;
using mysql::failure;
using mysql::text;

namespace {

constexpr auto u64_max = std::numeric_limits<std::uint64_t>::max();
constexpr auto i64_min = std::numeric_limits<std::int64_t>::min();
constexpr auto i64_max = std::numeric_limits<std::int64_t>::max();

mysql::local_server& server() { return shared_mariadb::server(); }

template <class Call>
failure failure_of(Call call) {
  try {
    call();
  } catch (const failure& why) {
    return why;
  }
  return {0, "it worked"};
}

std::string every_byte() {
  std::string all;
  for (int i = 0; i < 256; ++i) all += static_cast<char>(i);
  return all;
}

/// Bytes without a pattern that a shortened or shifted copy would repeat.
std::string noise(std::size_t bytes) {
  std::string made(bytes, '\0');
  std::uint32_t state = 1;
  for (auto& c : made) {
    state = state * 1664525 + 1013904223;
    c = static_cast<char>(state >> 24);
  }
  return made;
}

const std::vector<std::string> hard_texts{"",
                                          "plain",
                                          std::string("a\0b", 3),
                                          every_byte(),
                                          "\xf0\x9f\x98\x80",
                                          "\xff\xfe\xc0\x80",
                                          "\xf0\x9f",
                                          "\xed\xa0\x80",
                                          "e\xcc\x81",
                                          "'; DROP TABLE rows; --",
                                          "\\",
                                          "\\'",
                                          "''",
                                          "\"",
                                          "%_",
                                          "\xe2\x80\xa8",
                                          "trailing  ",
                                          "\n\r\t\x1a",
                                          "?",
                                          "\xf0'",
                                          "\xe2\x82\\"};

std::unique_ptr<mysql::local_server> server_with(const temporary_folder& folder, std::vector<std::string> more) {
  mysql::local_server_options options;
  options.is_durable = false;
  options.more = std::move(more);
  auto started = mysql::local_server::start(folder.path(), options);
  if (!started) FAIL(started.failure().detail);
  return std::move(*started);
}

}  // namespace

TEST_CASE("mysql: numbers come back as they went, to the last bit") {
  auto db = server().connect_as_root(shared_mariadb::make_database());
  db.run("CREATE TABLE numbers(u BIGINT UNSIGNED PRIMARY KEY, i BIGINT, t TINYINT, s SMALLINT UNSIGNED)");
  mysql::statement insert(db, "INSERT INTO numbers VALUES(?, ?, ?, ?)");
  mysql::statement select(db, "SELECT u, i, t, s FROM numbers WHERE u = ?");
  std::int64_t signed_ones[] = {0, -1, i64_min, i64_max, 1};
  std::uint64_t unsigned_ones[] = {0, std::uint64_t{1} << 63, u64_max, u64_max - 1, (std::uint64_t{1} << 63) - 1};
  for (int n = 0; n < 5; ++n) {
    auto u = unsigned_ones[n];
    auto i = signed_ones[n];
    CHECK(insert.execute(u, i, n % 2 == 0, 65535 - n) == 1);
    auto found = select.query(user_id{u});
    REQUIRE(found.next());
    CHECK(found.unsigned_number() == u);
    CHECK(found.number() == i);
    CHECK(found.flag() == (n % 2 == 0));
    CHECK(found.number() == 65535 - n);
    CHECK_FALSE(found.next());
    auto as_text = db.query("SELECT u, i FROM numbers WHERE u = " + std::to_string(u));
    REQUIRE(as_text.next());
    CHECK(as_text.id<channel_id>() == channel_id{u});
    CHECK(as_text.ts() == message_ts{i});
  }
  CHECK(db.number("SELECT MAX(u) FROM numbers") == u64_max);
}

TEST_CASE("mysql: a connection that can't roll back is given up, and its link makes another") {
  const auto directory = make_fixed_shard_directory(shard_map::single(shared_mariadb::server().address()));
  auto options = mysql::local_server::root();
  options.database = shared_mariadb::make_database();
  REQUIRE(mysql::prepare_database(shared_mariadb::server().address(), {}, options).ok());
  mysql::primary_link link(*directory, {}, options, std::make_shared<mysql::shard_health>("-", "writes"));
  auto& db = link.get();
  const auto before = link.generation();
  {
    mysql::open_transaction all(db);
    shared_mariadb::server().connect_as_root().run("KILL " + std::to_string(db.number("SELECT CONNECTION_ID()")));
  }
  CHECK(db.is_given_up());
  CHECK(link.get().number("SELECT 1") == 1);
  CHECK(link.generation() == before + 1);
}

TEST_CASE("mysql: a packet of statements stops at the first that fails, and says which") {
  const auto database = shared_mariadb::make_database();
  auto options = mysql::local_server::root();
  options.database = database;
  options.sends_packets = true;
  mysql::connection db(server().address(), options, "of a test");
  db.run("CREATE TABLE numbers(n INT PRIMARY KEY)");
  db.run("SET autocommit=0");
  std::size_t through = 99;
  const auto run_all = [&](std::vector<std::string> statements) {
    return failure_of([&] { db.run_all(statements, through); }).code();
  };
  const auto trips = statement_tap::instance().read_figures().round_trips;
  CHECK(run_all({"INSERT INTO numbers VALUES (1),(2)", "INSERT INTO numbers VALUES (3)", "COMMIT"}) == 0);
  CHECK(through == 3);
  CHECK(statement_tap::instance().read_figures().round_trips == trips + 1);
  CHECK(run_all({"COMMIT"}) == 0);
  CHECK(run_all({"INSERT INTO numbers VALUES (4)", "INSERT INTO numbers VALUES (3)", "COMMIT"}) == 1062);
  CHECK(through == 1);
  db.run("ROLLBACK");  // what came before is still open, and nothing of it stays
  CHECK(db.number("SELECT COUNT(*) FROM numbers") == 3);
  CHECK(run_all({"INSERT INTO numbers VALUES ("}) == 1064);
  CHECK(through == 0);
  CHECK(run_all({"INSERT INTO numbers VALUES (4)", "KILL CONNECTION_ID()", "COMMIT"}) != 0);
  CHECK(through == 1);
  auto later = server().connect_as_root(database);
  CHECK(later.number("SELECT COUNT(*) FROM numbers") == 3);
}

TEST_CASE("mysql: only who asks for it may send more than one statement") {
  auto db = server().connect_as_root(shared_mariadb::make_database());
  CHECK(failure_of([&] { db.run("SET @a = 1; SET @b = 2"); }).code() == 1064);
}

TEST_CASE("mysql: every text comes back byte for byte, bound or quoted, and is found again") {
  auto db = server().connect_as_root(shared_mariadb::make_database());
  db.run("CREATE TABLE texts(id INT PRIMARY KEY, name VARBINARY(300) NOT NULL UNIQUE, body MEDIUMBLOB NOT NULL)");
  mysql::statement insert(db, "INSERT INTO texts VALUES(?, ?, ?)");
  mysql::statement by_name(db, "SELECT id, body FROM texts WHERE name = ?");
  int id = 0;
  for (const auto& one : hard_texts) {
    CAPTURE(one);
    CHECK(insert.execute(++id, text{one}, blob{one}) == 1);
    auto found = by_name.query(text{one});
    REQUIRE(found.next());
    CHECK(found.number() == id);
    CHECK(found.bytes() == one);
    auto quoted = db.query("SELECT id, " + db.quoted(one) + " FROM texts WHERE name = " + db.quoted(one));
    REQUIRE(quoted.next());
    CHECK(quoted.number() == id);
    CHECK(quoted.bytes() == one);
  }
  CHECK(db.number("SELECT COUNT(*) FROM texts") == hard_texts.size());
}

TEST_CASE("mysql: NULL is said, and reads as nothing") {
  auto db = server().connect_as_root();
  auto found = db.query("SELECT NULL AS a, NULL AS b, 5 AS c");
  REQUIRE(found.next());
  CHECK(found.is_null());
  CHECK(found.bytes() == "");
  CHECK(found.number() == 0);
  CHECK_FALSE(found.is_null());
  CHECK(found.number() == 5);
  CHECK(found.by_name("c") == "5");
  CHECK(found.by_name("a") == "");
  CHECK(found.by_name("no such column") == "");
}

TEST_CASE("mysql: large bodies, more than once through one statement") {
  auto db = server().connect_as_root(shared_mariadb::make_database());
  db.run("CREATE TABLE bodies(id INT PRIMARY KEY, body LONGBLOB NOT NULL)");
  mysql::statement put(db, "REPLACE INTO bodies VALUES(?, ?)");
  mysql::statement select(db, "SELECT body FROM bodies WHERE id = ?");
  for (std::size_t bytes :
       {std::size_t{256} << 10, (std::size_t{256} << 10) + 1, std::size_t{8} << 20, std::size_t{10'000'000}}) {
    auto body = noise(bytes);
    put.execute(1, blob{body});
    put.finish();  // the same parameters again: they must not have been used up
    auto found = select.query(1);
    REQUIRE(found.next());
    CHECK((found.bytes() == body));  // in parentheses: a failure shouldn't print it
  }
}

TEST_CASE("mysql: a statement beyond the server's max_allowed_packet is refused, and the connection stands") {
  temporary_folder folder;
  auto own = server_with(folder, {"--max-allowed-packet=4M"});
  own->connect_as_root().run("CREATE DATABASE one");
  auto db = own->connect_as_root("one");
  CHECK(db.statement_bytes_max() == 4 << 20);
  db.run("CREATE TABLE bodies(id INT PRIMARY KEY, body LONGBLOB NOT NULL)");
  mysql::statement put(db, "REPLACE INTO bodies VALUES(?, ?)");
  mysql::statement put_two(db, "REPLACE INTO bodies VALUES(?, ?), (?, ?)");
  put.execute(1, blob{noise(3'000'000)});
  CHECK(failure_of([&] { put.execute(2, blob{noise(10'000'000)}); }).is_too_large());
  auto body = noise(2'500'000);
  CHECK(failure_of([&] { put_two.execute(3, blob{body}, 4, blob{body}); }).is_too_large());
  CHECK(
      failure_of([&] { db.run("REPLACE INTO bodies VALUES(5, " + db.quoted(noise(5'000'000)) + ")"); }).is_too_large());
  put.execute(6, blob{body});  // refusals aren't added up
  CHECK(db.number("SELECT SUM(id) FROM bodies") == 7);
}

TEST_CASE("mysql: a statement may have thousands of rows") {
  auto db = server().connect_as_root(shared_mariadb::make_database());
  db.run("CREATE TABLE many(id INT PRIMARY KEY, body VARBINARY(20) NOT NULL)");
  constexpr int rows = 32'767;  // 65,534 parameters; MySQL's limit is 65,535
  std::string sql = "INSERT INTO many VALUES(?,?)";
  for (int i = 1; i < rows; ++i) sql += ",(?,?)";
  mysql::statement insert(db, sql);
  for (int i = 0; i < rows; ++i) {
    insert.bind(2 * i + 1, i);
    insert.bind(2 * i + 2, text{std::to_string(i)});
  }
  CHECK(insert.finish() == rows);
  CHECK(db.number("SELECT COUNT(*) FROM many WHERE body = id") == rows);
}

TEST_CASE("mysql: rows changed are counted as MySQL does") {
  auto db = server().connect_as_root(shared_mariadb::make_database());
  db.run("CREATE TABLE counted(id INT PRIMARY KEY, n INT NOT NULL)");
  mysql::statement upsert(db, "INSERT INTO counted VALUES(?, ?) ON DUPLICATE KEY UPDATE n = VALUES(n)");
  CHECK(upsert.execute(1, 1) == 1);
  CHECK(upsert.execute(1, 2) == 2);
  CHECK(upsert.execute(1, 2) == 0);
  CHECK(db.run("DELETE FROM counted") == 1);
  CHECK(db.run("SELECT 1") == 0);  // its rows are read away
  CHECK(db.number("SELECT 7") == 7);
  CHECK(db.number("SELECT n FROM counted") == 0);
  CHECK(db.words("SELECT n FROM counted") == "");
}

TEST_CASE("mysql: a session refuses what would be cut, and reads what is committed") {
  auto db = server().connect_as_root(shared_mariadb::make_database());
  CHECK(db.words("SELECT @@tx_isolation") == "READ-COMMITTED");
  CHECK(db.number("SELECT @@autocommit") == 1);
  CHECK(db.number("SELECT @@innodb_lock_wait_timeout") == 2);
  db.run("CREATE TABLE strict(id TINYINT UNSIGNED, name VARBINARY(3) NOT NULL)");
  CHECK(failure_of([&] { db.run("INSERT INTO strict VALUES(1, 'four')"); }).code() == 1406);
  CHECK(failure_of([&] { db.run("INSERT INTO strict VALUES(256, '')"); }).code() == 1264);
  CHECK(failure_of([&] { db.run("INSERT INTO strict(id) VALUES(1)"); }).code() == 1364);
}

TEST_CASE("mysql: a server of a socket's path is reached too") {
  auto db = server().connect_as_root();
  auto socket = db.words("SELECT CONCAT(@@datadir, @@socket)");
  mysql::connection there(socket, mysql::local_server::root());
  CHECK(there.number("SELECT 3") == 3);
}

TEST_CASE("mysql: rows and statements may outlive what made them") {
  std::optional<mysql::rows> left;
  {
    auto db = std::make_unique<mysql::connection>(server().address(), mysql::local_server::root());
    auto select = std::make_unique<mysql::statement>(*db, "SELECT 1 UNION ALL SELECT 2");
    left.emplace(select->query());
    db.reset();
    select.reset();
  }
  REQUIRE(left->next());
  CHECK(left->number() == 1);
  CHECK(left->count() == 2);
}

TEST_CASE("mysql: the tap hears of every round trip, and of no value") {
  auto db = std::make_unique<mysql::connection>(server().address(), mysql::local_server::root(), "-80");
  auto& tap = statement_tap::instance();
  auto before = tap.read_figures();
  REQUIRE(tap.start(100));
  db->number("SELECT 42");
  mysql::statement select(*db, "SELECT ?");
  select.query(text{"secret"});
  failure_of([&] { db->run("SELECT secret FROM 'secret'"); });
  auto seen = tap.stop();
  REQUIRE(seen.size() == 4);
  CHECK(seen[0].statement == "SELECT ?");
  CHECK(seen[0].shard == "-80");
  CHECK(seen[0].rows == 1);
  CHECK(seen[1].statement == "PREPARE SELECT ?");
  CHECK(seen[2].statement == "SELECT ?");
  CHECK(seen[3].statement == "SELECT secret FROM ?");
  CHECK(tap.read_figures().round_trips == before.round_trips + 4);
}

// -- each kind of failure, provoked -----------------------------------------------------------------------------------

TEST_CASE("mysql failure: nobody there, wrong password, unknown database") {
  auto as = mysql::local_server::root();
  as.connect_timeout = std::chrono::seconds(1);
  auto refused = failure_of([&] { mysql::connection("127.0.0.1:1", as); });
  CHECK(refused.is_connection_lost());
  CHECK(failure_of([&] { mysql::connection("no such host:x", as); }).is_connection_lost());
  CHECK(failure_of([&] { mysql::connection("/no/such/socket", as); }).is_connection_lost());

  auto wrong = as;
  wrong.user = "nobody";
  wrong.password = "wrong";
  auto denied = failure_of([&] { mysql::connection(server().address(), wrong); });
  CHECK(denied.is_access_denied());
  CHECK_FALSE(denied.is_connection_lost());
  as.database = "no_such_database";
  CHECK(failure_of([&] { mysql::connection(server().address(), as); }).is_unknown_database());
}

TEST_CASE("mysql failure: duplicate key, unknown table, a dropped table under a statement") {
  auto db = server().connect_as_root(shared_mariadb::make_database());
  db.run("CREATE TABLE t(id INT PRIMARY KEY)");
  mysql::statement insert(db, "INSERT INTO t VALUES(?)");
  insert.execute(1);
  CHECK(failure_of([&] { insert.execute(1); }).is_duplicate_key());
  CHECK(failure_of([&] { db.run("SELECT * FROM nowhere"); }).is_unknown_table());
  db.run("DROP TABLE t");
  CHECK(failure_of([&] { insert.execute(2); }).is_stale_statement());
  db.run("CREATE TABLE t(id INT PRIMARY KEY)");
  mysql::statement again(db, "INSERT INTO t VALUES(?)");
  CHECK(again.execute(1) == 1);
}

TEST_CASE("mysql failure: statement timeout, lock wait, deadlock") {
  auto name = shared_mariadb::make_database();
  auto db = server().connect_as_root(name);
  auto other = server().connect_as_root(name);
  db.run("CREATE TABLE t(id INT PRIMARY KEY, n INT NOT NULL) ENGINE=InnoDB");
  db.run("INSERT INTO t VALUES(1, 0), (2, 0)");
  CHECK(failure_of([&] { db.run("SET STATEMENT max_statement_time=0.05 FOR SELECT SLEEP(30)"); }).is_timeout());
  CHECK(db.ping());

  db.run("START TRANSACTION");
  db.run("UPDATE t SET n = 1 WHERE id = 1");
  auto waited =
      failure_of([&] { other.run("SET STATEMENT innodb_lock_wait_timeout=0 FOR UPDATE t SET n = 2 WHERE id = 1"); });
  CHECK(waited.code() == 1205);
  CHECK(waited.is_conflict_of_locks());

  other.run("START TRANSACTION");
  other.run("UPDATE t SET n = 2 WHERE id = 2");
  auto first =
      std::async(std::launch::async, [&] { return failure_of([&] { db.run("UPDATE t SET n = 1 WHERE id = 2"); }); });
  auto second = failure_of([&] { other.run("UPDATE t SET n = 2 WHERE id = 1"); });
  auto codes = std::array{first.get().code(), second.code()};
  CHECK((codes == std::array{0, 1213} || codes == std::array{1213, 0}));
  CHECK(failure(1213, "").is_conflict_of_locks());
}

TEST_CASE("mysql failure: a killed connection, a killed server, a server that stands still") {
  temporary_folder folder;
  auto own = server_with(folder, {});
  auto root = own->connect_as_root();
  {
    auto db = own->connect_as_root();
    auto id = db.number("SELECT CONNECTION_ID()");
    root.run("KILL " + std::to_string(id));
    CHECK(failure_of([&] { db.run("DO 1"); }).is_connection_lost());
    CHECK_FALSE(db.ping());
    CHECK(failure_of([&] { db.run("DO 1"); }).is_connection_lost());  // and it stays so
  }
  {
    auto impatient = mysql::local_server::root();
    impatient.io_timeout = std::chrono::seconds(1);
    mysql::connection db(own->address(), impatient);
    CHECK(failure_of([&] { db.run("DO SLEEP(30)"); }).is_connection_lost());
    mysql::connection another(own->address(), impatient);
    own->pause();
    CHECK(failure_of([&] { another.run("DO 1"); }).is_connection_lost());
    own->resume();
    REQUIRE(own->wait_until_ready(std::chrono::seconds(30)).ok());
  }
  auto db = own->connect_as_root();
  auto in_flight = std::async(std::launch::async, [&] { return failure_of([&] { db.run("DO SLEEP(300)"); }); });
  while (root.number("SELECT COUNT(*) FROM information_schema.processlist WHERE info = 'DO SLEEP(300)'") == 0)
    std::this_thread::yield();
  own->kill9();
  CHECK(in_flight.get().is_connection_lost());
  CHECK(failure_of([&] { root.run("DO 1"); }).is_connection_lost());
  CHECK(failure_of([&] { own->connect_as_root(); }).is_connection_lost());
}

TEST_CASE("mysql failure: too many connections, read-only") {
  temporary_folder folder;
  auto own = server_with(folder, {"--max-connections=10"});
  auto root = own->connect_as_root();
  mysql::account application{"app", "secret"}, supervisor{"boss", "secret"};
  REQUIRE(mysql::create_accounts(root, application, supervisor).ok());
  mysql::connect_options as{application.user, application.password, ""};
  std::vector<std::unique_ptr<mysql::connection>> all;
  auto refused = failure_of([&] {
    for (int i = 0; i < 20; ++i) all.push_back(std::make_unique<mysql::connection>(own->address(), as));
  });
  CHECK(refused.is_too_many_connections());
  CHECK_FALSE(refused.is_connection_lost());
  REQUIRE_FALSE(all.empty());
  auto& app = *all.front();
  app.run("CREATE DATABASE throng");
  app.run("CREATE TABLE throng.t(id INT PRIMARY KEY)");
  root.run("SET GLOBAL read_only=1");
  CHECK(failure_of([&] { app.run("INSERT INTO throng.t VALUES(1)"); }).is_read_only());
  CHECK(failure_of([&] { app.run("DO RELEASE_ALL_LOCKS(), SLEEP(0)"); }).code() == 0);
}

TEST_CASE("mysql failure: a server without room, whose files may not grow") {
  temporary_folder folder;
  auto own =
      server_with(folder, {"--innodb-file-per-table=0", "--innodb-data-file-path=ibdata1:12M:autoextend:max:16M"});
  auto db = own->connect_as_root();
  db.run("CREATE DATABASE small");
  db.run("CREATE TABLE small.t(id INT PRIMARY KEY AUTO_INCREMENT, body LONGBLOB NOT NULL)");
  mysql::statement insert(db, "INSERT INTO small.t(body) VALUES(?)");
  auto body = noise(1 << 20);
  auto full = failure_of([&] {
    for (int i = 0; i < 40; ++i) insert.execute(blob{body});
  });
  CHECK(full.is_no_room());
  CHECK(full.to_error().code == errc::storage_full);
  CHECK(db.ping());
}
