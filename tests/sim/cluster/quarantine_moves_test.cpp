// SPDX-License-Identifier: Apache-2.0
// An entity that crashes, or is in quarantine, when its slot moves: the next owner's SLOT knows of it.
#include "tests/sim/cluster/ledger_cluster.hpp"

namespace throng::test {
namespace {

using namespace std::chrono_literals;

constexpr entity_key ill = ledger_key(1);

/// A cluster whose tables the test makes; the ledger is node 1's first.
struct hospital : ledger_cluster {
  hospital() : ledger_cluster(1, 3) { bring_to(node_index{1}); }

  void bring_to(node_index to) {
    if (tables.back().owner_of(slot_of(ill)).node != to) move(ill, to);
    settle(40);
  }
  void crash() {
    ask(at(node_index{2}), ill, make<BoolValue>(false), [](const auto&) {});
    settle(4);
  }
  std::optional<entity_view> seen_at(node_index node) {
    std::optional<entity_view> seen;
    at(node).runs->inspect().entities({.kind = {}, .key = ill, .only_troubled = true}, [&](auto all) {
      if (!all.empty()) seen = all[0];
    });
    work(at(node));
    return seen;
  }
  std::string append_outcome() {
    std::string outcome = "unanswered";
    ask(at(node_index{3}), ill, make<BytesValue>("1"), [&](const auto& answer) {
      outcome = answer ? "fine" : std::string(to_string(answer.code())) + " " + answer.failure().detail;
    });
    settle(8);
    return outcome;
  }
  void quarantine(std::chrono::milliseconds time) {
    result<> outcome = errc::internal_error;
    at(node_index{1}).runs->inspect().quarantine(ill, time, "because", [&](result<> how) { outcome = std::move(how); });
    work(at(node_index{1}));
    REQUIRE(outcome.ok());
  }
};

TEST_CASE("quarantine: it goes along when the slot moves, ends when it would have, and can be lifted there") {
  hospital h;
  h.quarantine(60s);
  CHECK(h.append_outcome() == "quarantined user:U1 is in quarantine: because");
  h.bring_to(node_index{2});
  CHECK(h.append_outcome() == "quarantined user:U1 is in quarantine: because");
  const auto there = h.seen_at(node_index{2});
  REQUIRE(there);
  CHECK(there->state == entity_view::state_t::quarantined);
  CHECK(there->reason == "because");
  CHECK(there->quarantine_left > 50s);
  CHECK(there->quarantine_left < 60s);
  CHECK_FALSE(h.seen_at(node_index{1}));

  SUBCASE("it ends") {
    h.settle(2400);  // a minute
    h.bring_to(node_index{3});
    CHECK(h.append_outcome() == "fine");
    CHECK_FALSE(h.seen_at(node_index{3}));
  }
  SUBCASE("it is lifted") {
    result<> lifted = errc::internal_error;
    h.at(node_index{2}).runs->inspect().release(ill, [&](result<> how) { lifted = std::move(how); });
    h.work(h.at(node_index{2}));
    CHECK(lifted.ok());
    h.bring_to(node_index{3});
    CHECK(h.append_outcome() == "fine");
  }
}

TEST_CASE("quarantine: crashes count on where the slot is next, those of a moment ago and all of them") {
  hospital h;
  for (int i = 0; i < 3; ++i) h.crash();
  h.bring_to(node_index{2});
  CHECK(h.append_outcome() == "fine");  // it runs when it moves on
  h.bring_to(node_index{3});
  auto view = h.seen_at(node_index{3});
  REQUIRE(view);
  CHECK(view->crashes == 3);
  CHECK(view->reason.find("told to crash") != std::string::npos);
  for (int i = 0; i < 2; ++i) h.crash();
  CHECK(h.append_outcome() == "fine");
  h.crash();  // the sixth: one more than it may
  CHECK(h.append_outcome().starts_with("quarantined "));
  view = h.seen_at(node_index{3});
  REQUIRE(view);
  CHECK(view->crashes == 6);
}

}  // namespace
}  // namespace throng::test
