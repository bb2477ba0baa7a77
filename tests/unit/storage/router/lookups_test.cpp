// SPDX-License-Identifier: Apache-2.0
// Domains and tokens, whose rows and lookups are in different shards.
#include <thread>

#include <doctest/doctest.h>

#include "storage/router/confirmed_domains.hpp"
#include "tests/unit/storage/router/fake_shards.hpp"

namespace throng {
namespace {

using namespace std::chrono_literals;

struct fixture {
  sqlite_shards shards;
  std::unique_ptr<fixed_shard_directory> directory = make_fixed_shard_directory(map_of({"-80", "80-"}));
  answer_box answers;
  std::unique_ptr<sharded_storage> storage = start_storage(*directory, shards.opener());
  std::unique_ptr<store_reader> rows = storage->whole().make_reader();
  int number = 0;

  std::string commit(commit_unit unit) {
    storage->commits().submit(std::move(unit), answers.add(++number));
    return answers.wait_for(static_cast<std::size_t>(number)).back().second;
  }
  static team_id team_in(const std::string& range, std::uint64_t skip = 0) { return {channel_in(range, skip).value}; }
  /// A domain whose lookup row is there.
  static std::string domain_in(const std::string& range) {
    auto wanted = parse_key_range(range).value();
    for (int i = 0;; ++i)
      if (auto name = "d" + std::to_string(i); wanted.contains(table_routes::standard().of_domain(name))) return name;
  }
  static commit_unit workspace(team_id team, std::string domain, epoch_t epoch = 1) {
    return {{slot_of(key_of(team)), epoch}, {put_workspace{{team, std::move(domain), ""}}}};
  }
};

TEST_CASE("lookups: a domain is registered where it belongs, before the workspace that has it") {
  fixture f;
  auto team = f.team_in("-80"), other = f.team_in("-80", 1), far = f.team_in("80-");
  auto domain = f.domain_in("80-");
  CHECK(f.commit(f.workspace(team, domain)) == "ok");
  CHECK(f.shards.lookups_in("80-").domains.at(domain).team == team);
  CHECK(f.rows->workspace_by_domain(domain)->id == team);
  CHECK(f.commit(f.workspace(other, domain)) == "domain_taken");
  CHECK(f.commit(f.workspace(far, domain)) == "domain_taken");
  CHECK(f.rows->workspace(other).code() == errc::not_found);
  CHECK(f.rows->workspace(far).code() == errc::not_found);

  // A rename lets the former one go.
  CHECK(f.commit(f.workspace(team, "another")) == "ok");
  CHECK_FALSE(f.shards.lookups_in("80-").domains.contains(domain));
  CHECK(f.rows->workspace_by_domain(domain).code() == errc::not_found);
  CHECK(f.commit(f.workspace(far, domain)) == "ok");
}

TEST_CASE("lookups: only one of many that want a domain at once gets it") {
  fixture f;
  auto domain = f.domain_in("-80");
  constexpr std::size_t teams = 40;
  for (std::uint64_t i = 0; i < teams; ++i)
    f.storage->commits().submit(f.workspace(f.team_in(i % 2 == 0 ? "-80" : "80-", i), domain),
                                f.answers.add(static_cast<int>(i)));
  auto answers = f.answers.wait_for(teams);
  REQUIRE(answers.size() == teams);
  std::size_t got = 0;
  for (const auto& [number, answer] : answers) {
    CHECK((answer == "ok" || answer == "domain_taken"));
    got += answer == "ok";
  }
  CHECK(got == 1);
  CHECK(f.rows->workspaces({}, 100)->size() == 1);
}

TEST_CASE("lookups: a reservation that nobody stands behind is taken over when it is old, not before") {
  fixture f;
  auto domain = f.domain_in("80-");
  auto gone = f.team_in("-80"), team = f.team_in("80-");
  auto now = std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
  auto& reserved = f.shards.lookups_in("80-").domains[domain];
  reserved = {gone, now - reservation_lasts + 30s};
  CHECK(f.commit(f.workspace(team, domain)) == "domain_taken");
  reserved = {gone, now - reservation_lasts};
  CHECK(f.rows->workspace_by_domain(domain).code() == errc::not_found);
  CHECK(f.commit(f.workspace(team, domain)) == "ok");
  CHECK(f.rows->workspace_by_domain(domain)->id == team);
  // One that a workspace stands behind isn't, however old.
  f.shards.lookups_in("80-").domains[domain].reserved = now - 24h;
  CHECK(f.commit(f.workspace(gone, domain)) == "domain_taken");
}

TEST_CASE("lookups: what follows a unit in its slot waits while its lookups are written") {
  fixture f;
  auto team = f.team_in("-80");
  auto domain = f.domain_in("80-");
  auto event = [&](seq_t seq) { return write_op{insert_event{{key_of(team), seq, {}, ""}}}; };
  fence guard{slot_of(key_of(team)), 1};
  for (int round = 0; round < 20; ++round) {
    auto first = static_cast<seq_t>(round) * 10 + 1;
    auto named = f.workspace(team, domain + (round % 2 == 0 ? "" : "x"));
    named.ops.push_back(event(first));
    f.storage->commits().submit(std::move(named), f.answers.add(static_cast<int>(first)));
    for (seq_t seq = first + 1; seq < first + 10; ++seq)
      f.storage->commits().submit({guard, {event(seq)}}, f.answers.add(static_cast<int>(seq)));
  }
  auto answers = f.answers.wait_for(200);
  REQUIRE(answers.size() == 200);
  for (int i = 0; i < 200; ++i) CHECK(answers[static_cast<std::size_t>(i)] == std::pair{i + 1, std::string("ok")});
  CHECK(f.rows->workspace(team)->domain == domain + "x");
  f.storage->commits().stop();
  CHECK(f.storage->commits().read_figures().waiting_units == 0);
}

TEST_CASE("lookups: a stop in the midst of them answers everything") {
  for (int round = 0; round < 10; ++round) {
    fixture f;
    constexpr std::size_t units = 60;
    for (std::uint64_t i = 0; i < units; ++i) {
      auto team = f.team_in(i % 2 == 0 ? "-80" : "80-", i / 6);
      f.storage->commits().submit(f.workspace(team, "name" + std::to_string(i)), f.answers.add(static_cast<int>(i)));
    }
    if (round % 2 == 0) f.storage->reads().stop();
    f.storage->commits().stop();
    CHECK(f.answers.wait_for(units).size() == units);
  }
}

TEST_CASE("lookups: a token is found by its hash, wherever its owner is") {
  fixture f;
  for (std::uint64_t i = 0; i < 8; ++i) {
    token_record token;
    token.hash = {static_cast<std::uint8_t>(i * 32), 1};
    token.type = token_type::user;
    token.user = {f.team_in(i % 4 < 2 ? "-80" : "80-", i).value};
    CHECK(f.commit({{}, {put_token{token}}}) == "ok");
    CHECK(f.rows->token(token.hash).value() == token);
    CHECK(f.rows->tokens_of(token.user, 10)->size() == 1);
    token.is_revoked = true;  // by its owner, fenced
    CHECK(f.commit({{slot_of(key_of(token.user)), 1}, {put_token{token}}}) == "ok");
    CHECK(f.rows->token(token.hash)->is_revoked);
  }
  CHECK(f.rows->token({99}).code() == errc::not_found);
  CHECK(f.shards.lookups_in("-80").tokens.size() == 4);
  CHECK(f.shards.lookups_in("80-").tokens.size() == 4);
}

TEST_CASE("lookups: a confirmed domain is not asked for again, within its epoch") {
  fixture f;
  auto team = f.team_in("-80");
  auto domain = f.domain_in("80-");
  CHECK(f.commit(f.workspace(team, domain)) == "ok");
  auto steps = [&] { return f.shards.lookups_in("-80").workspace_reads; };
  auto before = steps();
  CHECK(f.commit(f.workspace(team, domain)) == "ok");
  CHECK(steps() == before);
  CHECK(f.commit(f.workspace(team, domain, 2)) == "ok");  // the slot may have been elsewhere in between
  CHECK(steps() == before + 1);
}

TEST_CASE("confirmed domains: one for a team and epoch, none unfenced, the least recently used goes") {
  confirmed_domains known(2);
  known.put({1}, 5, "a");
  CHECK(known.has({1}, 5, "a"));
  CHECK_FALSE(known.has({1}, 6, "a"));
  CHECK_FALSE(known.has({1}, 5, "b"));
  known.put({1}, 5, "b");
  CHECK_FALSE(known.has({1}, 5, "a"));
  known.put({2}, 0, "c");
  CHECK_FALSE(known.has({2}, 0, "c"));
  known.put({2}, 1, "c");
  CHECK(known.has({1}, 5, "b"));
  known.put({3}, 1, "d");
  CHECK_FALSE(known.has({2}, 1, "c"));
  CHECK(known.has({1}, 5, "b"));
  CHECK(known.size() == 2);
}

}  // namespace
}  // namespace throng
