// SPDX-License-Identifier: Apache-2.0
// Counting rows for operators, and a shard by the name that Vitess has for it.
#include <doctest/doctest.h>

#include "storage/mysql/local_server.hpp"
#include "storage/mysql/mysql_rows.hpp"
#include "storage/mysql/mysql_store.hpp"
#include "storage/mysql/vtgate_shards.hpp"
#include "tests/support/temporary_folder.hpp"

using namespace throng;

namespace {

std::uint64_t rows_of(const std::vector<std::pair<std::string, std::uint64_t>>& counts, std::string_view table) {
  for (const auto& [name, rows] : counts)
    if (name == table) return rows;
  return 999'999;
}

commit_unit members(std::uint64_t count) {
  commit_unit unit;
  for (std::uint64_t user = 1; user <= count; ++user)
    unit.ops.push_back(put_member{{channel_id{7}, user_id{user}, wall_time{std::chrono::seconds(1)}}});
  return unit;
}

}  // namespace

TEST_CASE("mysql: two shards on one server, each by the database name that a vtgate would have for it") {
  temporary_folder folder;
  auto server = mysql::local_server::start(folder.path() / "db", {.is_durable = false});
  REQUIRE(server);
  const std::vector<std::string> rows{"throng/-80", "throng/80-"};
  const auto shards = parse_vitess_shards(rows, "throng");
  REQUIRE(shards);
  auto map = vtgate_map(*shards, (*server)->address(), "throng");
  REQUIRE(map);
  const auto directory = make_fixed_shard_directory(*map);
  mysql_options options;
  options.connect = mysql::local_server::root();
  for (const auto& shard : *shards) {
    options.connect.database = vtgate_database("throng", shard);
    auto opened = open_mysql_store(*directory, shard.range, options);
    REQUIRE_MESSAGE(opened, opened.failure().detail);
    const auto unit = members(shard.name == "-80" ? 3 : 5);
    const auto committed = (*opened)->commit({&unit, 1});
    REQUIRE(committed);
    REQUIRE(committed->front());

    const auto exact = count_mysql_rows((*server)->address(), options.connect, true);
    REQUIRE(exact);
    CHECK(rows_of(*exact, "members") == unit.ops.size());
    CHECK(rows_of(*exact, "messages") == 0);
    const auto guess = count_mysql_rows((*server)->address(), options.connect, false);
    REQUIRE(guess);
    CHECK(guess->size() == exact->size());
  }
  CHECK_FALSE(count_mysql_rows("127.0.0.1:1", options.connect, false));
}
