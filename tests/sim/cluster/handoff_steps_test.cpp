// SPDX-License-Identifier: Apache-2.0
// One move of a slot, step by step, and at each step somebody dies: who had it, who is to have it, or the node that
// coordinates (here: one that only watches; nobody makes tables meanwhile). What was acknowledged stays, what the
// ledger has in memory is all there or, if it died with a node, none of it, and everybody is answered.
#include <functional>
#include <string>

#include "tests/sim/cluster/ledger_cluster.hpp"

namespace throng::test {
namespace {

using namespace std::chrono_literals;

constexpr entity_key one = ledger_key(1);

class one_move : public ledger_cluster {
 public:
  explicit one_move(unsigned seed) : ledger_cluster(seed, 3) {
    source = owner_of(one).who.node;
    target = {static_cast<std::uint16_t>(source.value % 3 + 1)};
    watcher = {static_cast<std::uint16_t>(target.value % 3 + 1)};
    for (int i = 0; i < 3; ++i) note(at(watcher), 1);
    append(at(watcher), 1);
    settle();
    REQUIRE(noted[1] == 3);
    // Begun, and waiting for its commit; then some that aren't begun.
    append(at(source), 1);
    at(source).runs->run();
    for (auto from : {source, target, watcher}) {
      append(at(from), 1);
      note(at(from), 1);
    }
    while (net.deliver_from(watcher, source) || net.deliver_from(target, source)) {
    }
    hold_fences(true);
    move(one, target);
  }

  template <class Parcel>
  bool is_on_the_way(node_index from, node_index to) {
    return std::ranges::any_of(net.on_the_way(from, to), [](const auto& bytes) {
      const auto decoded = decode_parcel(bytes);
      return decoded.ok() && std::holds_alternative<Parcel>(decoded->what);
    });
  }
  template <class Parcel>
  void deliver_until(node_index from, node_index to) {
    while (is_on_the_way<Parcel>(from, to)) REQUIRE(net.deliver_from(from, to));
  }
  bool is_open_at_target() { return at(target).runs->placed().open_slots > before_; }

  /// Up to and with the step of that number; its name.
  static constexpr int step_count = 13;
  std::string run_to(int step) {
    const std::vector<std::pair<std::string, std::function<void()>>> all{
        {"the table is published", [] {}},
        {"the target knows, holds, and asks for the release",
         [&] {
           before_ = at(target).runs->placed().open_slots;
           learn(at(target));
           REQUIRE(is_on_the_way<release_parcel>(target, source));
           REQUIRE(is_on_the_way<barrier_parcel>(target, source));
         }},
        {"the watcher switches its lane: its barrier is on the way",
         [&] {
           learn(at(watcher));
           REQUIRE(is_on_the_way<barrier_parcel>(watcher, source));
           append(at(watcher), 1);  // held there
         }},
        {"the source knows, and drains", [&] { learn(at(source)); }},
        {"the barriers wait at the source",
         [&] {
           deliver_until<barrier_parcel>(watcher, source);
           deliver_until<barrier_parcel>(target, source);
           append(at(source), 1);  // held there
         }},
        {"what was under way is finished, and the snapshot is sent",
         [&] {
           deliver_until<release_parcel>(target, source);
           while (!is_on_the_way<released_parcel>(source, target)) work(at(source));
           REQUIRE(is_on_the_way<handover_parcel>(source, target));
           REQUIRE(is_on_the_way<letter_parcel>(source, target));  // what it hadn't begun
         }},
        {"the snapshot has come, and the release hasn't", [&] { deliver_until<handover_parcel>(source, target); }},
        {"the release has come", [&] { deliver_until<released_parcel>(source, target); }},
        {"the fence is raised, and the target doesn't know yet", [&] { REQUIRE(held_fences() == 1); }},
        {"the stragglers have come",
         [&] {
           deliver_until<letter_parcel>(source, target);
           CHECK_FALSE(is_open_at_target());
         }},
        {"the slot is open",
         [&] {
           hold_fences(false);
           CHECK(is_open_at_target());
           at(target).runs->run();  // the ledger loads
         }},
        {"the barriers have come through the source and out at the target",
         [&] {
           deliver_until<barrier_parcel>(source, target);
           REQUIRE(is_on_the_way<barrier_passed_parcel>(target, watcher));
         }},
        {"the watcher's lane leads to the target",
         [&] {
           deliver_until<barrier_passed_parcel>(target, watcher);
           REQUIRE(is_on_the_way<letter_parcel>(watcher, target));
         }},
    };
    REQUIRE(all.size() == step_count);
    for (int i = 0; i <= step; ++i) all[static_cast<std::size_t>(i)].second();
    return all[static_cast<std::size_t>(step)].first;
  }

  void finish() {
    hold_fences(false);
    for (int i = 0; i < 10; ++i) settle();  // longer than the asks of the dead are waited for
    CHECK(is_settled());
    check_safety();
    const auto failed_before = failed;
    for (auto& each : members)
      if (each->runs) append(*each, 1);
    settle();
    CHECK(failed == failed_before);
    check_safety();
  }

  node_index source, target, watcher;

 private:
  std::size_t before_ = 0;
};

void die_at_every_step(node_index one_move::*victim, const std::function<void(one_move&, int)>& check) {
  for (int step = 0; step < one_move::step_count; ++step) {
    one_move cluster(static_cast<unsigned>(step) + 1);
    const auto name = cluster.run_to(step);
    INFO("step ", step, ": ", name);
    cluster.kill(cluster.at(cluster.*victim));
    cluster.failed = 0;  // of what the victim itself had asked
    cluster.finish();
    check(cluster, step);
  }
}

TEST_CASE("a move, step by step: nothing fails, and what is in memory goes along") {
  one_move cluster(1);
  cluster.run_to(one_move::step_count - 1);
  cluster.finish();
  CHECK(cluster.failed == 0);
  CHECK(cluster.answered == cluster.asked);
  CHECK(cluster.owner_of(one).who.node == cluster.target);
  CHECK(cluster.check_notes(1, true) == 6);
  CHECK(cluster.at(cluster.source).runs->inspect().figures().handed_over == 1);
  CHECK(cluster.at(cluster.target).runs->inspect().figures().taken_over == 1);
}

TEST_CASE("the source dies at every step of a move: what has come of its memory is used") {
  die_at_every_step(&one_move::source, [](one_move& cluster, int step) {
    const auto notes = cluster.check_notes(1, false);
    constexpr int snapshot_has_come = 6;
    if (step < snapshot_has_come)
      CHECK(notes < 6);  // those that weren't with it
    else
      CHECK(notes >= 3);
    CHECK(cluster.owner_of(one).who.node == cluster.target);
  });
}

TEST_CASE("the target dies at every step of a move: somebody else loads what the store has") {
  die_at_every_step(&one_move::target, [](one_move& cluster, int) {
    (void)cluster.check_notes(1, false);
    CHECK(cluster.owner_of(one).who.node != cluster.target);
  });
}

TEST_CASE("the coordinator dies at every step of a move: it is finished all the same, and nothing is lost") {
  die_at_every_step(&one_move::watcher, [](one_move& cluster, int) {
    CHECK(cluster.check_notes(1, false) >= 5);  // its own, as far as it had sent them, and the others'
    CHECK(cluster.owner_of(one).who.node == cluster.target);
    CHECK(cluster.failed == 0);
  });
}

TEST_CASE("the slot moves on before it has opened: what was handed over moves on too") {
  for (int step = 1; step < 10; ++step) {
    one_move cluster(static_cast<unsigned>(step) + 1);
    const auto name = cluster.run_to(step);
    INFO("step ", step, ": ", name);
    cluster.move(one, cluster.watcher);
    cluster.finish();
    CHECK(cluster.failed == 0);
    CHECK(cluster.check_notes(1, true) == 6);
    CHECK(cluster.owner_of(one).who.node == cluster.watcher);
  }
}

TEST_CASE("the slot goes back before it has opened elsewhere: what was handed over comes back") {
  for (int step = 1; step < 10; ++step) {
    one_move cluster(static_cast<unsigned>(step) + 1);
    const auto name = cluster.run_to(step);
    INFO("step ", step, ": ", name);
    cluster.move(one, cluster.source);
    cluster.finish();
    CHECK(cluster.failed == 0);
    CHECK(cluster.check_notes(1, true) == 6);
    CHECK(cluster.owner_of(one).who.node == cluster.source);
  }
}

TEST_CASE(
    "the source is cut off in the middle of a move: the target goes on without it, and what comes late is dropped") {
  one_move cluster(1);
  cluster.run_to(5);
  cluster.net.cut(cluster.source, cluster.target);
  cluster.hold_fences(false);
  for (int i = 0; i < 4; ++i) cluster.settle();  // longer than a release is waited for
  CHECK(cluster.is_open_at_target());
  cluster.net.heal();
  cluster.finish();
  CHECK(cluster.at(cluster.target).runs->inspect().figures().handovers_dropped == 1);
  CHECK(cluster.at(cluster.target).runs->inspect().figures().taken_over == 0);
}

}  // namespace
}  // namespace throng::test
