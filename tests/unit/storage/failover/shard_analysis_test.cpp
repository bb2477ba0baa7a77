// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include <doctest/doctest.h>

#include "storage/failover/succession.hpp"

using namespace throng;
using namespace throng::failover;
using namespace std::chrono_literals;

namespace {

const server_address p = "p:1", a = "a:1", b = "b:1";

/// A shard of a primary and two replicas in sync, all well; a case changes what it is about.
struct shard {
  shard_record record;
  shard_notes notes;
  std::vector<server_observation> seen;
  analysis_policy policy;
  silences silent;
  steady_time now{1h};

  shard() {
    record.term = 7;
    record.primary = p;
    record.servers = record.in_sync = {p, a, b};
    for (const auto& server : record.servers) {
      server_observation one;
      one.server = server;
      one.was_tried = one.is_reachable = one.is_known = one.is_supported = true;
      one.asked = one.since = now;
      one.quiet_since = now - 1min;
      one.start_s = 1000;
      one.uptime_s = 60;
      one.is_read_only = server != p;
      one.gtids = {static_cast<std::uint32_t>(seen.size() + 1), list("0-1-100"), list("0-1-100"), list("0-1-100")};
      if (server == p) {
        one.is_semi_sync_primary = true;
        one.semi_sync_clients = 2;
        one.gtids.slave_pos = {};
      } else {
        one.is_semi_sync_replica = one.is_acknowledging = true;
        replication_state from;
        from.source = p;
        from.is_connected = from.is_applying = from.uses_gtid = true;
        from.received = list("0-1-100");
        one.replication = from;
        notes.trusted_runs[server] = 1000;
      }
      seen.push_back(one);
    }
  }
  static gtid_list list(std::string_view text) { return gtid_list::parse(text).value(); }
  server_observation& of(const server_address& server) {
    return *std::ranges::find(seen, server, &server_observation::server);
  }
  void put_down(const server_address& server) {
    auto& one = of(server);
    one.is_reachable = false;
    one.since = now - 1s;
    one.trouble = "refused";
    if (server == p)
      for (auto* replica : {&of(a), &of(b)}) {
        replica->replication->is_connected = replica->is_acknowledging = false;
        replica->replication->is_connecting = true;
      }
  }
  shard_assessment assess() { return failover::assess(record, notes, seen, policy, now, silent); }
  /// As assess(), after everything stayed like this for `time`.
  shard_assessment assess_after(std::chrono::milliseconds time) {
    (void)assess();  // it is told since when
    now += time;
    return assess();
  }
};

bool finds(const shard_assessment& all, problem_t problem) {
  return std::ranges::find(all.findings, problem, &finding::problem) != all.findings.end();
}
bool does(const shard_assessment& all, step_t what, std::vector<server_address> servers) {
  return std::ranges::find(all.steps, next_step{what, std::move(servers)}) != all.steps.end();
}

}  // namespace

TEST_CASE("analysis: a shard that is well has nothing to do") {
  shard s;
  const auto all = s.assess();
  CHECK(all.findings.empty());
  CHECK(all.steps.empty());
}

TEST_CASE("analysis: a dead primary is replaced when every member of M can be asked") {
  shard s;
  s.put_down(p);
  const auto all = s.assess();
  REQUIRE(all.findings.size() == 1);
  CHECK(all.findings[0].problem == problem_t::dead_primary);
  CHECK(all.findings[0].detail.find("refused") != std::string::npos);
  CHECK(does(all, step_t::emergency_reparent, {}));
}

TEST_CASE("analysis: a primary is dead only after a while") {
  shard s;
  s.put_down(p);
  s.of(p).since = s.now - 10ms;
  CHECK(s.assess().steps.empty());
}

TEST_CASE("analysis: a primary that a replica still hears is left alone") {
  shard s;
  s.put_down(p);
  s.of(b).replication->is_connected = true;
  const auto all = s.assess();
  CHECK(finds(all, problem_t::unreachable_primary));
  CHECK(all.steps.empty());
}

TEST_CASE("analysis: nothing is promoted while a member of M can't be asked") {
  SUBCASE("it is down") {
    shard s;
    s.put_down(p);
    s.put_down(a);
    const auto all = s.assess();
    CHECK(finds(all, problem_t::dead_primary_and_some_replicas));
    CHECK(all.steps.empty());
  }
  SUBCASE("all are down") {
    shard s;
    for (const auto& one : {p, a, b}) s.put_down(one);
    const auto all = s.assess();
    CHECK(finds(all, problem_t::dead_primary_and_replicas));
    CHECK(all.steps.empty());
  }
  SUBCASE("it was restarted, and threw away what it had acknowledged") {
    shard s;
    s.put_down(p);
    s.of(a).start_s = 1001;
    const auto all = s.assess();
    CHECK(finds(all, problem_t::dead_primary_and_some_replicas));
    CHECK(all.findings[0].detail.find("restarted") != std::string::npos);
    CHECK(all.steps.empty());
  }
  SUBCASE("it has a transaction of its own") {
    shard s;
    s.put_down(p);
    s.of(a).gtids.binlog_pos = s.of(a).gtids.binlog_state = shard::list("0-2-101");
    CHECK(s.assess().steps.empty());
  }
  SUBCASE("it is known to have one") {
    shard s;
    s.put_down(p);
    s.notes.errant[a] = "0-2-99";
    CHECK(s.assess().steps.empty());
  }
}

TEST_CASE("analysis: who isn't in M is no matter for a promotion") {
  shard s;
  s.record.in_sync = {p, a};
  s.put_down(p);
  s.put_down(b);
  CHECK(does(s.assess(), step_t::emergency_reparent, {}));
}

TEST_CASE("analysis: with M empty the shard waits for its primary") {
  shard s;
  s.record.in_sync = {p};
  s.put_down(p);
  const auto all = s.assess();
  CHECK(finds(all, problem_t::dead_primary_without_in_sync));
  CHECK(all.steps.empty());
}

// A primary that came back has every acknowledged write (rule 6): so nobody else needs to be trusted, or asked.

namespace {

/// The primary was killed and came back; one replica was restarted meanwhile and has received nothing since.
struct returned : shard {
  returned() {
    of(p).is_read_only = true;
    of(p).is_semi_sync_primary = false;
    of(a).start_s = 1001;
  }
  void has(const server_address& server, std::string_view position) {
    of(server).replication->received = list(position);
    of(server).gtids.binlog_pos = of(server).gtids.binlog_state = list(position);
  }
};

}  // namespace

TEST_CASE("analysis: a primary that came back is opened if it has what all others have") {
  returned s;
  SUBCASE("the same") {}
  SUBCASE("more") {
    s.has(a, "0-1-99");
    s.has(b, "0-1-98");
  }
  SUBCASE("more than who is down") { s.put_down(b); }
  const auto all = s.assess();
  CHECK(finds(all, problem_t::primary_is_read_only));
  CHECK(does(all, step_t::open_primary, {p}));
  CHECK_FALSE(does(all, step_t::emergency_reparent, {}));
}

TEST_CASE("analysis: a primary that came back with less is replaced by who has most, trusted or not") {
  returned s;
  SUBCASE("a trusted one has more") { s.of(b).replication->received = shard::list("0-1-101"); }
  SUBCASE("the one that was restarted has more") { s.has(a, "0-1-101"); }
  SUBCASE("both have more, and none is trusted") {
    s.notes.trusted_runs.clear();
    s.has(a, "0-1-101");
    s.has(b, "0-1-102");
  }
  SUBCASE("one has more, and the other is down") {
    s.has(a, "0-1-101");
    s.put_down(b);
  }
  const auto all = s.assess();
  CHECK(finds(all, problem_t::primary_lost_writes));
  CHECK(does(all, step_t::emergency_reparent, {}));
  CHECK_FALSE(does(all, step_t::open_primary, {p}));
}

TEST_CASE("analysis: a primary that came back with less waits for the one that had most") {
  returned s;
  s.has(a, "0-1-101");
  s.has(b, "0-1-102");
  s.put_down(b);
  const auto all = s.assess();
  CHECK(finds(all, problem_t::primary_lost_writes));
  CHECK(all.findings[0].detail.find(b) != std::string::npos);
  CHECK_FALSE(does(all, step_t::emergency_reparent, {}));
  CHECK_FALSE(does(all, step_t::open_primary, {p}));
}

TEST_CASE("analysis: what is errant on a replica keeps the primary that came back from nothing") {
  returned s;
  SUBCASE("a transaction of its own") { s.has(a, "0-2-103"); }
  SUBCASE("one that it has from elsewhere") { s.has(a, "0-9-103"); }
  SUBCASE("one that is known to be errant") {
    s.has(a, "0-1-103");
    s.notes.errant[a] = "0-1-103";
  }
  auto all = s.assess();
  CHECK(does(all, step_t::open_primary, {p}));
  CHECK_FALSE(does(all, step_t::emergency_reparent, {}));
  // Another one has what the restart cut off: that one wins, whatever the errant one has.
  s.has(b, "0-1-101");
  all = s.assess();
  CHECK(does(all, step_t::emergency_reparent, {}));
  CHECK_FALSE(does(all, step_t::open_primary, {p}));
}

TEST_CASE("analysis: a primary that came back without its log proves nothing") {
  returned s;
  s.of(p).gtids = {1, {}, {}, shard::list("0-1-90")};  // from a backup
  s.has(b, "0-1-100");
  SUBCASE("a replica isn't trusted") {}
  SUBCASE("a replica is down") {
    s.of(a).start_s = 1000;
    s.put_down(a);
  }
  SUBCASE("nobody can be asked, or was ever") {
    for (const auto& one : {a, b}) {
      s.put_down(one);
      s.of(one).is_known = false;
    }
  }
  const auto all = s.assess();
  CHECK(finds(all, problem_t::primary_lost_writes));
  CHECK_FALSE(does(all, step_t::open_primary, {p}));
  CHECK_FALSE(does(all, step_t::emergency_reparent, {}));
}

TEST_CASE("analysis: a primary that came back without its log is replaced when all that rule 4 asks for is there") {
  returned s;
  s.of(a).start_s = 1000;
  s.of(p).gtids = {1, {}, {}, {}};
  const auto all = s.assess();
  CHECK(does(all, step_t::emergency_reparent, {}));
  CHECK_FALSE(does(all, step_t::open_primary, {p}));
}

TEST_CASE(
    "analysis: a replica whose position isn't in the primary's log has parted from it, whatever the numbers say") {
  shard s;
  auto& replication = *s.of(a).replication;
  replication.is_connected = s.of(a).is_acknowledging = false;
  replication.io_error =
      "Got fatal error 1236 from master: 'The binlog on the master is missing the GTID 0-1-100 requested by the slave "
      "(even though a subsequent sequence number does exist), and GTID strict mode is enabled'";
  const auto all = s.assess();
  CHECK(finds(all, problem_t::errant_gtid_detected));
  CHECK_FALSE(does(all, step_t::start_replication, {a}));
  CHECK_FALSE(does(all, step_t::attach, {a}));
}

TEST_CASE("analysis: who isn't the primary takes no writes, whatever else is wrong") {
  shard s;
  s.of(b).is_read_only = false;
  auto all = s.assess();
  REQUIRE_FALSE(all.steps.empty());
  CHECK(all.steps[0] == next_step{step_t::fence, {b}});
  // A former primary that wakes up: fenced, and nothing else before that.
  s.of(b).replication.reset();
  all = s.assess();
  CHECK(does(all, step_t::fence, {b}));
  CHECK_FALSE(does(all, step_t::attach, {b}));
  s.put_down(p);
  CHECK(does(s.assess(), step_t::fence, {b}));
}

TEST_CASE("analysis: a replica that fell silent leaves M, at first with its patience, and only if others acknowledge") {
  shard s;
  s.put_down(a);
  CHECK(s.assess().steps.empty());
  CHECK(s.assess_after(900ms).steps.empty());
  CHECK(does(s.assess_after(200ms), step_t::leave, {a}));
}

TEST_CASE("analysis: when nobody acknowledges all leave at once, if the primary may go on alone") {
  shard s;
  s.put_down(a);
  s.put_down(b);
  const auto all = s.assess_after(350ms);
  CHECK(finds(all, problem_t::primary_semi_sync_blocked));
  CHECK(does(all, step_t::leave, {a, b}));
  s.policy.ackers_min = 1;
  CHECK(s.assess().steps.empty());
}

TEST_CASE("analysis: a primary whose commits stand still though a replica hears it is made to listen again") {
  shard s;
  auto& primary = s.of(p);
  primary.waiting_commits = 4;
  primary.standing_since = s.now - 1s;
  CHECK_FALSE(does(s.assess(), step_t::listen_again, {p}));
  s.now += 600ms;
  auto all = s.assess();
  CHECK(finds(all, problem_t::primary_semi_sync_blocked));
  CHECK(does(all, step_t::listen_again, {p}));
  SUBCASE("also while it waits for the first replica to get in sync") {
    s.record.in_sync = {p};
    CHECK(does(s.assess(), step_t::listen_again, {p}));
  }
  SUBCASE("not while they catch up") {
    for (auto* replica : {&s.of(a), &s.of(b)}) replica->quiet_since = s.now - 1s;
    CHECK_FALSE(does(s.assess(), step_t::listen_again, {p}));
  }
  SUBCASE("not if nobody is there to be heard") {
    for (auto* replica : {&s.of(a), &s.of(b)}) {
      replica->replication->is_connected = replica->is_acknowledging = false;
      replica->replication->is_connecting = true;
    }
    CHECK_FALSE(does(s.assess(), step_t::listen_again, {p}));
  }
  SUBCASE("not if commits go on") {
    primary.standing_since = s.now;
    CHECK_FALSE(does(s.assess(), step_t::listen_again, {p}));
  }
}

TEST_CASE("analysis: commits stand still while some wait and nothing is written") {
  shard s;
  auto before = s.of(p);
  before.waiting_commits = 1;
  before.quiet_since = before.asked - 700ms;
  before.standing_since = before.asked - 500ms;
  auto seen = before;
  seen.asked = before.asked + 250ms;
  keep_standstill(before, seen);
  CHECK(seen.quiet_since == before.quiet_since);
  CHECK(seen.standing_since == before.standing_since);
  SUBCASE("nobody waits") {
    seen.waiting_commits = 0;
    keep_standstill(before, seen);
    CHECK(seen.quiet_since == before.quiet_since);
    CHECK_FALSE(seen.standing_since);
  }
  SUBCASE("nobody waited before") {
    before.standing_since.reset();
    keep_standstill(before, seen);
    CHECK(seen.standing_since == seen.asked);
  }
  const auto begins_anew = [&] {
    keep_standstill(before, seen);
    CHECK(seen.quiet_since == seen.asked);
    CHECK(seen.standing_since == seen.asked);
  };
  SUBCASE("the log has grown") {
    seen.gtids.binlog_pos = shard::list("0-1-101");
    begins_anew();
  }
  SUBCASE("it is another run") {
    ++seen.start_s;
    begins_anew();
  }
  SUBCASE("nobody looked for a while") {
    seen.asked += 1s;
    begins_anew();
  }
}

TEST_CASE("analysis: a replica that comes back isn't blamed for its silence before") {
  shard s;
  s.put_down(a);
  (void)s.assess();
  s.record.in_sync = {p, b};
  (void)s.assess_after(5s);
  s.record.in_sync = {p, b, a};
  CHECK_FALSE(does(s.assess(), step_t::leave, {a}));
}

TEST_CASE("analysis: a replica joins M before it may connect; with M empty when someone has caught up") {
  shard s;
  s.record.in_sync = {p, b};
  s.of(a).replication.reset();
  s.of(a).is_acknowledging = false;
  CHECK(does(s.assess(), step_t::admit, {a}));

  s.record.in_sync = {p};
  s.of(b).replication.reset();
  auto all = s.assess();
  CHECK(does(all, step_t::attach, {a}));
  CHECK(does(all, step_t::attach, {b}));

  shard alone;
  alone.record.in_sync = {p};
  alone.of(p).is_semi_sync_primary = false;
  CHECK(does(alone.assess(), step_t::form_in_sync, {a, b}));
  alone.of(p).gtids.binlog_pos = alone.of(p).gtids.binlog_state = shard::list("0-1-9000");
  all = alone.assess();
  CHECK(finds(all, problem_t::primary_without_acker));
  CHECK(all.steps.empty());
  alone.of(b).replication->received = shard::list("0-1-8999");  // one is enough: the other may acknowledge later
  CHECK(does(alone.assess(), step_t::form_in_sync, {a, b}));
}

TEST_CASE("analysis: a new primary waits a moment for its replicas, and then goes on alone if it may") {
  shard s;
  s.record.in_sync = {p};
  for (auto* one : {&s.of(a), &s.of(b)}) one->replication->is_connected = one->is_acknowledging = false;
  CHECK_FALSE(does(s.assess(), step_t::go_alone, {p}));
  CHECK(does(s.assess_after(350ms), step_t::go_alone, {p}));
  s.policy.ackers_min = 1;
  CHECK_FALSE(does(s.assess(), step_t::go_alone, {p}));
  s.policy.ackers_min = 0;
  s.silent.clear();
  s.put_down(a);
  s.put_down(b);
  CHECK(does(s.assess(), step_t::go_alone, {p}));  // nobody to wait for
}

TEST_CASE("analysis: an errant replica is expelled, and stays out") {
  shard s;
  s.of(a).gtids.binlog_pos = s.of(a).gtids.binlog_state = shard::list("0-1-100,9-2-1");
  auto all = s.assess();
  CHECK(finds(all, problem_t::errant_gtid_detected));
  CHECK(all.findings[0].detail.find("9-2-1") != std::string::npos);
  CHECK(does(all, step_t::expel, {a}));
  s.record.in_sync = {p, b};
  s.of(a).replication.reset();
  s.notes.errant[a] = "9-2-1";
  all = s.assess();
  CHECK(finds(all, problem_t::errant_gtid_detected));
  CHECK(all.steps.empty());
  // Seeded again, it is like any other.
  s.of(a).gtids.binlog_pos = s.of(a).gtids.binlog_state = {};
  CHECK(does(s.assess(), step_t::admit, {a}));
}

TEST_CASE("analysis: what a replica received after the primary was asked isn't errant") {
  shard s;
  s.of(a).gtids.binlog_pos = s.of(a).gtids.binlog_state = shard::list("0-1-105");
  s.of(a).asked = s.now + 1ms;
  CHECK_FALSE(finds(s.assess(), problem_t::errant_gtid_detected));
}

TEST_CASE("analysis: replication faults are repaired") {
  shard s;
  s.of(a).replication->is_applying = false;
  s.of(a).replication->sql_error = "Duplicate entry";
  auto all = s.assess();
  CHECK(does(all, step_t::start_replication, {a}));
  CHECK(all.findings[0].detail.find("Duplicate entry") != std::string::npos);

  shard wrong;
  wrong.of(a).replication->source = b;
  CHECK(finds(wrong.assess(), problem_t::connected_to_wrong_primary));
  CHECK(does(wrong.assess(), step_t::attach, {a}));

  shard locked;
  locked.of(a).replication->is_connected = locked.of(a).is_acknowledging = false;
  locked.of(a).replication->is_connecting = true;
  CHECK_FALSE(does(locked.assess(), step_t::attach, {a}));  // it tries again by itself
  locked.of(a).replication->io_error = "Access denied, this account is locked";
  CHECK(does(locked.assess(), step_t::attach, {a}));

  shard restarted;
  restarted.of(a).start_s = 1055;
  CHECK(does(restarted.assess(), step_t::trust, {a}));
  restarted.of(a).uptime_s = 0;
  CHECK_FALSE(does(restarted.assess(), step_t::trust, {a}));

  shard deaf;
  deaf.of(a).is_acknowledging = false;
  CHECK(does(deaf.assess(), step_t::set_acknowledging, {a}));

  shard async;
  async.of(p).is_semi_sync_primary = false;
  CHECK(does(async.assess(), step_t::set_semi_sync, {p}));

  shard led;
  led.of(p).replication = led.of(a).replication;
  CHECK(does(led.assess(), step_t::reset_primary, {p}));
}

TEST_CASE("analysis: a MySQL server isn't supervised, and that is said") {
  shard s;
  s.of(p).is_supported = false;
  s.of(p).version = "8.0.36";
  const auto all = s.assess();
  CHECK(all.steps.empty());
  CHECK(finds(all, problem_t::unsupported_server));
  CHECK(all.findings[0].detail.find("8.0.36; only MariaDB") != std::string::npos);
}

TEST_CASE("successor: the one that received most, and of equals the one that has least to apply") {
  shard s;
  std::vector stopped{s.of(a), s.of(b)};
  stopped[1].replication->received = shard::list("0-1-103");
  CHECK(choose_successor(stopped).value() == b);
  stopped[0].replication->received = shard::list("0-1-103");
  stopped[0].gtids.binlog_pos = shard::list("0-1-102");
  CHECK(choose_successor(stopped).value() == a);
  // Who has applied everything has no received position any more.
  stopped[0].replication.reset();
  stopped[0].gtids.binlog_pos = shard::list("0-1-104");
  CHECK(choose_successor(stopped).value() == a);
}

TEST_CASE("successor: nobody, when histories parted or none has everything") {
  shard s;
  std::vector stopped{s.of(a), s.of(b)};
  stopped[0].replication->received = shard::list("0-1-101");
  stopped[1].replication->received = shard::list("0-3-101");
  CHECK(choose_successor(stopped).code() == errc::conflict);
  stopped[1].replication->received = shard::list("0-1-100,1-1-5");
  CHECK(choose_successor(stopped).code() == errc::conflict);
  CHECK(choose_successor({}).code() == errc::conflict);
}

TEST_CASE("notes: written and read; damage is told") {
  shard_notes notes;
  notes.trusted_runs = {{"h:1", 1795325845}, {"h:2", -1}};
  notes.errant = {{"h:3", "0-1-5,0-2-6"}};
  notes.version = 9;
  const auto read = parse_shard_notes({"failover/throng/-", to_json(notes), 9});
  REQUIRE(read);
  CHECK(*read == notes);
  for (const auto* bad : {"", "[]", "{}", R"({"trusted_runs":{"h:1":"x"},"errant":{}})",
                          R"({"trusted_runs":{},"errant":{"h:1":1}})", R"({"trusted_runs":[],"errant":{}})"}) {
    const auto refused = parse_shard_notes({"failover/throng/-", bad, 1});
    REQUIRE_MESSAGE(!refused, bad);
    CHECK(refused.failure().detail.find("failover/throng/-") == 0);
  }
}
