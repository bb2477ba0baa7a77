// SPDX-License-Identifier: Apache-2.0
// An entity that crashes, or is in quarantine, when it is lent or comes back: where it is next knows of it.
#include "cluster/membership/pin_records.hpp"
#include "tests/support/sim_town.hpp"

namespace throng::test {
namespace {

constexpr entity_key ill = ledger_key(1);

/// A cluster with agents, where the ledger is pinned to another node than its slot's.
struct ward {
  ward() {
    for (const auto* name : {"n1", "n2"}) t.start(name);
    REQUIRE(t.settles(10s));
    owner = t.owner_of(slot_of(ill));
    borrower = owner == "n1" ? "n2" : "n1";
  }
  member& at(const std::string& name) { return *t.members.at(name); }
  void pin_to(const std::string& name) {
    REQUIRE(change_pin(t.topology, ill, name).ok());
    t.pass(500ms);
  }
  std::string outcome_of(auto request) {
    std::string outcome = "unanswered";
    auto keep = [](town& in, member& from, auto what, std::string& into) -> task<void> {
      auto answer = co_await from.runs->door().ask(in.jobs, ill, std::move(what), 5s);
      into = answer ? "fine" : std::string(to_string(answer.code()));
    };
    throng::spawn(keep(t, at(owner), std::move(request), outcome));
    t.pass(100ms);
    return outcome;
  }
  std::string append() { return outcome_of(make<BytesValue>(std::to_string(++t.asked))); }
  std::uint64_t crashes_at(const std::string& name) {
    std::uint64_t count = 0;
    at(name).runs->inspect().entities({.kind = {}, .key = ill, .only_troubled = true}, [&](auto all) {
      for (const auto& each : all) count += each.crashes;
    });
    t.work(at(name));
    return count;
  }

  town t{1, 2};
  std::string owner, borrower;
};

TEST_CASE("quarantine: a guest's crashes and its quarantine come home with it") {
  ward w;
  for (int i = 0; i < 2; ++i) (void)w.outcome_of(make<BoolValue>(false));
  CHECK(w.crashes_at(w.owner) == 2);
  w.pin_to(w.borrower);
  CHECK(w.append() == "fine");
  CHECK(w.crashes_at(w.borrower) == 2);
  CHECK(w.crashes_at(w.owner) == 0);
  for (int i = 0; i < 4; ++i) (void)w.outcome_of(make<BoolValue>(false));
  CHECK(w.append() == "quarantined");
  w.pin_to(w.owner);
  CHECK(w.append() == "quarantined");
  CHECK(w.crashes_at(w.owner) == 6);
  CHECK(w.crashes_at(w.borrower) == 0);
}

TEST_CASE("quarantine: who is in quarantine at home is lent when that is over") {
  ward w;
  w.at(w.owner).runs->inspect().quarantine(ill, 20s, "because", [](result<>) {});
  w.t.pass(100ms);
  w.pin_to(w.borrower);
  CHECK(w.append() == "quarantined");
  w.t.pass(25s);
  CHECK(w.append() == "fine");
  CHECK(w.at(w.borrower).runs->placed().guests == 1);
}

}  // namespace
}  // namespace throng::test
