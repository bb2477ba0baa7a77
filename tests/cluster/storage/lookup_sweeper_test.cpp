// SPDX-License-Identifier: Apache-2.0
// Lookup rows that lead to nothing go, over two shards, and all others stay.
#include "storage/mysql/lookup_sweeper.hpp"

#include <doctest/doctest.h>

#include "storage/lookups.hpp"
#include "storage/mysql/mysql_store.hpp"
#include "tests/support/shared_mariadb.hpp"

namespace throng {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

const wall_time now{std::chrono::seconds(1'767'225'600)};

/// Two shards, each with its database; a directory knows a server by its address only, so each has a server's name of
/// its own.
struct two_shards {
  key_range low = parse_key_range("-80").value(), high = parse_key_range("80-").value();
  mysql::local_server& server = shared_mariadb::server();
  std::string database = shared_mariadb::make_database();
  temporary_folder folder;
  std::unique_ptr<mysql::local_server> other = start_other(folder);
  std::unique_ptr<fixed_shard_directory> directory = make_fixed_shard_directory(map());
  mysql_options options = make_options();
  std::unique_ptr<store> stores[2]{open(low), open(high)};
  table_routes routes = table_routes::standard();

  static std::unique_ptr<mysql::local_server> start_other(const temporary_folder& in) {
    mysql::local_server_options how;
    how.is_durable = false;
    how.more = {"--max-allowed-packet=16M"};
    auto started = mysql::local_server::start(in.path(), how);
    REQUIRE(started.ok());
    return std::move(*started);
  }
  shard_map map() const {
    auto record = [](const key_range& range, const server_address& server) {
      shard_record one;
      one.range = range;
      one.primary = server;
      one.servers = one.in_sync = {server};
      return one;
    };
    return shard_map::make({record(low, server.address()), record(high, other->address())}, {}, 1).value();
  }
  mysql_options make_options() const {
    mysql_options made;
    made.connect = mysql::local_server::root();
    made.connect.database = database;
    return made;
  }
  std::unique_ptr<store> open(const key_range& range) const {
    auto opened = open_mysql_store(*directory, range, options);
    if (!opened) FAIL(opened.failure().detail);
    return std::move(*opened);
  }
  store& at(ksid_t place) { return *stores[high.contains(place)]; }
  lookup_writer& lookups_at(ksid_t place) { return *lookups_of(at(place)); }
  mysql::connection admin(bool is_high) { return (is_high ? *other : server).connect_as_root(database); }
  std::uint64_t count(const std::string& table) {
    return admin(false).number("SELECT COUNT(*) FROM " + table) + admin(true).number("SELECT COUNT(*) FROM " + table);
  }
  lookup_sweeper::options sweeper_options() const {
    lookup_sweeper::options made;
    made.connect = options.connect;
    made.page_rows = 3;
    made.page_pause = std::chrono::milliseconds(1);
    return made;
  }
  void commit(ksid_t place, std::vector<write_op> ops) {
    std::vector<commit_unit> units{{{}, std::move(ops)}};
    auto outcomes = at(place).commit(units);
    REQUIRE(outcomes.ok());
    REQUIRE(outcomes->front().ok());
  }
  void reserve(const std::string& domain, team_id team, wall_time when) {
    REQUIRE(lookups_at(routes.of_domain(domain)).reserve_domain(domain, team, when, nullptr).ok());
  }
  token_record put_token_of(std::uint8_t number, user_id owner, bool with_row) {
    token_record row;
    row.hash = {number, 1, '\'', '\\', 0, 255};
    row.type = token_type::user;
    row.user = owner;
    REQUIRE(lookups_at(routes.of_token_hash(row.hash)).put_token_owner(row.hash, owner.value).ok());
    if (with_row) commit(routes.of_key(owner.value), {put_token{row}});
    return row;
  }
};

TEST_CASE("lookup sweeper: reservations that nobody took for a day go, wherever their workspace would be") {
  two_shards f;
  lookup_sweeper sweeper(*f.directory, f.sweeper_options());
  for (std::uint64_t team = 1; team <= 12; ++team) {
    auto name = "team'" + std::to_string(team);
    f.reserve(name, {team}, now - hours(48));
    f.reserve("left-" + name, {team}, now - hours(25));  // it has another domain now
    f.reserve("young-" + name, {team + 100}, now - hours(23));
    f.reserve("old-" + name, {team + 100}, now - hours(25));
    f.commit(f.routes.of_key(team), {put_workspace{{{team}, name, ""}}});
  }
  CHECK(f.count("workspace_domains") == 48);
  REQUIRE(sweeper.sweep(now).ok());
  CHECK(sweeper.read_figures().domains == 24);
  CHECK(sweeper.read_figures().last_through == now);
  CHECK(f.count("workspace_domains") == 24);
  CHECK(f.count("workspace_domains WHERE domain LIKE 'young-%'") == 12);
  CHECK(f.count("workspace_domains WHERE domain LIKE 'team%'") == 12);
  REQUIRE(sweeper.sweep(now).ok());
  CHECK(sweeper.read_figures().domains == 24);
}

TEST_CASE("lookup sweeper: owners of tokens that are missing twice, an hour apart, go") {
  two_shards f;
  lookup_sweeper sweeper(*f.directory, f.sweeper_options());
  for (std::uint8_t number = 0; number < 20; ++number) f.put_token_of(number * 12, {number + 1u}, number % 2 == 0);
  REQUIRE(f.count("token_owners") == 20);
  REQUIRE(sweeper.sweep(now).ok());
  CHECK(f.count("token_owners") == 20);
  REQUIRE(sweeper.sweep(now + minutes(59)).ok());
  CHECK(f.count("token_owners") == 20);
  auto late = f.put_token_of(1 * 12, {2}, true);  // its issue was only slow
  REQUIRE(sweeper.sweep(now + minutes(60)).ok());
  CHECK(f.count("token_owners") == 11);
  CHECK(sweeper.read_figures().token_owners == 9);
  auto reader = f.at(f.routes.of_token_hash(late.hash)).make_reader();
  CHECK(lookups_of(*reader)->token_owner(late.hash).value() == 2);
}

TEST_CASE("lookup sweeper: in doubt it leaves everything as it is") {
  two_shards f;
  lookup_sweeper sweeper(*f.directory, f.sweeper_options());
  for (std::uint64_t team = 1; team <= 12; ++team) f.reserve("old-" + std::to_string(team), {team}, now - hours(25));
  SUBCASE("a shard is frozen") {
    for (bool is_high : {false, true}) f.admin(is_high).run("UPDATE shard_guard SET state = 1");
    CHECK(sweeper.sweep(now).code() == errc::service_unavailable);
  }
  SUBCASE("a shard is away") {
    auto gone = shard_map::make({f.map().serving()[0],
                                 [&] {
                                   auto record = f.map().serving()[1];
                                   record.primary = "127.0.0.1:1";
                                   return record;
                                 }()},
                                {}, 2);
    f.directory->set(gone.value());
    f.admin(false).run("DELETE FROM workspace_domains WHERE workspace_ksid < 0x8000000000000000");
    CHECK(sweeper.sweep(now).code() == errc::service_unavailable);
  }
  SUBCASE("it is told to stop") {
    std::stop_source stop;
    stop.request_stop();
    CHECK(sweeper.sweep(now, stop.get_token()).code() == errc::stopping);
    CHECK(sweeper.read_figures().failures == 0);
  }
  CHECK(sweeper.read_figures().domains == 0);
}

TEST_CASE("lookup sweeper: its thread ends at once, however long it would have waited") {
  two_shards f;
  lookup_sweeper sweeper(*f.directory, f.sweeper_options());
  sweeper.start(1);
  sweeper.stop();
  CHECK(sweeper.read_figures().failures == 0);
}

}  // namespace
}  // namespace throng
