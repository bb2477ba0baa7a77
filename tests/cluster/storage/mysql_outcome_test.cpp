// SPDX-License-Identifier: Apache-2.0
// Whatever happens to connections and servers: what commit() calls committed is there, once, and what it calls failed
// isn't. A unit here is a post that nobody else makes, so an answer of errc::conflict would be a post written twice.
#include <algorithm>
#include <atomic>
#include <future>
#include <random>
#include <thread>

#include "storage/commit_queue.hpp"
#include "storage/mysql/mysql_writer.hpp"
#include "tests/cluster/storage/cutting_proxy.hpp"
#include "tests/cluster/storage/mysql_harness.hpp"

namespace throng {
namespace {

using namespace std::chrono_literals;
using cut = cutting_proxy::cut;

constexpr channel_id lobby{400};

message_record numbered(std::int64_t number) {
  message_record row;
  row.channel = lobby;
  row.ts = {number};
  row.seq = static_cast<seq_t>(number);
  row.data = "post " + std::to_string(number);
  return row;
}
commit_unit post_unit(std::int64_t number) { return {{}, {insert_message{numbered(number)}}}; }

/// Commits a post meanwhile.
std::future<result<std::vector<result<>>>> committing(store& rows, std::int64_t number) {
  return std::async(std::launch::async, [&rows, number] {
    std::vector units{post_unit(number)};
    return rows.commit(units);
  });
}

template <class Condition>
bool comes_true(Condition condition) {
  for (auto end = std::chrono::steady_clock::now() + 60s; std::chrono::steady_clock::now() < end;) {
    if (condition()) return true;
    std::this_thread::sleep_for(2ms);
  }
  return false;
}

/// All posts from 1 to `last` are there, and nothing else is.
void check_all_there(store& rows, std::int64_t last) {
  auto found = rows.make_reader()->messages_after(lobby, 0, 1'000'000);
  REQUIRE(found.ok());
  REQUIRE(found->size() == static_cast<std::size_t>(last));
  for (std::int64_t number = 1; number <= last; ++number)
    REQUIRE(found->at(static_cast<std::size_t>(number) - 1) == numbered(number));
}

TEST_CASE("mysql: a connection that is cut at any moment of a commit loses nothing and doubles nothing") {
  bool sends_packets = true;
  int batches_before = 0;  // of the same size, on the same connection
  SUBCASE("in one packet") {}
  SUBCASE("in one statement") { batches_before = 3; }
  SUBCASE("step by step") { sends_packets = false; }
  auto seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 random(seed);
  cutting_proxy proxy(shared_mariadb::server().port());
  mysql_harness at;
  at.directory = make_fixed_shard_directory(shard_map::single(proxy.address()));
  at.options.sends_packets = sends_packets;
  auto rows = at.open();
  std::int64_t last = 0;
  std::vector<cut> moments;  // each of the seven many times
  while (moments.size() < 80) moments.push_back(static_cast<cut>(1 + moments.size() % 7));
  std::ranges::shuffle(moments, random);
  for (const auto when : moments) {
    CAPTURE(static_cast<int>(when));
    const auto count = 1 + random() % 20;
    for (int left = batches_before; left >= 0; --left) {
      std::vector<commit_unit> units;
      while (units.size() < count) units.push_back(post_unit(++last));
      const auto executed = proxy.executed();
      if (left == 0) proxy.cut_next(when);
      auto outcomes = rows->commit(units);
      REQUIRE_MESSAGE(outcomes.ok(), outcomes.failure().detail);
      for (const auto& outcome : *outcomes) REQUIRE(outcome.ok());
      if (left == 0 && batches_before > 0) REQUIRE(proxy.executed() > executed);
    }
    REQUIRE(proxy.waiting() == cut::none);
  }
  check_all_there(*rows, last);
}

TEST_CASE("mysql: a packet that arrives long after it was given up changes nothing") {
  cutting_proxy proxy(shared_mariadb::server().port());
  mysql_harness at;
  at.directory = make_fixed_shard_directory(shard_map::single(proxy.address()));
  auto rows = at.open();
  const auto put = [&](std::int64_t number, std::string text) {
    auto row = numbered(number);
    row.data = std::move(text);
    std::vector<commit_unit> units{{{}, {put_message{row}}}};
    auto outcomes = rows->commit(units);
    REQUIRE_MESSAGE(outcomes.ok(), outcomes.failure().detail);
    REQUIRE(outcomes->at(0).ok());
  };
  bool is_first = false;
  SUBCASE("the writer's first") { is_first = true; }
  SUBCASE("one of many") {}
  if (!is_first) put(9, "before");
  proxy.cut_next(cut::much_later);
  put(1, "first");
  REQUIRE(proxy.waiting() == cut::none);
  put(1, "second");
  for (std::int64_t number = 2; proxy.late_answers() == 0; ++number) {
    REQUIRE(number < 100'000);
    put(number, "later");
  }
  auto found = rows->make_reader()->messages_after(lobby, 0, 1'000'000);
  REQUIRE_MESSAGE(found.ok(), found.failure().detail);
  const auto row = std::ranges::find(*found, 1, [](const auto& each) { return each.ts.micros; });
  REQUIRE(row != found->end());
  CHECK(row->data == "second");
}

TEST_CASE("mysql: a post that was edited before anybody asked what became of its batch was committed") {
  cutting_proxy proxy(shared_mariadb::server().port());
  mysql_harness at;
  at.directory = make_fixed_shard_directory(shard_map::single(proxy.address()));
  auto rows = at.open();
  for (std::int64_t number = 1; number <= 3; ++number) {
    std::vector units{post_unit(number)};
    REQUIRE(rows->commit(units).ok());
  }
  REQUIRE(proxy.executed() == 1);
  // While nobody knows of a primary, somebody else finds the post and edits it.
  shard_record nobody;
  proxy.hold_commits(true);
  proxy.cut_next(cut::after_commit_answer);
  auto answer = committing(*rows, 4);
  REQUIRE(comes_true([&] { return proxy.held() == 1; }));
  at.directory->set(shard_map::make({nobody}, {}, 1).value());
  proxy.hold_commits(false);
  auto admin = at.admin();
  REQUIRE(comes_true([&] { return admin.run("UPDATE messages SET data = 'edited' WHERE ts = 4") == 1; }));
  at.directory->set(shard_map::single(shared_mariadb::server().address()));
  auto outcomes = answer.get();
  REQUIRE_MESSAGE(outcomes.ok(), outcomes.failure().detail);
  CHECK(outcomes->at(0).ok());
  CHECK(admin.number("SELECT COUNT(*) FROM messages") == 4);
}

TEST_CASE("mysql: who asks for the fate of a statement and finds nothing has it refused when it comes") {
  mysql_harness at;
  REQUIRE(at.open() != nullptr);
  auto options = at.options.connect;
  options.sends_packets = true;
  mysql::connection db(shared_mariadb::server().address(), options, "-"),
      other(shared_mariadb::server().address(), options, "-");
  const mysql::placement where{table_routes::standard(), {}};
  mysql::writer writer(db, where);
  const auto post = [&](std::int64_t number, std::uint64_t batch) {
    std::vector units{post_unit(number)};
    return writer.commit(units, {7, batch}, false);
  };
  for (int number = 1; number <= 3; ++number) REQUIRE(post(number, static_cast<std::uint64_t>(number)).ok());
  const auto identity = [](std::int64_t number) {
    const auto row = numbered(number);
    return std::vector{mysql::post_identity{row.channel, row.ts, row.seq, row.user, row.client_msg_id}};
  };
  const auto late = identity(4);
  CHECK(mysql::fate_of({7, 3}, identity(3), other) == mysql::batch_fate::committed);
  CHECK(mysql::fate_of({7, 4}, late, other) == mysql::batch_fate::absent);
  CHECK_THROWS_AS(post(4, 4), mysql::failure);
  CHECK_FALSE(writer.is_commit_sent());
  CHECK(other.number("SELECT COUNT(*) FROM messages") == 3);
  REQUIRE(post(4, 6).ok());
  CHECK(mysql::fate_of({7, 6}, late, other) == mysql::batch_fate::committed);
  auto others = late;
  others.push_back(identity(5)[0]);  // not all of them are there
  CHECK(mysql::fate_of({7, 8}, others, other) == mysql::batch_fate::absent);
  others = late;
  others[0].seq = 5;
  CHECK(mysql::fate_of({7, 10}, others, other) == mysql::batch_fate::absent);
}

TEST_CASE("mysql: an outcome that isn't known is asked for until there is a primary that knows") {
  cutting_proxy proxy(shared_mariadb::server().port());
  mysql_harness at;
  at.directory = make_fixed_shard_directory(shard_map::single(proxy.address()));
  at.options.commit_patience = 100ms;  // is for what is known
  auto rows = at.open();
  shard_record nobody;
  proxy.hold_commits(true);
  proxy.cut_next(cut::after_commit_answer);
  auto answer = committing(*rows, 1);
  REQUIRE(comes_true([&] { return proxy.held() == 1; }));
  at.directory->set(shard_map::make({nobody}, {}, 1).value());
  proxy.hold_commits(false);
  CHECK(answer.wait_for(400ms) == std::future_status::timeout);
  at.directory->set(shard_map::single(shared_mariadb::server().address()));
  auto outcomes = answer.get();
  REQUIRE(outcomes.ok());
  CHECK(outcomes->at(0).ok());
  check_all_there(*rows, 1);
}

TEST_CASE("mysql: an outcome that isn't known when a reshard retires the shard is asked for where it was") {
  cutting_proxy proxy(shared_mariadb::server().port());
  mysql_harness at;
  at.directory = make_fixed_shard_directory(shard_map::single(proxy.address()));
  auto rows = at.open();
  proxy.hold_commits(true);
  proxy.cut_next(cut::after_commit_answer);
  auto answer = committing(*rows, 1);
  REQUIRE(comes_true([&] { return proxy.held() == 1; }));
  std::vector<shard_record> halves(2);
  for (std::size_t i = 0; i < 2; ++i) {
    halves[i].range = parse_key_range(i == 0 ? "-80" : "80-").value();
    halves[i].primary = shared_mariadb::server().address();
    halves[i].servers = {halves[i].primary};
  }
  at.directory->set(shard_map::make(halves, {}, 2).value());
  proxy.hold_commits(false);
  auto outcomes = answer.get();
  REQUIRE(outcomes.ok());
  CHECK(outcomes->at(0).ok());
  auto admin = shared_mariadb::server().connect_as_root();
  CHECK(admin.number("SELECT COUNT(*) FROM " + at.database + ".messages") == 1);
  // As `complete` leaves it.
  admin.run("UPDATE " + at.database + ".shard_guard SET state=1, shard='', generation=generation+1");
  std::vector units{post_unit(2)};
  auto later = rows->commit(units);
  CHECK(later.code() == errc::wrong_owner);
}

TEST_CASE("mysql: posts of a shard that was emptied before anybody asked are looked for with its heirs") {
  cutting_proxy proxy(shared_mariadb::server().port());
  mysql_harness at;
  at.directory = make_fixed_shard_directory(shard_map::single(proxy.address()));
  temporary_folder folder;
  auto heirs_server = mysql::local_server::start(folder.path());
  REQUIRE_MESSAGE(heirs_server.ok(), heirs_server.failure().detail);
  std::vector<shard_record> halves(2);
  for (std::size_t i = 0; i < 2; ++i) {
    halves[i].range = parse_key_range(i == 0 ? "-80" : "80-").value();
    halves[i].primary = (*heirs_server)->address();
    halves[i].servers = {halves[i].primary};
  }
  const auto split = shard_map::make(halves, {}, 2).value();
  const auto heirs = make_fixed_shard_directory(split);
  auto heir = open_mysql_store(*heirs, split.of(table_routes::standard().of_key(lobby.value)).range, at.options);
  REQUIRE_MESSAGE(heir.ok(), heir.failure().detail);

  auto rows = at.open();
  for (std::int64_t number = 1; number <= 3; ++number) {
    std::vector units{post_unit(number)};
    REQUIRE(rows->commit(units).ok());
  }
  proxy.hold_asks(true);
  proxy.cut_next(cut::after_commit_answer);
  auto answer = committing(*rows, 4);
  REQUIRE(comes_true([&] { return proxy.held() == 1; }));
  auto admin = at.admin();
  REQUIRE(admin.number("SELECT COUNT(*) FROM messages") == 4);
  bool is_copied = true;
  SUBCASE("and are there") {}
  SUBCASE("and aren't") { is_copied = false; }
  for (std::int64_t number = 1; number <= (is_copied ? 4 : 3); ++number) {
    std::vector units{post_unit(number)};
    REQUIRE((*heir)->commit(units).ok());
  }
  admin.run("UPDATE shard_guard SET state = 2, shard = '', generation = generation + 1");  // as `complete` leaves it
  admin.run("TRUNCATE TABLE messages");
  at.directory->set(split);
  proxy.hold_asks(false);
  auto outcomes = answer.get();
  if (is_copied) {
    REQUIRE_MESSAGE(outcomes.ok(), outcomes.failure().detail);
    CHECK(outcomes->at(0).ok());
  } else {
    CHECK(outcomes.code() == errc::wrong_owner);  // to be tried with the heirs
  }
  CHECK(admin.number("SELECT COUNT(*) FROM messages") == 0);
}

TEST_CASE("mysql: connections that are killed at random while batches are committed lose and double nothing") {
  mysql_harness at;
  auto rows = at.open();
  std::atomic<bool> is_done = false;
  std::atomic<int> batches = 0, kills = 0;
  auto admin = shared_mariadb::server().connect_as_root();
  std::thread killer([&] {
    std::mt19937 random(7);
    for (int seen = 0; !is_done; seen = batches) {
      while (!is_done && batches == seen) std::this_thread::yield();
      std::this_thread::sleep_for(std::chrono::microseconds(random() % 1'500));  // any moment of a batch
      auto id = admin.number("SELECT id FROM information_schema.processlist WHERE db = '" + at.database + "' LIMIT 1");
      if (id == 0) continue;
      try {
        admin.run((random() % 2 ? "KILL CONNECTION " : "KILL QUERY ") + std::to_string(id));
        ++kills;
      } catch (const mysql::failure&) {  // gone already
      }
    }
  });
  std::int64_t last = 0;
  for (int batch = 0; batch < 200; ++batch) {
    std::vector<commit_unit> units;
    for (int i = 0; i < 10; ++i) units.push_back(post_unit(++last));
    if (batch % 3 == 2) units.push_back({{}, {put_user{{{1}, {1}, std::to_string(batch)}}}});  // as a packet
    auto outcomes = rows->commit(units);
    ++batches;
    if (!outcomes.ok() || !std::ranges::all_of(*outcomes, [](const auto& each) { return each.ok(); })) {
      is_done = true;
      killer.join();
      FAIL((outcomes.ok() ? "a unit was refused" : outcomes.failure().detail));
    }
  }
  is_done = true;
  killer.join();
  CHECK(kills > 20);
  check_all_there(*rows, last);
}

TEST_CASE("mysql: a server that is killed with -9 under load and comes back has all that was acknowledged") {
  temporary_folder folder;
  auto server = mysql::local_server::start(folder.path());
  REQUIRE_MESSAGE(server.ok(), server.failure().detail);
  auto directory = make_fixed_shard_directory(shard_map::single((*server)->address()));
  mysql_options options;
  options.connect = mysql::local_server::root();
  options.connect.database = "throng";
  options.commit_patience = 60s;
  auto opened = open_mysql_store(*directory, {}, options);
  REQUIRE_MESSAGE(opened.ok(), opened.failure().detail);

  std::atomic<bool> is_done = false;
  std::atomic<std::int64_t> acked = 0;
  std::string problem;
  std::thread load([&] {
    for (std::int64_t last = 0; !is_done;) {
      std::vector<commit_unit> units;
      for (int i = 0; i < 50; ++i) units.push_back(post_unit(++last));
      auto outcomes = (*opened)->commit(units);
      if (!outcomes.ok()) {
        problem = outcomes.failure().detail;
        return;
      }
      for (const auto& outcome : *outcomes)
        if (!outcome.ok()) problem = outcome.failure().detail;
      acked = last;
    }
  });
  for (int round = 0; round < 5; ++round) {
    auto before = acked.load();
    CHECK(comes_true([&] { return acked > before + 100; }));
    (*server)->kill9();
    auto again = (*server)->restart();
    CHECK(again.ok());
  }
  auto before = acked.load();
  CHECK(comes_true([&] { return acked > before; }));
  is_done = true;
  load.join();
  CHECK(problem.empty());
  check_all_there(**opened, acked);
}

}  // namespace
}  // namespace throng
