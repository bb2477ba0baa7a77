// SPDX-License-Identifier: Apache-2.0
#include "storage/sqlite/sqlite_schema.hpp"

#include <array>

#include <doctest/doctest.h>

#include "storage/sqlite/file_lock.hpp"
#include "tests/support/temporary_folder.hpp"

namespace throng::sqlite {
namespace {

// Migrations that were never released, so that there is more than one.
constexpr migration one{1, "CREATE TABLE a(x); INSERT INTO a VALUES(1)"};
constexpr migration two{2, "ALTER TABLE a ADD COLUMN y; UPDATE a SET y = x + 1"};
constexpr migration three{3, "CREATE TABLE b(z)"};
constexpr migration broken{3, "CREATE TABLE c(z); INSERT INTO no_such_table VALUES(1)"};

struct fixture {
  temporary_folder folder;
  database db = make();

  database make() const {
    auto file = folder.path() / "some.db";
    REQUIRE(make_private_file(file));
    return database(file, database::mode::read_write, 0);
  }
  template <class... Steps>
  result<> migrate_with(Steps... steps) {
    std::array all{steps...};
    return migrate(db, all);
  }
  bool has_table(const std::string& name) {
    return db.number("SELECT count(*) FROM sqlite_master WHERE name = '" + name + "'") == 1;
  }
};

TEST_CASE("schema: an empty file gets all migrations, in order, and a mark") {
  fixture f;
  REQUIRE(f.migrate_with(one, two, three).ok());
  CHECK(f.db.number("SELECT y FROM a") == 2);
  CHECK(f.db.number("SELECT max(version) FROM schema_version") == 3);
  CHECK(f.db.number("SELECT count(*) FROM schema_version") == 3);
  CHECK(f.db.number("PRAGMA application_id") == application_id);
}

TEST_CASE("schema: an older file gets what it lacks, once") {
  fixture f;
  REQUIRE(f.migrate_with(one).ok());
  f.db.run("INSERT INTO a VALUES(41)");
  REQUIRE(f.migrate_with(one, two).ok());
  CHECK(f.db.number("SELECT max(y) FROM a") == 42);
  REQUIRE(f.migrate_with(one, two).ok());
  CHECK(f.db.number("SELECT count(*) FROM a") == 2);
}

TEST_CASE("schema: a migration that fails leaves the version before it") {
  fixture f;
  CHECK_THROWS_AS((void)f.migrate_with(one, two, broken), failure);
  CHECK(f.db.number("SELECT max(version) FROM schema_version") == 2);
  CHECK_FALSE(f.has_table("c"));
  CHECK(f.migrate_with(one, two, three).ok());
}

TEST_CASE("schema: a newer file is refused with both versions, and stays as it was") {
  fixture f;
  REQUIRE(f.migrate_with(one, two, three).ok());
  auto refused = f.migrate_with(one, two);
  CHECK(refused.code() == errc::fatal_error);
  CHECK(refused.failure().detail.find("version 3") != std::string::npos);
  CHECK(refused.failure().detail.find("up to 2") != std::string::npos);
  CHECK(f.db.number("SELECT max(version) FROM schema_version") == 3);
}

TEST_CASE("schema: the released migrations are numbered from 1 without a gap") {
  int expected = 0;
  for (const auto& step : migrations()) CHECK(step.version == ++expected);
}

}  // namespace
}  // namespace throng::sqlite
