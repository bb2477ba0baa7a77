// SPDX-License-Identifier: Apache-2.0
#include "storage/reshard/reshard_sql.hpp"

#include <doctest/doctest.h>

using namespace throng;
using namespace throng::reshard_sql;

namespace {

const mysql::table_layout& table(std::string_view name) {
  for (const auto& each : mysql::sharded_tables())
    if (each.name == name) return each;
  FAIL("no table " << name);
  std::abort();
}

}  // namespace

TEST_CASE("reshard sql: every column is told apart as the schema has it") {
  // The schema's own text, so that a new column of bytes can't be taken for a number.
  std::size_t columns_found = 0, columns = 0;
  for (const auto& each : mysql::sharded_tables()) columns += each.columns.size();
  for (const auto& step : mysql::migrations())
    for (const auto statement : step.statements)
      for (const auto& each : mysql::sharded_tables()) {
        const std::string name(each.name);
        const bool makes = statement.starts_with("CREATE TABLE IF NOT EXISTS " + name + "(");
        if (!makes && !statement.starts_with("ALTER TABLE " + name + " ADD COLUMN ")) continue;
        for (const auto column : each.columns) {
          const auto at = statement.find(" " + std::string(column) + " ");
          if (at == std::string_view::npos) continue;
          ++columns_found;
          const auto type = statement.substr(at + column.size() + 2, 12);
          const auto is_bytes = type.starts_with("VARBINARY") || type.starts_with("BINARY") ||
                                type.starts_with("BLOB") || type.starts_with("MEDIUMBLOB");
          INFO(each.name << "." << column);
          CHECK(holds_bytes(column) == is_bytes);
        }
      }
  CHECK(columns_found == columns);
}

TEST_CASE("reshard sql: keys are digits and hex") {
  CHECK(key_of(table("messages"), {"17", "1700", "1", "2", "0", "1", "0", "c", "d", "99"}) == "17,1700");
  CHECK(key_of(table("workspace_domains"), {std::string("a'\0\xff", 4), "1", "k", "0", "99"}) == "x'612700FF'");
  CHECK(key_of(table("workspace_domains"), {"", "1", "k", "0", "99"}) == "x''");
  CHECK(ksid_of(table("users"), {"1", "2", "d", "18446744073709551615"}) == ~ksid_t{0});
}

TEST_CASE("reshard sql: keys are ordered as the database orders them") {
  CHECK(key_less("9,5", "10,1"));
  CHECK(key_less("10,1", "10,2"));
  CHECK_FALSE(key_less("10,2", "10,2"));
  CHECK(key_less("-3", "2"));
  CHECK(key_less("-10", "-9"));
  CHECK(key_less("x'61'", "x'6162'"));
  CHECK(key_less("x''", "x'00'"));
  CHECK(key_less("1,x'FF'", "2,x'00'"));
  CHECK_FALSE(key_less("x'FF'", "x'00FF'"));
  CHECK(key_less("9", "18446744073709551615"));
}

TEST_CASE("reshard sql: windows use the primary key, column by column") {
  CHECK(select_rows(table("members"), {"", "", 10}) ==
        "SELECT `channel`,`user`,`joined`,`ksid` FROM members FORCE INDEX(PRIMARY) ORDER BY `channel`,`user` LIMIT 10");
  CHECK(select_rows(table("members"), {"1,2", "3,4", 10}) ==
        "SELECT `channel`,`user`,`joined`,`ksid` FROM members FORCE INDEX(PRIMARY)"
        " WHERE ((`channel`>1) OR (`channel`=1 AND `user`>2)) AND ((`channel`<3) OR (`channel`=3 AND `user`<=4))"
        " ORDER BY `channel`,`user` LIMIT 10");
  CHECK(select_digests(table("apps"), {16, 32}, {"5", "", 3}) ==
        "SELECT CONCAT_WS(',',`id`),CONCAT_WS(',',`id`,MD5(`data`),`ksid`) FROM apps FORCE INDEX(PRIMARY)"
        " WHERE ksid>=16 AND ksid<32 AND ((`id`>5)) ORDER BY `id` LIMIT 3");
}

TEST_CASE("reshard sql: rows are written and deleted many at a time") {
  CHECK(replace_rows(table("apps"), 2) == "REPLACE INTO apps(`id`,`data`,`ksid`) VALUES(?,?,?),(?,?,?)");
  const std::vector<std::string> keys{"1,2", "3,4"};
  CHECK(delete_rows(table("members"), keys) ==
        "DELETE t FROM (SELECT 1 AS k0,2 AS k1 UNION ALL VALUES (3,4)) keyed STRAIGHT_JOIN members t"
        " FORCE INDEX(PRIMARY) ON t.`channel`=keyed.k0 AND t.`user`=keyed.k1");
  CHECK(select_rows(table("apps"), std::vector<std::string>{"7"}) ==
        "SELECT `id`,`data`,`ksid` FROM (SELECT 7 AS k0) keyed STRAIGHT_JOIN apps t FORCE INDEX(PRIMARY)"
        " ON t.`id`=keyed.k0");
}

TEST_CASE("reshard sql: triggers note keys, and pass feeders over") {
  const auto made = journal_triggers(table("workspace_domains"));
  REQUIRE(made.size() == 3);
  CHECK(made[0] ==
        "CREATE TRIGGER IF NOT EXISTS reshard_workspace_domains_insert AFTER insert ON workspace_domains FOR EACH ROW"
        " BEGIN IF @throng_feeder IS NULL THEN INSERT INTO reshard_journal(tbl,k,ksid,bytes)"
        " VALUES('workspace_domains',CONCAT_WS(',',CONCAT('x''',HEX(NEW.`domain`),'''')),NEW.`ksid`,"
        "64+LENGTH(NEW.`domain`)); END IF; END");
  CHECK(made[2].find("OLD.`domain`") != std::string::npos);
  CHECK(made[2].find("NEW.") == std::string::npos);
  CHECK(drop_journal_triggers(table("apps"))[1] == "DROP TRIGGER IF EXISTS reshard_apps_update");
}
