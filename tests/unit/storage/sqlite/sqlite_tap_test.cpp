// SPDX-License-Identifier: Apache-2.0
// What SQLite is asked is told to the statement tap.
#include <algorithm>

#include <doctest/doctest.h>

#include "storage/sqlite/sqlite_store.hpp"
#include "storage/statement_tap.hpp"
#include "tests/support/temporary_folder.hpp"

using namespace throng;

TEST_CASE("sqlite: each statement is told to the tap, with its rows and without its values") {
  temporary_folder folder;
  auto opened = open_sqlite_store((folder.path() / "t.db").string(), {});
  REQUIRE(opened);
  auto reader = (*opened)->make_reader();
  auto& tap = statement_tap::instance();
  const auto before = tap.read_figures();

  REQUIRE(tap.start(100));
  CHECK_FALSE(tap.start(100));
  commit_unit unit;
  for (std::uint64_t user = 1; user <= 3; ++user)
    unit.ops.push_back(put_member{{channel_id{7}, user_id{user}, wall_time{std::chrono::seconds(123'456'789)}}});
  REQUIRE((*opened)->commit({&unit, 1}));
  REQUIRE(reader->members(channel_id{7}, {}, 10));
  const auto seen = tap.stop();

  auto count = [&](std::string_view part) {
    return std::ranges::count_if(seen,
                                 [&](const auto& each) { return each.statement.find(part) != std::string::npos; });
  };
  CHECK(seen.front().statement == "BEGIN IMMEDIATE");
  CHECK(count("COMMIT") == 1);
  CHECK(count("123456789") == 0);
  CHECK(seen.back().statement.starts_with("SELECT"));
  CHECK(seen.back().rows == 3);
  CHECK(seen.back().shard.empty());
  CHECK(tap.read_figures().round_trips - before.round_trips == seen.size());
  CHECK(tap.stop().empty());
}
