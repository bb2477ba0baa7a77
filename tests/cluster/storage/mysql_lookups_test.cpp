// SPDX-License-Identifier: Apache-2.0
// The rows that point at other shards: who reserved a domain, whose a token is.
#include <future>

#include "storage/lookups.hpp"
#include "tests/cluster/storage/mysql_harness.hpp"

namespace throng {
namespace {

constexpr team_id acme{1}, apex{2};

wall_time at_second(std::int64_t second) { return wall_time{std::chrono::seconds{second}}; }

struct open_lookups {
  mysql_harness at;
  std::unique_ptr<store> rows = at.open();
  std::unique_ptr<store_reader> reader = rows->make_reader();
  lookup_writer& writes = *lookups_of(*rows);
  lookup_reader& reads = *lookups_of(*reader);

  errc put(put_workspace op) {
    std::vector<commit_unit> units{{{}, {std::move(op)}}};
    auto outcomes = rows->commit(units);
    REQUIRE(outcomes.ok());
    return outcomes->at(0) ? errc{} : outcomes->at(0).code();
  }
};

TEST_CASE("mysql lookups: a domain is reserved once, renewed by who has it, and given up by nobody else") {
  open_lookups f;
  CHECK(f.reads.domain_owner("acme").code() == errc::not_found);
  REQUIRE(f.writes.reserve_domain("acme", acme, at_second(10), nullptr).ok());
  CHECK(f.reads.domain_owner("acme").value() == domain_reservation{acme, at_second(10)});
  CHECK(f.writes.reserve_domain("acme", apex, at_second(11), nullptr).code() == errc::domain_taken);
  REQUIRE(f.writes.reserve_domain("acme", acme, at_second(12), nullptr).ok());
  CHECK(f.reads.domain_owner("acme")->reserved == at_second(12));
  CHECK(f.writes.forget_domain("acme", apex).ok());
  CHECK(f.reads.domain_owner("acme").ok());
  CHECK(f.writes.forget_domain("acme", acme).ok());
  CHECK(f.reads.domain_owner("acme").code() == errc::not_found);
  CHECK(f.reader->workspace_by_domain("acme").code() == errc::not_found);
}

TEST_CASE("mysql lookups: a reservation is taken over only as it was seen") {
  open_lookups f;
  REQUIRE(f.writes.reserve_domain("acme", acme, at_second(10), nullptr).ok());
  auto seen = f.reads.domain_owner("acme").value();
  REQUIRE(f.writes.reserve_domain("acme", acme, at_second(20), nullptr).ok());  // its owner is alive after all
  CHECK(f.writes.reserve_domain("acme", apex, at_second(80), &seen).code() == errc::domain_taken);
  seen = f.reads.domain_owner("acme").value();
  CHECK(f.writes.reserve_domain("acme", apex, at_second(80), &seen).ok());
  CHECK(f.reads.domain_owner("acme").value() == domain_reservation{apex, at_second(80)});
}

TEST_CASE("mysql lookups: of many who reserve a domain at once, one gets it") {
  open_lookups f;
  std::vector<std::future<result<>>> all;
  for (std::uint64_t team = 1; team <= 8; ++team)
    all.push_back(std::async(std::launch::async, [&, team] {
      auto own = f.at.open();
      return lookups_of(*own)->reserve_domain("acme", {team}, at_second(1), nullptr);
    }));
  int got = 0;
  for (auto& each : all) {
    auto answer = each.get();
    got += answer.ok();
    if (!answer) CHECK(answer.code() == errc::domain_taken);
  }
  CHECK(got == 1);
}

TEST_CASE("mysql lookups: a workspace takes what its team reserved, and what others reserved long ago and left") {
  open_lookups f;
  auto now = std::chrono::time_point_cast<wall_time::duration>(std::chrono::system_clock::now());
  REQUIRE(f.writes.reserve_domain("fresh", apex, wall_time{now.time_since_epoch()}, nullptr).ok());
  REQUIRE(f.writes.reserve_domain("left", apex, at_second(10), nullptr).ok());
  CHECK(f.put({{acme, "fresh", ""}}) == errc::domain_taken);
  CHECK(f.put({{acme, "left", ""}}) == errc{});
  CHECK(f.reader->workspace_by_domain("left")->id == acme);
  CHECK(f.put({{apex, "fresh", ""}}) == errc{});
  CHECK(f.put({{acme, "fresh", ""}}) == errc::domain_taken);
  CHECK(f.put({{apex, "left", ""}}) == errc::domain_taken);  // it is as old as before, but its workspace is there
}

TEST_CASE("mysql lookups: a token is found by its owner, and its old owner's row can be taken away") {
  open_lookups f;
  token_record token;
  token.hash = {7, '\'', '\\', 0};
  token.user = {70};
  std::vector<commit_unit> units{{{}, {put_token{token}}}};
  REQUIRE(f.rows->commit(units)->at(0).ok());
  CHECK(f.reads.token_owner(token.hash).value() == 70);
  CHECK(f.reads.token_at(70, token.hash).value() == token);
  CHECK(f.reads.token_at(71, token.hash).code() == errc::not_found);
  REQUIRE(f.writes.put_token_owner(token.hash, 71).ok());
  REQUIRE(f.writes.put_token_owner(token.hash, 71).ok());
  CHECK(f.reads.token_owner(token.hash).value() == 71);
  CHECK(f.reader->token(token.hash).code() == errc::not_found);
  REQUIRE(f.writes.erase_token(70, token.hash).ok());
  REQUIRE(f.writes.erase_token(70, token.hash).ok());
  CHECK(f.reads.token_at(70, token.hash).code() == errc::not_found);
}

TEST_CASE("mysql lookups: a frozen shard takes none of them") {
  open_lookups f;
  f.at.admin().run("UPDATE shard_guard SET state = 1");
  CHECK(f.writes.reserve_domain("acme", acme, at_second(1), nullptr).code() == errc::wrong_owner);
  CHECK(f.writes.forget_domain("acme", acme).code() == errc::wrong_owner);
  CHECK(f.writes.put_token_owner({1}, 2).code() == errc::wrong_owner);
  CHECK(f.writes.erase_token(2, {1}).code() == errc::wrong_owner);
  CHECK(f.reads.domain_owner("acme").code() == errc::not_found);
}

}  // namespace
}  // namespace throng
