// SPDX-License-Identifier: Apache-2.0
#include "tools/throngd/shard_views.hpp"

#include <doctest/doctest.h>

using namespace throng;

namespace {

failover::shard_status two_servers() {
  failover::shard_status status;
  status.record.range = *parse_key_range("-80");
  status.record.primary = "h:1";
  status.record.servers = {"h:1", "h:2", "h:3"};
  status.record.in_sync = {"h:1", "h:2"};
  status.record.term = 7;
  failover::server_observation primary;
  primary.server = "h:1";
  primary.is_reachable = true;
  auto replica = primary;
  replica.server = "h:2";
  replica.replication = failover::replication_state{};
  replica.replication->source = "h:1";
  replica.replication->is_connected = replica.replication->is_applying = true;
  replica.replication->lag_s = 2;
  failover::server_observation away;
  away.server = "h:3";
  away.trouble = "refused";
  status.servers = {primary, replica, away};
  return status;
}

}  // namespace

TEST_CASE("shard views: servers are told as the supervisor sees them") {
  const auto status = two_servers();
  auto view = view_of(status.record, true, &status);
  CHECK(view.range == "-80");
  CHECK(view.term == 7);
  CHECK(view.in_sync == 2);
  CHECK(view.diagnosis == "fine");
  REQUIRE(view.servers.size() == 3);
  CHECK(view.servers[0].state == "takes writes");
  CHECK(view.servers[1].state == "in sync");
  CHECK(view.servers[1].lag == std::chrono::seconds(2));
  CHECK(view.servers[2].state == "away: refused");

  auto worse = status;
  worse.record.in_sync = {"h:1"};
  worse.servers[0].is_read_only = true;
  worse.servers[1].replication->is_applying = false;
  worse.servers[1].replication->sql_error = "duplicate entry";
  worse.findings.push_back({failover::problem_t::primary_is_read_only, "h:1", "it takes no writes"});
  worse.trouble = "the lock is held";
  view = view_of(worse.record, false, &worse);
  CHECK(view.servers[0].state == "read-only");
  CHECK(view.servers[1].state == "replication stands: duplicate entry");
  CHECK(view.diagnosis == "PrimaryIsReadOnly h:1: it takes no writes; last try: the lock is held");
  CHECK_FALSE(view.is_serving);
}

TEST_CASE("shard views: without a supervisor there is what the topology says") {
  const auto status = two_servers();
  const auto view = view_of(status.record, true, nullptr);
  CHECK(view.diagnosis == "not supervised by this node");
  REQUIRE(view.servers.size() == 3);
  CHECK(view.servers[1].state == "in sync");
  CHECK(view.servers[2].state.empty());
}

TEST_CASE("shard views: a reparent says how long its parts took") {
  failover::reparent_report report;
  report.from = "h:1";
  report.to = "h:2";
  report.total = std::chrono::microseconds(12'345);
  report.phases = {{"stop writes", std::chrono::microseconds(2'000)}, {"open", std::chrono::microseconds(300)}};
  CHECK(to_text(report) ==
        "h:2 is the primary now, in the place of h:1; it took 12.3 ms: stop writes 2.0 ms, open 0.3 ms");
}

TEST_CASE("shard views: a reshard is a table of what and how") {
  reshard_status status;
  CHECK(table_of(status).rows.size() == 1);
  reshard_record record;
  record.phase = reshard_phase::running;
  record.sources = {*parse_key_range("-")};
  record.targets = {*parse_key_range("-80"), *parse_key_range("80-")};
  record.reason = "all rows are there";
  status.record = record;
  status.is_run_here = true;
  const auto table = table_of(status);
  REQUIRE(table.rows.size() == 2);
  CHECK(table.rows[0][0].text == "reshard - -> -80,80-");
  CHECK(table.rows[0][1].text == "running (all rows are there)");
  CHECK(table.rows[1][0].text == "write pauses");
}
