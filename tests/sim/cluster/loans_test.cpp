// SPDX-License-Identifier: Apache-2.0
// Entities that are pinned elsewhere than their slots: they are lent, called back and lent on while they are used, and
// whoever takes part dies, is paused or loses the slot at every step. What was acknowledged stays, once and in order;
// one node at a time writes; subscribers hear all of it; and when it is quiet the entity is where it belongs.
#include <algorithm>
#include <map>
#include <set>

#include <doctest/doctest.h>

#include "cluster/membership/pin_records.hpp"
#include "tests/support/sim_seeds.hpp"
#include "tests/support/sim_town.hpp"

namespace throng::test {
namespace {

constexpr std::uint64_t lent_ledger = 7;
constexpr entity_key lent_key = ledger_key(lent_ledger);

void pin(town& t, entity_key key, const std::string& node) { REQUIRE(change_pin(t.topology, key, node).ok()); }
void unpin(town& t, entity_key key) { REQUIRE(change_pin(t.topology, key, std::nullopt).ok()); }

std::vector<entity_view> views_of(town& t, member& at, entity_key key) {
  std::vector<entity_view> found;
  at.runs->inspect().entities({.kind = {}, .key = key}, [&](std::vector<entity_view> all) { found = std::move(all); });
  t.work(at);
  return found;
}

/// Where it runs: names of nodes.
std::vector<std::string> homes_of(town& t, entity_key key) {
  std::vector<std::string> homes;
  for (auto& [name, each] : t.members)
    for (const auto& view : views_of(t, *each, key))
      if (view.state == entity_view::state_t::active) homes.push_back(name);
  return homes;
}

struct three_nodes {
  explicit three_nodes(unsigned seed) : t(seed, 3) {
    for (const auto* name : {"n1", "n2", "n3"}) t.start(name);
    REQUIRE(t.settles(10s));
    CHECK(t.append_everywhere() == all_of(t));
    owner = t.owner_of(slot_of(lent_key));
    borrower = owner == "n1" ? "n2" : "n1";
    third = owner == "n3" || borrower == "n3" ? (owner == "n2" || borrower == "n2" ? "n1" : "n2") : "n3";
  }
  member& at(const std::string& name) { return *t.members.at(name); }
  /// All there are append to it.
  void append() {
    for (auto& [_, each] : t.members) t.append(*each, lent_ledger);
  }
  void pause(const std::string& name) {
    at(name).is_paused = true;
    for (auto& [other, each] : t.members)
      if (other != name) t.net.cut(at(name).who.node, each->who.node);
  }
  /// The first thing that it does is what it was at when it was stopped.
  void wake(const std::string& name) {
    at(name).is_paused = false;
    t.net.heal();
    t.work(at(name));
  }
  /// What processes do: those that were expelled start again, and so do those that are missing.
  void restart_missing() {
    for (const auto* name : {"n1", "n2", "n3"}) {
      if (t.members.contains(name) && at(name).expelled) t.end(name);
      if (!t.members.contains(name)) t.start(name);
    }
  }
  void check_all_is_well(const std::string& home) {
    for (int i = 0; i < 30; ++i) {
      t.pass(200ms);
      restart_missing();
    }
    REQUIRE(t.settles(20s));
    t.pass(2s);
    CHECK(t.answered == t.asked);
    CHECK(t.append_everywhere() == all_of(t));
    CHECK(homes_of(t, lent_key) == std::vector<std::string>{home});
    t.check_safety();
  }

  town t;
  std::string owner, borrower, third;
};

TEST_CASE("loans: a pinned entity runs where it is pinned, and its slot stays where it is") {
  three_nodes c(1);
  auto& t = c.t;
  const auto before = t.table();
  pin(t, lent_key, c.borrower);
  t.pass(300ms);
  CHECK(t.append_everywhere() == all_of(t));
  CHECK(homes_of(t, lent_key) == std::vector<std::string>{c.borrower});
  CHECK(t.table() == before);
  const auto there = views_of(t, c.at(c.owner), lent_key);
  REQUIRE(there.size() == 1);
  CHECK(there[0].state == entity_view::state_t::lent);
  CHECK(there[0].lent_to == c.at(c.borrower).who.node);
  const auto here = views_of(t, c.at(c.borrower), lent_key);
  REQUIRE(here.size() == 1);
  CHECK(here[0].lent_from == c.at(c.owner).who.node);
  CHECK(c.at(c.borrower).runs->placed().guests == 1);
  message_ptr inside;
  c.at(c.borrower).runs->inspect().snapshot(lent_key, [&](auto state) { inside = state ? *state : nullptr; });
  t.work(c.at(c.borrower));
  CHECK(inside != nullptr);

  pin(t, lent_key, c.third);
  t.pass(300ms);
  CHECK(t.append_everywhere() == all_of(t));
  CHECK(homes_of(t, lent_key) == std::vector<std::string>{c.third});
  CHECK(c.at(c.borrower).runs->placed().guests == 0);

  unpin(t, lent_key);
  t.pass(300ms);
  CHECK(t.append_everywhere() == all_of(t));
  CHECK(homes_of(t, lent_key) == std::vector<std::string>{c.owner});
  CHECK(c.at(c.owner).runs->inspect().figures().lent == 0);
  CHECK(t.table() == before);
  CHECK(t.refusals.empty());
  t.check_safety();
}

TEST_CASE("loans: what it has in memory only goes along, there, on and back") {
  three_nodes c(2);
  auto& t = c.t;
  std::string notes;
  auto note = [&](std::string text) {
    auto keep = [](town& in, member& from, std::string line, std::string& into) -> task<void> {
      auto answer = co_await from.runs->door().ask(in.jobs, lent_key, make<StringValue>(std::move(line)), 5s);
      into = answer ? (*answer)->value() : std::string(to_string(answer.code()));
    };
    throng::spawn(keep(t, c.at("n1"), std::move(text), notes));
    t.pass(100ms);
    return notes;
  };
  note("at home");
  pin(t, lent_key, c.borrower);
  t.pass(300ms);
  CHECK(note("lent") == "at home|lent");
  pin(t, lent_key, c.third);
  t.pass(300ms);
  CHECK(note("lent on") == "at home|lent|lent on");
  t.move(slot_of(lent_key), c.borrower);
  t.pass(500ms);
  CHECK(note("of another") == "at home|lent|lent on|of another");
  unpin(t, lent_key);
  t.pass(300ms);
  CHECK(note("back") == "at home|lent|lent on|of another|back");
  CHECK(homes_of(t, lent_key) == std::vector<std::string>{c.borrower});
}

TEST_CASE("loans: it goes round under fire: nobody is refused, all is in order, and subscribers hear all of it once") {
  three_nodes c(3);
  auto& t = c.t;
  int subscribed = 0;
  for (auto& [_, each] : t.members)
    each->runs->door().subscribe(lent_key, [&](result<> outcome) { subscribed += outcome.ok(); });
  t.pass(100ms);
  REQUIRE(subscribed == 3);
  const auto first = t.acknowledged[lent_ledger].rbegin()->first + 1;
  for (int i = 0; i < 800; ++i) {
    if (i % 12 == 0) {
      const auto where = t.random() % 4;
      if (where < 3)
        pin(t, lent_key, "n" + std::to_string(where + 1));
      else if (change_pin(t.topology, lent_key, std::nullopt)) {
      }
    }
    if (i % 2 == 0) c.append();
    t.clock.advance(1ms);
    t.topology.deliver();
    for (int n = 0; n < 40; ++n) t.nudge();
  }
  t.pass(2s);
  CHECK(t.answered == t.asked);
  CHECK(t.refusals.empty());
  t.check_safety();
  const auto last = t.acknowledged[lent_ledger].rbegin()->first;
  CHECK(last - first + 1 == 1200);
  for (auto& [name, each] : t.members) {
    CAPTURE(name);
    std::map<seq_t, int> heard;
    for (const auto& event : each->published)
      if (event->stream == lent_key) ++heard[event->seq];
    CHECK(heard.size() == last - first + 1);
    for (const auto& [seq, times] : heard) CHECK(times == 1);
  }
  std::uint64_t loans = 0;
  for (auto& [_, each] : t.members) loans += each->runs->inspect().figures().loans;
  CHECK(loans > 20);
}

TEST_CASE("loans: who subscribes while it goes round is told so in the end, and hears what is published from then on") {
  three_nodes c(7);
  auto& t = c.t;
  std::map<std::string, std::vector<seq_t>> since;  // the last that was acknowledged when it was subscribed
  int asked = 0, refused = 0;
  for (int i = 0; i < 400; ++i) {
    if (i % 8 == 0) pin(t, lent_key, "n" + std::to_string(1 + t.random() % 3));
    if (i % 20 == 5) {
      const auto name = "n" + std::to_string(1 + asked++ % 3);
      auto& at = *c.at(name).runs;
      at.door().unsubscribe(lent_key);
      at.door().subscribe(lent_key, [&, name](result<> outcome) {
        refused += !outcome.ok();
        since[name].push_back(t.acknowledged[lent_ledger].rbegin()->first);
      });
    }
    if (i % 2 == 0) c.append();
    t.clock.advance(1ms);
    t.topology.deliver();
    for (int n = 0; n < 40; ++n) t.nudge();
  }
  t.pass(2s);
  CHECK(asked == 20);
  CHECK(refused == 0);
  const auto last = t.acknowledged[lent_ledger].rbegin()->first;
  for (auto& [name, each] : t.members) {
    CAPTURE(name);
    REQUIRE(since[name].size() >= 6);
    std::set<seq_t> heard;
    for (const auto& event : each->published)
      if (event->stream == lent_key) heard.insert(event->seq);
    for (auto seq = since[name].back() + 1; seq <= last; ++seq) CHECK(heard.contains(seq));
  }
}

TEST_CASE("loans: two pins at once: the last one counts") {
  three_nodes c(4);
  pin(c.t, lent_key, c.borrower);
  c.t.topology.deliver();
  for (int n = 0; n < 6; ++n) c.t.nudge();
  pin(c.t, lent_key, c.third);
  c.append();
  c.t.pass(500ms);
  pin(c.t, lent_key, c.borrower);
  pin(c.t, lent_key, c.third);
  c.append();
  c.check_all_is_well(c.third);
  CHECK(c.t.refusals.empty());
}

TEST_CASE("loans: a pin to a node that isn't there, or drains, doesn't count until it is back") {
  three_nodes c(5);
  auto& t = c.t;
  pin(t, lent_key, "nobody");
  t.pass(300ms);
  CHECK(t.append_everywhere() == all_of(t));
  CHECK(homes_of(t, lent_key) == std::vector<std::string>{c.owner});
  pin(t, lent_key, c.borrower);
  t.pass(300ms);
  CHECK(t.append_everywhere() == all_of(t));
  CHECK(homes_of(t, lent_key) == std::vector<std::string>{c.borrower});
  c.at(c.borrower).agent->start_leaving();
  for (int i = 0; i < 400 && !c.at(c.borrower).agent->has_left(); ++i) t.pass(50ms);
  CHECK(c.at(c.borrower).agent->has_left());
  CHECK(c.at(c.borrower).runs->placed().guests == 0);
  CHECK(t.append_everywhere() == all_of(t));
  CHECK(homes_of(t, lent_key) == std::vector<std::string>{c.owner});
  t.end(c.borrower);
  CHECK(t.refusals.empty());
  t.start(c.borrower);
  c.check_all_is_well(c.borrower);
}

TEST_CASE("loans: the topology forgets everything: the pins are there again") {
  three_nodes c(6);
  pin(c.t, lent_key, c.borrower);
  c.t.pass(300ms);
  c.t.topology.forget();
  c.check_all_is_well(c.borrower);
  CHECK(c.t.topology.get(pins_key)->has_value());
}

/// What comes in the way of a loan.
enum class mishap { borrower_dies, owner_dies, borrower_pauses, owner_pauses, slot_moves, slot_comes, pin_changes };

/// …after `steps` of the smallest things have happened since the pin changed.
void meets(three_nodes& c, mishap what, int steps) {
  auto& t = c.t;
  t.topology.deliver();
  for (int n = 0; n < steps; ++n) {
    if (n % 5 == 0) c.append();
    t.nudge();
  }
  switch (what) {
    case mishap::borrower_dies:
      t.kill(c.borrower);
      break;
    case mishap::owner_dies:
      t.kill(c.owner);
      break;
    case mishap::borrower_pauses:
    case mishap::owner_pauses: {
      const auto& paused = what == mishap::owner_pauses ? c.owner : c.borrower;
      c.pause(paused);
      for (int i = 0; i < 3; ++i) {
        c.append();  // the paused one, too: it is in its mailbox
        t.pass(300ms);
      }
      c.wake(paused);
      break;
    }
    case mishap::slot_moves:
      t.move(slot_of(lent_key), c.third);
      break;
    case mishap::slot_comes:
      t.move(slot_of(lent_key), c.borrower);
      break;
    case mishap::pin_changes:
      pin(t, lent_key, c.third);
      t.topology.deliver();
      break;
  }
  for (int n = 0; n < 20; ++n) {
    if (n % 5 == 0) c.append();
    t.nudge();
  }
}

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr int stride = 40;  // slow, and in one thread there is little to find
#else
constexpr int stride = 9;
#endif

TEST_CASE("loans: a mishap at any step of lending") {
  for (auto what : {mishap::borrower_dies, mishap::owner_dies, mishap::borrower_pauses, mishap::owner_pauses,
                    mishap::slot_moves, mishap::slot_comes, mishap::pin_changes})
    for (int steps = 0; steps < 90; steps += stride) {
      CAPTURE(static_cast<int>(what));
      CAPTURE(steps);
      three_nodes c(static_cast<unsigned>(100 + steps));
      c.append();
      pin(c.t, lent_key, c.borrower);
      meets(c, what, steps);
      c.check_all_is_well(what == mishap::pin_changes ? c.third : c.borrower);
    }
}

TEST_CASE("loans: a mishap at any step of giving back") {
  for (auto what : {mishap::borrower_dies, mishap::owner_dies, mishap::borrower_pauses, mishap::owner_pauses,
                    mishap::slot_moves, mishap::slot_comes, mishap::pin_changes})
    for (int steps = 0; steps < 90; steps += stride) {
      CAPTURE(static_cast<int>(what));
      CAPTURE(steps);
      three_nodes c(static_cast<unsigned>(200 + steps));
      pin(c.t, lent_key, c.borrower);
      c.t.pass(300ms);
      c.append();
      c.t.pass(100ms);
      CHECK(homes_of(c.t, lent_key) == std::vector<std::string>{c.borrower});
      pin(c.t, lent_key, c.owner);
      meets(c, what, steps);
      c.check_all_is_well(what == mishap::pin_changes ? c.third : c.owner);
    }
}

TEST_CASE("loans: pins and moves with kills and pauses and cuts and outages at random") {
  for (const auto seed : sim_seeds(8, 2, {612, 763})) {
    CAPTURE(seed);
    three_nodes c(seed + 1000);
    auto& t = c.t;
    auto name_of = [&] { return "n" + std::to_string(1 + t.random() % 3); };
    for (int i = 0; i < 120; ++i) {
      const auto name = name_of();
      const auto key = ledger_key(1 + t.random() % 8);
      switch (t.random() % 12) {
        case 0:
          if (t.members.size() > 2 && !c.at(t.members.begin()->first).is_paused && t.members.contains(name))
            t.kill(name);
          break;
        case 1:
          if (t.members.size() > 2 && t.members.contains(name)) c.pause(name);
          break;
        case 2:
          for (auto& [_, each] : t.members) each->is_paused = false;
          t.net.heal();
          break;
        case 3:
          t.topology.is_away = t.random() % 3 == 0;
          break;
        case 4:
          if (!t.topology.is_away && t.table().version() > 0 && t.members.contains(name) &&
              t.table().owner_of(slot_of(key)).node != t.members.at(name)->who.node &&
              t.topology.get(slot_table_key)->has_value()) {
            const auto owner = slot_table::decode((*t.topology.get(slot_table_key))->value);
            if (owner && owner->owner_of(slot_of(key)).node != t.members.at(name)->who.node) t.move(slot_of(key), name);
          }
          break;
        case 5:
        case 6:
        case 7:
          if (t.random() % 4 == 0)
            (void)change_pin(t.topology, key, std::nullopt);
          else
            (void)change_pin(t.topology, key, name);
          break;
        default:
          break;
      }
      for (auto& [_, each] : t.members)
        for (int n = 0; n < 3; ++n) t.append(*each, 1 + t.random() % 8);
      for (int n = 0; n < 30; ++n) t.nudge();
      if (t.random() % 3 == 0) t.pass(std::chrono::milliseconds(10 * (1 + t.random() % 60)));
      for (const auto* each : {"n1", "n2", "n3"}) {
        if (t.members.contains(each) && c.at(each).expelled) t.end(each);
        if (!t.members.contains(each) && !t.topology.is_away && t.random() % 4 == 0) t.start(each);
      }
      t.check_safety();
    }
    t.topology.is_away = false;
    t.net.heal();
    for (auto& [_, each] : t.members) each->is_paused = false;
    pin(t, lent_key, "n2");
    c.check_all_is_well("n2");
  }
}

}  // namespace
}  // namespace throng::test
