// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include "storage/mysql/mysql_connection.hpp"

using throng::errc;
using throng::mysql::failure;

TEST_CASE("mysql failure: each number is of one kind at most, but for a table that a trigger took along") {
  for (int code = 1; code < 5000; ++code) {
    failure why(code, "said");
    CAPTURE(code);
    auto kinds = why.is_connection_lost() + why.is_conflict_of_locks() + why.is_read_only() + why.is_duplicate_key() +
                 why.is_no_room() + why.is_too_many_connections() + why.is_access_denied() + why.is_timeout() +
                 why.is_unknown_database() + (why.is_stale_statement() || why.is_unknown_table());
    CHECK(kinds <= 1);
  }
}

TEST_CASE("mysql failure: a full disk is a full disk, whoever passes the system's word on") {
  CHECK(failure(1021, "Disk full (/tmp)").to_error().code == errc::storage_full);
  CHECK(failure(1114, "The table 'messages' is full").to_error().code == errc::storage_full);
  CHECK(failure(1030, "Got error 28 \"No space left on device\" from storage engine InnoDB").is_no_room());
  CHECK(failure(1026, "Error writing file './bin.000001' (errno: 28 \"No space left on device\")").is_no_room());
  CHECK_FALSE(failure(1030, "Got error 122 \"Internal error\" from storage engine InnoDB").is_no_room());
  CHECK_FALSE(failure(1026, "Error writing file './bin.000001' (errno: 5 \"Input/output error\")").is_no_room());
}

TEST_CASE("mysql failure: an error says the number, so that it can be looked up") {
  auto said = failure(2013, "Lost connection").to_error();
  CHECK(said.code == errc::service_unavailable);
  CHECK(said.detail == "Lost connection (MySQL error 2013)");
}
