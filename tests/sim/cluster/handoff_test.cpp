// SPDX-License-Identifier: Apache-2.0
// Whole nodes around one store, with links that deliver when the seed says so: entities are used from every node while
// their slots move and nodes die. Safety: what was acknowledged is in the store once, with no position twice, and only
// the owner of the latest epoch writes; what is in memory only moves along. Liveness: when it is quiet again,
// everything answers.
#include "tests/sim/cluster/ledger_cluster.hpp"
#include "tests/support/sim_seeds.hpp"

namespace throng::test {
namespace {

using namespace std::chrono_literals;

TEST_CASE("entities answer from every node, wherever they are") {
  ledger_cluster cluster(1, 3);
  for (auto& each : cluster.members)
    for (std::uint64_t id = 1; id <= ledgers; ++id) cluster.append(*each, id);
  cluster.settle();
  CHECK(cluster.answered == 3 * ledgers);
  CHECK(cluster.failed == 0);
  for (std::uint64_t id = 1; id <= ledgers; ++id) CHECK(cluster.acknowledged[id].size() == 3);
  cluster.check_safety();
}

TEST_CASE("slots move under fire: nothing fails, nothing is lost, doubled or skipped") {
  for (const auto seed : sim_seeds(200, 5)) {
    CAPTURE(seed);
    ledger_cluster cluster(seed, 2 + seed % 3);
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
    for (std::uint64_t id = 1; id <= ledgers; ++id) CHECK(cluster.check_notes(id, true) == cluster.noted[id]);
  }
}

TEST_CASE("nodes die under fire: the others go on, and what was acknowledged stays") {
  for (const auto seed : sim_seeds(200, 5)) {
    CAPTURE(seed);
    ledger_cluster cluster(seed, 3 + seed % 2);
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
    for (std::uint64_t id = 1; id <= ledgers; ++id) CHECK(cluster.check_notes(id, false) <= cluster.sent_notes(id));
  }
}

TEST_CASE("an owner that stalls doesn't write under its successor's epoch, and what it hadn't begun is for that one") {
  ledger_cluster cluster(8, 2);
  auto& stalled = cluster.owner_of(ledger_key(1));
  auto& next = cluster.at({static_cast<std::uint16_t>(3 - stalled.who.node.value)});
  cluster.append(stalled, 1);
  cluster.settle();
  cluster.append(stalled, 1, 60s);
  stalled.runs->run();              // it is begun, and waits for its commit
  cluster.append(stalled, 1, 60s);  // waits in the SLOT's mailbox when the table comes
  cluster.move(ledger_key(1), next.who.node);
  cluster.learn(stalled);
  cluster.learn(next);
  for (int i = 0; i < 60; ++i) {  // longer than a release is waited for
    cluster.clock.advance(100ms);
    next.runs->tick();
    cluster.work(next);
  }
  cluster.append(next, 1);
  for (int i = 0; i < 10; ++i) cluster.work(next);
  REQUIRE(cluster.acknowledged[1].size() == 2);
  CHECK(cluster.failed == 0);
  cluster.work(stalled);
  cluster.settle();
  CHECK(cluster.failed == 1);  // the store refused it
  CHECK(cluster.acknowledged[1].size() == 3);
  CHECK(cluster.stored(1).size() == 3);
  cluster.append(next, 1);
  cluster.settle();
  CHECK(cluster.acknowledged[1].size() == 4);
  cluster.check_safety();
}

TEST_CASE("an ask that comes back after its asker was told isn't carried out behind what was asked since") {
  ledger_cluster cluster(9, 2);
  auto& stalled = cluster.owner_of(ledger_key(1));
  auto& next = cluster.at({static_cast<std::uint16_t>(3 - stalled.who.node.value)});
  cluster.append(next, 1);
  CHECK(cluster.net.on_the_way(next.who.node, stalled.who.node).size() == 1);
  cluster.move(ledger_key(1), next.who.node);
  cluster.learn(next);
  for (int i = 0; i < 60; ++i) {  // longer than a barrier and a release are waited for
    cluster.clock.advance(100ms);
    next.runs->tick();
    cluster.work(next);
  }
  CHECK(cluster.reasons["deadline_exceeded"] == 1);
  cluster.append(next, 1);
  for (int i = 0; i < 10; ++i) cluster.work(next);
  CHECK(cluster.acknowledged[1].size() == 1);
  cluster.settle();  // the first one gets there, and is sent on to who has the slot
  CHECK(cluster.stored(1) == std::map<seq_t, int>{{1, 2}});
  cluster.check_safety();
}

TEST_CASE("subscribers on every node hear each event once it is theirs, and are told to catch up after a move") {
  ledger_cluster cluster(5, 3);
  int subscribed = 0;
  for (auto& each : cluster.members)
    each->runs->door().subscribe(ledger_key(1), [&](result<> outcome) { subscribed += outcome.ok(); });
  cluster.settle();
  REQUIRE(subscribed == 3);
  for (int i = 0; i < 5; ++i) cluster.append(cluster.pick(), 1);
  cluster.settle();
  for (auto& each : cluster.members) {
    REQUIRE(each->published[ledger_key(1)].size() == 5);
    for (seq_t seq = 1; seq <= 5; ++seq) CHECK(each->published[ledger_key(1)][seq - 1]->seq == seq);
  }
  const auto slot = slot_of(ledger_key(1));
  const auto from = cluster.tables.back().owner_of(slot).node;
  const node_index to{static_cast<std::uint16_t>(from.value % 3 + 1)};
  cluster.tables.push_back(cluster.tables.back().after(std::vector<slot_move>{{slot, from, to}}));
  cluster.settle();
  cluster.append(cluster.pick(), 1);
  cluster.settle();
  for (auto& each : cluster.members) {
    CHECK(each->renewed[ledger_key(1)] == 1);
    REQUIRE(each->published[ledger_key(1)].size() == 6);
    CHECK(each->published[ledger_key(1)].back()->epoch == cluster.tables.back().owner_of(slot).epoch);
  }
}

TEST_CASE("who listens to a stream moves along, and misses nothing before it hears of the move") {
  ledger_cluster cluster(5, 3);
  auto& source = cluster.owner_of(ledger_key(1));
  auto& target = cluster.at({static_cast<std::uint16_t>(source.who.node.value % 3 + 1)});
  auto& listener = cluster.at({static_cast<std::uint16_t>(target.who.node.value % 3 + 1)});
  listener.runs->door().subscribe(ledger_key(1), [](result<>) {});
  cluster.settle();
  cluster.move(ledger_key(1), target.who.node);
  cluster.learn(source);
  cluster.learn(target);
  cluster.append(target, 1);
  for (int i = 0; i < 20; ++i) {
    for (auto* each : {&source, &target, &listener}) cluster.work(*each);
    while (cluster.net.deliver_one()) {
    }
  }
  CHECK(cluster.acknowledged[1].size() == 1);
  CHECK(listener.renewed[ledger_key(1)] == 0);
  REQUIRE(listener.published[ledger_key(1)].size() == 1);
  CHECK(listener.published[ledger_key(1)].front()->epoch ==
        cluster.tables.back().owner_of(slot_of(ledger_key(1))).epoch);
  cluster.settle();
  CHECK(listener.renewed[ledger_key(1)] == 1);
  CHECK(listener.published[ledger_key(1)].size() == 1);
}

TEST_CASE("a subscription that can't be renewed at once is renewed when it can") {
  ledger_cluster cluster(6, 3);
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
  CHECK(subscriber.renewed[ledger_key(1)] == 0);
  cluster.net.heal();
  cluster.settle();
  CHECK(subscriber.renewed[ledger_key(1)] > 0);
  cluster.append(subscriber, 1);
  cluster.settle();
  REQUIRE(subscriber.published[ledger_key(1)].size() == 1);
}

}  // namespace
}  // namespace throng::test
