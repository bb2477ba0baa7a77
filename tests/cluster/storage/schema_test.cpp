// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <atomic>
#include <future>
#include <set>
#include <thread>

#include <doctest/doctest.h>

#include "storage/mysql/mysql_schema.hpp"
#include "storage/mysql/mysql_store.hpp"
#include "tests/support/shared_mariadb.hpp"

using namespace throng;
using mysql::migration;

namespace {

mysql::local_server& server() { return shared_mariadb::server(); }

constexpr std::array<std::string_view, 1> making{
    "CREATE TABLE notes(id INT PRIMARY KEY, body VARBINARY(300) NOT NULL)"};
constexpr std::array<std::string_view, 2> widening{"ALTER TABLE notes ADD COLUMN color INT NOT NULL DEFAULT 7",
                                                   "ALTER TABLE notes ADD INDEX by_color(color)"};
constexpr std::array first_steps{migration{1, making}};
constexpr std::array both_steps{migration{1, making}, migration{2, widening}};

}  // namespace

TEST_CASE("schema: an empty database gets the tables, and every sharded one has the columns that its layout names") {
  auto db = server().connect_as_root(shared_mariadb::make_database());
  REQUIRE(mysql::migrate(db, mysql::migrations()).ok());
  CHECK(db.number("SELECT MAX(version) FROM schema_version") ==
        static_cast<std::uint64_t>(mysql::migrations().back().version));
  for (const auto& table : mysql::sharded_tables()) {
    CAPTURE(table.name);
    auto list_of = [&](const std::string& condition) {
      std::vector<std::string> names;
      auto found =
          db.query("SELECT column_name FROM information_schema." + condition + " AND table_schema = DATABASE()" +
                   " AND table_name = " + db.quoted(table.name) + " ORDER BY ordinal_position");
      while (found.next()) names.push_back(found.bytes());
      return names;
    };
    auto columns = list_of("columns WHERE is_generated = 'NEVER'");
    CHECK(std::set<std::string>(columns.begin(), columns.end()) ==
          std::set<std::string>(table.columns.begin(), table.columns.end()));
    CHECK(list_of("key_column_usage WHERE constraint_name = 'PRIMARY'") ==
          std::vector<std::string>(table.key.begin(), table.key.end()));
  }
}

TEST_CASE("schema: its text for operators makes the same tables") {
  auto by_program = server().connect_as_root(shared_mariadb::make_database());
  REQUIRE(mysql::migrate(by_program, mysql::migrations()).ok());
  auto by_hand = server().connect_as_root(shared_mariadb::make_database());
  auto text = mysql_schema_sql();
  for (std::size_t from = 0; from < text.size();) {
    auto end = text.find(";\n", from);
    REQUIRE(end != text.npos);
    by_hand.run(text.substr(from, end - from));
    from = end + 2;
  }
  auto tables_of = [](mysql::connection& db) {
    std::string all;
    auto names = db.query("SHOW TABLES");
    while (names.next()) {
      auto made = db.query("SHOW CREATE TABLE " + names.bytes());
      REQUIRE(made.next());
      made.bytes();
      all += made.bytes() + '\n';
    }
    return all;
  };
  CHECK(tables_of(by_program) == tables_of(by_hand));
}

TEST_CASE("schema: a step runs once, and later ones are added") {
  auto db = server().connect_as_root(shared_mariadb::make_database());
  REQUIRE(mysql::migrate(db, first_steps).ok());
  db.run("INSERT INTO notes VALUES(1, 'kept')");
  REQUIRE(mysql::migrate(db, first_steps).ok());
  REQUIRE(mysql::migrate(db, both_steps).ok());
  REQUIRE(mysql::migrate(db, both_steps).ok());
  CHECK(db.number("SELECT color FROM notes WHERE body = 'kept'") == 7);
  CHECK(db.number("SELECT COUNT(*) FROM schema_version") == 2);
}

TEST_CASE("schema: a newer one is refused and left as it is") {
  auto db = server().connect_as_root(shared_mariadb::make_database());
  REQUIRE(mysql::migrate(db, both_steps).ok());
  auto refused = mysql::migrate(db, first_steps);
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.code() == errc::fatal_error);
  CHECK(refused.failure().detail ==
        "its schema has version 2, and this program knows versions up to 1; start a newer one");
  CHECK(db.number("SELECT MAX(version) FROM schema_version") == 2);
}

TEST_CASE("schema: another program's database is refused and left as it is, though it has a schema_version") {
  for (const auto* theirs : {"CREATE TABLE accounts(id INT)", "CREATE TABLE schema_version(version INT)"}) {
    auto db = server().connect_as_root(shared_mariadb::make_database());
    db.run(theirs);
    auto refused = mysql::migrate(db, first_steps);
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.code() == errc::fatal_error);
    CHECK(refused.failure().detail.find("another program") != std::string::npos);
    CHECK(db.query("SHOW TABLES").count() == 1);
  }
}

TEST_CASE("schema: no database is an answer") {
  auto db = server().connect_as_root();
  CHECK(mysql::migrate(db, first_steps).code() == errc::fatal_error);
}

TEST_CASE("schema: programs that start together migrate once") {
  auto name = shared_mariadb::make_database();
  std::vector<std::future<bool>> all;
  for (int i = 0; i < 6; ++i)
    all.push_back(std::async(std::launch::async, [&] {
      auto db = server().connect_as_root(name);
      return mysql::migrate(db, both_steps).ok();
    }));
  for (auto& one : all) CHECK(one.get());
  CHECK(server().connect_as_root(name).number("SELECT COUNT(*) FROM schema_version") == 2);
}

TEST_CASE("schema: half of a step, left by a server that was killed, is completed") {
  temporary_folder folder;
  mysql::local_server_options options;
  options.is_durable = false;
  auto started = mysql::local_server::start(folder.path(), options);
  REQUIRE_MESSAGE(started.ok(), started.failure().detail);
  auto& own = **started;
  own.connect_as_root().run("CREATE DATABASE half");

  constexpr int tables = 300;  // the kill comes before the last
  std::vector<std::string> text;
  for (int i = 0; i < tables; ++i) {
    auto table = "t" + std::to_string(i);
    text.push_back("CREATE TABLE " + table + "(id INT PRIMARY KEY)");
    text.push_back("ALTER TABLE " + table + " ADD COLUMN more INT, ALGORITHM=INSTANT");
  }
  std::vector<std::string_view> statements(text.begin(), text.end());
  std::array steps{migration{1, statements}};

  auto is_cut = std::async(std::launch::async, [&] {
    try {
      auto db = own.connect_as_root("half");
      (void)mysql::migrate(db, steps);  // it doesn't come to an answer
      return false;
    } catch (const mysql::failure& why) {
      return why.is_connection_lost();
    }
  });
  auto watcher = own.connect_as_root("half");
  while (watcher.query("SHOW TABLES").count() < 10) std::this_thread::yield();  // ctest's timeout is the deadline
  own.kill9();
  REQUIRE(is_cut.get());
  auto again = own.restart();
  REQUIRE_MESSAGE(again.ok(), again.failure().detail);

  auto db = own.connect_as_root("half");
  CHECK(db.number("SELECT COUNT(*) FROM schema_version") == 0);
  auto completed = mysql::migrate(db, steps);
  REQUIRE_MESSAGE(completed.ok(), completed.failure().detail);
  CHECK(db.number("SELECT COUNT(*) FROM information_schema.columns "
                  "WHERE table_schema = 'half' AND column_name = 'more'") == tables);
}

TEST_CASE("schema: a migration that waits for a table lets others use it meanwhile") {
  auto name = shared_mariadb::make_database();
  auto db = server().connect_as_root(name);
  REQUIRE(mysql::migrate(db, first_steps).ok());
  auto reader = server().connect_as_root(name);
  reader.run("START TRANSACTION");
  reader.number("SELECT COUNT(*) FROM notes");  // holds the table's definition until it ends
  auto migrating = std::async(std::launch::async, [&] { return mysql::migrate(db, both_steps).ok(); });
  auto watcher = server().connect_as_root(name);
  while (watcher.number("SELECT COUNT(*) FROM information_schema.processlist "
                        "WHERE info LIKE 'ALTER TABLE notes%' AND state LIKE 'Waiting for table metadata lock'") == 0)
    std::this_thread::yield();
  auto writer = server().connect_as_root(name);
  for (int i = 0; i < 3; ++i)
    CHECK(writer.run("INSERT INTO notes(id, body) VALUES(" + std::to_string(i) + ", '')") == 1);
  CHECK(migrating.wait_for(std::chrono::seconds(0)) == std::future_status::timeout);  // the reader is still in its way
  reader.run("COMMIT");
  CHECK(migrating.get());
}

TEST_CASE("schema: an online migration of a large table stops no writer") {
  auto name = shared_mariadb::make_database();
  auto db = server().connect_as_root(name);
  REQUIRE(mysql::migrate(db, first_steps).ok());
  db.run("INSERT INTO notes SELECT seq, RPAD(MD5(seq), 200, 'x') FROM seq_1_to_300000");

  constexpr std::array<std::string_view, 2> online{
      "ALTER TABLE notes ADD COLUMN color INT NOT NULL DEFAULT 7, ALGORITHM=INSTANT, LOCK=NONE",
      "ALTER TABLE notes ADD INDEX by_body(body), ALGORITHM=INPLACE, LOCK=NONE"};
  std::array steps{migration{1, making}, migration{2, online}};

  std::atomic<bool> is_over{false};
  auto writing = std::async(std::launch::async, [&] {
    auto writer = server().connect_as_root(name);
    mysql::statement insert(writer, "INSERT INTO notes(id, body) VALUES(?, ?)");
    mysql::statement is_altering(writer,
                                 "SELECT COUNT(*) FROM information_schema.processlist "
                                 "WHERE info LIKE 'ALTER TABLE notes%' AND state LIKE 'altering table%'");
    auto seen_altering = [&] {
      auto found = is_altering.query();
      return found.next() && found.flag();
    };
    int during = 0, id = 1'000'000;
    bool was_altering = false;
    while (!is_over) {
      insert.execute(++id, mysql::text{"written meanwhile"});
      auto is_still = seen_altering();
      during += was_altering && is_still;  // between two sights of the same ALTER
      was_altering = is_still;
    }
    return std::pair(id - 1'000'000, during);
  });
  auto migrated = mysql::migrate(db, steps);
  is_over = true;
  auto [written, during] = writing.get();
  CHECK(migrated.ok());
  CHECK(during >= 10);
  CHECK(db.number("SELECT COUNT(*) FROM notes WHERE body = 'written meanwhile' AND color = 7") ==
        static_cast<std::uint64_t>(written));
  MESSAGE(during << " writes while the index was built");
}
