// SPDX-License-Identifier: Apache-2.0
// Whole nodes around one store, with links that deliver when the seed says so: entities are used from every node while
// their slots move and nodes die. Safety: what was acknowledged is in the store once, with no position twice, and only
// the owner of the latest epoch writes. Liveness: when it is quiet again, everything answers.
#include <map>
#include <random>
#include <set>

#include <doctest/doctest.h>

#include "cluster/coordinator/slot_planner.hpp"
#include "storage/sqlite/sqlite_store.hpp"
#include "tests/support/ledger_entity.hpp"
#include "tests/support/sim_network.hpp"
#include "tests/support/sim_node.hpp"

namespace throng::test {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t ledgers = 4;

#ifdef __SANITIZE_THREAD__
constexpr unsigned seeds = 3;  // slow, and in one thread there is little to find
#else
constexpr unsigned seeds = 20;
#endif

class sim_cluster {
 public:
  struct member {
    node_identity who;
    std::unique_ptr<links> between;
    std::unique_ptr<manual_commit_queue> commits;
    std::unique_ptr<manual_reader_pool> readers;
    std::unique_ptr<node> runs;                                       // null: dead
    std::uint64_t seen = 0;                                           // tables
    std::map<std::uint64_t, std::vector<publication_ptr>> published;  // by ledger
    std::map<std::uint64_t, int> renewed;
  };

  sim_cluster(unsigned seed, std::uint16_t count) : random(seed), net(random) {
    auto opened = open_sqlite_store((folder_.path() / "throng.db").string(), {});
    if (!opened) throw std::runtime_error(opened.failure().detail);
    rows = std::move(*opened);
    std::vector<node_share> shares;
    for (std::uint16_t i = 1; i <= count; ++i) shares.push_back({node_index{i}, 1});
    tables.push_back(slot_table{}.after(plan_placement({}, {.nodes = shares, .loads = {}, .pins = {}}).moves));
    for (std::uint16_t i = 1; i <= count; ++i) start(node_index{i});
    for (auto& each : members) learn(*each);
  }
  ~sim_cluster() {
    for (auto& each : members)
      if (each->runs) end(*each);
  }

  void start(node_index index) {
    auto made = std::make_unique<member>();
    auto& self = *made;
    self.who.node = index;
    self.who.name = "n" + std::to_string(index.value);
    self.between = net.make_links(index);
    self.commits = make_manual_commit_queue(*rows, {});
    self.readers = make_manual_reader_pool(*rows, 10'000);
    node::parts parts{index, {}, nullptr, clock, *self.commits, *self.readers, true};
    parts.between = self.between.get();
    parts.raise_fences = [this](const std::vector<fence>& wanted, auto done) {
      const bool is_done = rows->raise_fences(wanted).ok();
      fence_outcomes outcomes;
      for (const auto& each : wanted)
        outcomes.emplace_back(each, is_done ? result<>(throng::done) : rows->raise_fence(each));
      done(std::move(outcomes));
    };
    node::kinds kinds;
    kinds.emplace_back(entity_kind::user, [](entity_context& context) { return std::make_unique<ledger>(context); });
    self.runs = node::start(std::move(parts), kinds);
    self.runs->door().on_publication(
        [&self](const publication_ptr& event) { self.published[event->stream.id].push_back(event); });
    self.runs->door().on_renewal([&self](entity_key stream) { ++self.renewed[stream.id]; });
    members.push_back(std::move(made));
  }

  std::vector<node_identity> living() const {
    std::vector<node_identity> all;
    for (const auto& each : members)
      if (each->runs) all.push_back(each->who);
    return all;
  }
  member& pick() {
    while (true)
      if (auto& each = members[random() % members.size()]; each->runs) return *each;
  }

  /// The node hears of the newest table and of who lives.
  void learn(member& self) {
    auto others = living();
    std::erase_if(others, [&](const auto& each) { return each.node == self.who.node; });
    self.between->set_peers(others);
    self.seen = tables.size();
    self.runs->apply(tables.back(), living());
  }

  /// The COORDINATOR's rule: a slot moves again only when everybody has settled on its last move.
  bool is_settled() const {
    return std::ranges::all_of(members, [this](const auto& each) {
      return !each->runs || (each->seen == tables.size() && each->runs->placed().moving_slots == 0);
    });
  }
  void move_some() {
    std::vector<slot_move> moves;
    std::set<slot_id> seen;
    for (std::uint64_t id = 1; id <= ledgers; ++id) {
      const auto slot = slot_of(ledger_key(id));
      const auto from = tables.back().owner_of(slot).node;
      const auto to = pick().who.node;
      if (from != to && seen.insert(slot).second) moves.push_back({slot, from, to});
    }
    tables.push_back(tables.back().after(moves));
  }
  void kill(member& victim) {
    net.kill(victim.who.node);
    const auto dead = victim.who.node;
    end(victim);
    std::vector<node_share> shares;
    for (const auto& each : living()) shares.push_back({each.node, 1});
    const auto plan =
        plan_placement(tables.back(), {.nodes = shares, .loads = {}, .pins = {}, .balancing_moves_max = 0});
    for (const auto& each : plan.moves) REQUIRE(each.from == dead);
    tables.push_back(tables.back().after(plan.moves));
  }

  void append(member& at, std::uint64_t id, duration patience = 5s) {
    ++asked;
    BytesValue request;
    request.set_value(std::to_string(asked));
    throng::spawn(keep(at, id, asked, std::move(request), patience));
  }
  task<void> keep(member& at, std::uint64_t id, int number, BytesValue request, duration patience) {
    auto answer = co_await at.runs->door().ask(jobs, ledger_key(id), std::move(request), patience);
    ++answered;
    if (answer) {
      acknowledged[id][(*answer)->value()] = number;
    } else {
      ++failed;
      reasons[std::string(to_string(answer.code()))]++;
    }
  }

  void work(member& self) {
    self.runs->run();
    while (self.commits->pump() > 0) {
    }
    while (self.readers->pump()) {
    }
    while (jobs->run()) {
    }
  }
  void step() {
    auto& self = pick();
    switch (random() % 8) {
      case 0:
      case 1:
        append(self, 1 + random() % ledgers);
        break;
      case 2:
      case 3:
      case 4:
        for (int i = 0; i < 4; ++i) net.deliver_one();
        break;
      case 5:
      case 6:
        work(self);
        break;
      case 7:
        if (random() % 4 == 0) learn(self);
    }
  }
  void settle() {
    for (int round = 0; round < 200; ++round) {
      for (auto& each : members) {
        if (!each->runs) continue;
        if (each->seen != tables.size()) learn(*each);
        work(*each);
      }
      for (int i = 0; i < 50 && net.deliver_one(); ++i) {
      }
      if (round % 4 == 0) {
        clock.advance(100ms);
        for (auto& each : members)
          if (each->runs) each->runs->tick();
      }
    }
  }

  /// What the store has of a ledger: its positions and whose append each is.
  std::map<seq_t, int> stored(std::uint64_t id) {
    std::map<seq_t, int> all;
    auto events = rows->make_reader()->events_after(ledger_key(id), 0, 100'000);
    REQUIRE(events.ok());
    for (const auto& each : *events) all[each.seq] = std::stoi(each.data);
    return all;
  }
  void check_safety() {
    for (std::uint64_t id = 1; id <= ledgers; ++id) {
      const auto kept = stored(id);
      seq_t next = 1;
      std::set<int> once;
      for (const auto& [seq, number] : kept) {
        CHECK(seq == next++);
        CHECK(once.insert(number).second);
      }
      for (const auto& [seq, number] : acknowledged[id]) {
        REQUIRE(kept.contains(seq));
        CHECK(kept.at(seq) == number);
      }
    }
  }

  void end(member& self) {
    self.runs->stop();
    self.runs.reset();
    while (jobs->run()) {
    }
    self.between.reset();
  }

  std::mt19937 random;
  temporary_folder folder_;
  virtual_time clock;
  sim_network net;
  std::unique_ptr<store> rows;
  std::shared_ptr<job_list> jobs = std::make_shared<job_list>();
  std::vector<std::unique_ptr<member>> members;
  std::vector<slot_table> tables;
  int asked = 0, answered = 0, failed = 0;
  std::map<std::string, int> reasons;
  std::map<std::uint64_t, std::map<seq_t, int>> acknowledged;  // by ledger: position → append
};

TEST_CASE("entities answer from every node, wherever they are") {
  sim_cluster cluster(1, 3);
  for (auto& each : cluster.members)
    for (std::uint64_t id = 1; id <= ledgers; ++id) cluster.append(*each, id);
  cluster.settle();
  CHECK(cluster.answered == 3 * ledgers);
  CHECK(cluster.failed == 0);
  for (std::uint64_t id = 1; id <= ledgers; ++id) CHECK(cluster.acknowledged[id].size() == 3);
  cluster.check_safety();
}

TEST_CASE("slots move under fire: nothing fails, nothing is lost, doubled or skipped") {
  for (unsigned seed = 1; seed <= seeds; ++seed) {
    CAPTURE(seed);
    sim_cluster cluster(seed, 2 + seed % 3);
    int moves = 0;
    for (int i = 0; i < 1500; ++i) {
      cluster.step();
      if (i % 100 == 0 && cluster.is_settled()) cluster.move_some(), ++moves;
    }
    cluster.settle();
    CHECK(cluster.answered == cluster.asked);
    for (const auto& [reason, count] : cluster.reasons) CAPTURE(reason);
    CHECK(cluster.failed == 0);
    CHECK(moves > 1);
    CHECK(cluster.is_settled());
    cluster.check_safety();
  }
}

TEST_CASE("nodes die under fire: the others go on, and what was acknowledged stays") {
  for (unsigned seed = 1; seed <= seeds; ++seed) {
    CAPTURE(seed);
    sim_cluster cluster(seed, 3 + seed % 2);
    for (int i = 0; i < 1500; ++i) {
      cluster.step();
      if (i % 100 == 0 && cluster.is_settled()) cluster.move_some();
      if (i == 500 || i == 1000) cluster.kill(cluster.pick());
    }
    cluster.settle();
    CHECK(cluster.answered == cluster.asked);
    CHECK(cluster.is_settled());
    cluster.check_safety();
    const auto before = cluster.failed;
    for (auto& each : cluster.members)
      if (each->runs)
        for (std::uint64_t id = 1; id <= ledgers; ++id) cluster.append(*each, id);
    cluster.settle();
    CHECK(cluster.failed == before);
    cluster.check_safety();
  }
}

TEST_CASE("an owner that stalls with mail in its mailbox doesn't write under its successor's epoch") {
  sim_cluster cluster(8, 2);
  const auto slot = slot_of(ledger_key(1));
  const auto from = cluster.tables.back().owner_of(slot).node;
  const node_index to{static_cast<std::uint16_t>(3 - from.value)};
  auto& stalled = *cluster.members[from.value - 1u];
  auto& next = *cluster.members[to.value - 1u];
  cluster.append(stalled, 1, 60s);  // waits in the SLOT's mailbox when the table comes
  cluster.tables.push_back(cluster.tables.back().after(std::vector<slot_move>{{slot, from, to}}));
  cluster.learn(stalled);
  cluster.learn(next);
  for (int i = 0; i < 60; ++i) {  // longer than a release is waited for
    cluster.clock.advance(100ms);
    next.runs->tick();
    cluster.work(next);
  }
  cluster.append(next, 1);
  for (int i = 0; i < 10; ++i) cluster.work(next);
  REQUIRE(cluster.acknowledged[1].size() == 1);
  cluster.work(stalled);
  cluster.settle();
  CHECK(cluster.stored(1).size() == 1);
  cluster.append(next, 1);
  cluster.settle();
  CHECK(cluster.acknowledged[1].size() == 2);
  cluster.check_safety();
}

TEST_CASE("subscribers on every node hear each event once it is theirs, and are told to catch up after a move") {
  sim_cluster cluster(5, 3);
  int subscribed = 0;
  for (auto& each : cluster.members)
    each->runs->door().subscribe(ledger_key(1), [&](result<> outcome) { subscribed += outcome.ok(); });
  cluster.settle();
  REQUIRE(subscribed == 3);
  for (int i = 0; i < 5; ++i) cluster.append(cluster.pick(), 1);
  cluster.settle();
  for (auto& each : cluster.members) {
    REQUIRE(each->published[1].size() == 5);
    for (seq_t seq = 1; seq <= 5; ++seq) CHECK(each->published[1][seq - 1]->seq == seq);
  }
  const auto slot = slot_of(ledger_key(1));
  const auto from = cluster.tables.back().owner_of(slot).node;
  const node_index to{static_cast<std::uint16_t>(from.value % 3 + 1)};
  cluster.tables.push_back(cluster.tables.back().after(std::vector<slot_move>{{slot, from, to}}));
  cluster.settle();
  cluster.append(cluster.pick(), 1);
  cluster.settle();
  for (auto& each : cluster.members) {
    CHECK(each->renewed[1] == 1);
    REQUIRE(each->published[1].size() == 6);
    CHECK(each->published[1].back()->epoch == cluster.tables.back().owner_of(slot).epoch);
  }
}

TEST_CASE("a subscription that can't be renewed at once is renewed when it can") {
  sim_cluster cluster(6, 3);
  const auto slot = slot_of(ledger_key(1));
  const auto from = cluster.tables.back().owner_of(slot).node;
  const node_index to{static_cast<std::uint16_t>(from.value % 3 + 1)};
  const node_index reader{static_cast<std::uint16_t>(to.value % 3 + 1)};
  auto& subscriber = *cluster.members[reader.value - 1u];
  bool is_subscribed = false;
  subscriber.runs->door().subscribe(ledger_key(1), [&](result<> outcome) { is_subscribed = outcome.ok(); });
  cluster.settle();
  REQUIRE(is_subscribed);
  cluster.net.cut(reader, to);
  cluster.tables.push_back(cluster.tables.back().after(std::vector<slot_move>{{slot, from, to}}));
  for (int i = 0; i < 4; ++i) cluster.settle();  // longer than a subscription is waited for
  CHECK(subscriber.renewed[1] == 0);
  cluster.net.heal();
  cluster.settle();
  CHECK(subscriber.renewed[1] > 0);
  cluster.append(subscriber, 1);
  cluster.settle();
  REQUIRE(subscriber.published[1].size() == 1);
}

}  // namespace
}  // namespace throng::test
