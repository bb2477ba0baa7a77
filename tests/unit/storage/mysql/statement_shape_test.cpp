// SPDX-License-Identifier: Apache-2.0
#include "storage/mysql/statement_shape.hpp"

#include <doctest/doctest.h>

using throng::mysql::shape_of;

TEST_CASE("statement shape: literals become question marks, names stay") {
  CHECK(shape_of("SELECT a1, b FROM t2 WHERE c = 42 AND d='x'") == "SELECT a1, b FROM t2 WHERE c = ? AND d=?");
  CHECK(shape_of("SELECT \"a\", 0xff, 1.5e3, -7") == "SELECT ?, ?, ?, -?");
  CHECK(shape_of("SET @@rpl2 = 1") == "SET @@rpl2 = ?");
  CHECK(shape_of("COMMIT") == "COMMIT");
  CHECK(shape_of("") == "");
}

TEST_CASE("statement shape: no part of a quoted text leaks, however it is quoted") {
  CHECK(shape_of(R"(VALUES('it''s secret', 'a\'secret', 'secret\\'))") == "VALUES(?, ?, ?)");
  CHECK(shape_of(R"(VALUES("say ""secret""", '"secret'))") == "VALUES(?, ?)");
  CHECK(shape_of("VALUES('secret without an end") == "VALUES(?");
  CHECK(shape_of("VALUES('secret\\") == "VALUES(?");
}

TEST_CASE("statement shape: a long statement is cut") {
  std::string many = "INSERT INTO t VALUES(?,?)";
  for (int i = 0; i < 10'000; ++i) many += ",(?,?)";
  auto shape = shape_of(many);
  CHECK(shape.size() <= throng::mysql::shape_bytes_max + 4);
  CHECK(shape.starts_with("INSERT INTO t VALUES(?,?),"));
  CHECK(shape.ends_with(" …"));
}
