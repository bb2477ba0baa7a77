// SPDX-License-Identifier: Apache-2.0
// A node that others take for gone for a moment, and that comes back as it was: it doesn't know that they have
// forgotten what it had told them, and that what they published meanwhile didn't come.
#include "tests/support/sim_town.hpp"

namespace throng::test {
namespace {

constexpr std::uint64_t read_ledger = 3;

/// Two nodes that have the slots, and a reader that has none.
struct reading_room {
  reading_room() {
    t.start("n1");
    t.start("n2");
    REQUIRE(t.settles(10s));
    t.tune = [](cluster_agent::options& how) { how.weight = 0; };
    reader = &t.start("n3");
    reader->runs->door().on_renewal([this](entity_key stream) { renewed += stream == ledger_key(read_ledger); });
    REQUIRE(t.settles(10s));
    CHECK(t.slots_of("n3") == 0);
    result<> subscribed = errc::internal_error;
    reader->runs->door().subscribe(ledger_key(read_ledger), [&](result<> how) { subscribed = std::move(how); });
    t.pass(100ms);
    REQUIRE(subscribed.ok());
    append();
    REQUIRE(heard() == 1);
  }
  void append() {
    t.append(*t.members.at("n1"), read_ledger);
    t.pass(200ms);
  }
  std::size_t heard() const { return reader->published.size(); }

  town t{1, 2};
  member* reader = nullptr;
  int renewed = 0;
};

TEST_CASE("a reader that the topology forgets for a moment still hears what it has subscribed to") {
  reading_room r;
  const auto table = r.t.table();
  r.t.topology.forget();
  REQUIRE(r.t.settles(20s));
  r.t.pass(5s);
  CHECK(r.t.table() == table);
  CHECK_FALSE(r.reader->expelled);
  CHECK(r.renewed > 0);  // it is told to ask for what it may have missed
  r.append();
  CHECK(r.heard() == 2);
}

TEST_CASE("an owner that the reader takes for gone for a moment: the reader catches up") {
  reading_room r;
  const auto owner = r.t.owner_of(slot_of(ledger_key(read_ledger)));
  auto& peers = *r.reader->between;
  std::vector<node_identity> all, without;
  for (const auto& [name, each] : r.t.members) {
    if (name != "n3") all.push_back(each->who);
    if (name != "n3" && name != owner) without.push_back(each->who);
  }
  const auto table = r.t.table();
  const auto members = [&](const std::vector<node_identity>& others) {
    auto some = others;
    some.push_back(r.reader->who);
    std::ranges::sort(some, {}, &node_identity::node);
    return some;
  };
  peers.set_peers(without);
  r.reader->runs->apply(table, members(without));
  r.append();
  CHECK(r.heard() == 1);
  const auto before = r.renewed;
  peers.set_peers(all);
  r.reader->runs->apply(table, members(all));
  r.t.pass(1s);
  CHECK(r.renewed > before);
  r.append();
  CHECK(r.heard() == 2);
}

TEST_CASE("what was asked of a node that has forgotten the asker for a moment is answered, not waited for") {
  reading_room r;
  const auto owner = r.t.owner_of(slot_of(ledger_key(read_ledger)));
  auto& at = *r.t.members.at(owner);
  std::vector<node_identity> all, without;
  for (const auto& [name, each] : r.t.members) {
    if (name != owner) all.push_back(each->who);
    if (name != owner && name != "n3") without.push_back(each->who);
  }
  r.t.append(*r.reader, read_ledger);  // on its way
  at.between->set_peers(without);
  r.t.pass(1s);
  CHECK(r.t.answered == r.t.asked - 1);
  at.between->set_peers(all);
  r.t.pass(100ms);
  CHECK(r.t.answered == r.t.asked);
  CHECK(r.t.refusals["unavailable"] == 1);
  r.t.check_safety();
}

}  // namespace
}  // namespace throng::test
