// SPDX-License-Identifier: Apache-2.0
// How one incarnation of an entity follows another, and what callers hear when an entity or the whole node ends.
#include <doctest/doctest.h>

#include "tests/support/failing_store.hpp"
#include "tests/support/ledger_entity.hpp"
#include "tests/support/sim_node.hpp"

namespace throng {

namespace {

using namespace test;
using std::chrono::milliseconds;
using std::chrono::seconds;

template <class Reply>
using answer_to = result<std::shared_ptr<const Reply>>;

constexpr entity_key one = ledger_key(1);
constexpr entity_key two = ledger_key(2);

BytesValue text(std::string value) { return make<BytesValue>(std::move(value)); }

std::vector<entity_view> list(sim_node& sim, inspection::filter which = {}) {
  std::vector<entity_view> all;
  sim.inspect().entities(which, [&](std::vector<entity_view> views) { all = std::move(views); });
  sim.settle();
  return all;
}

}  // namespace

TEST_CASE("succession: after a crash, the next incarnation loads what the last one had in flight") {
  sim_node sim(ledger::kinds());
  sim.hold_commits(true);
  answer_to<UInt64Value> first{errc::internal_error}, second{errc::internal_error};
  answer_to<Empty> crash{errc::internal_error};
  sim.ask_later(one, text("first"), &first);
  sim.ask_later(one, make<BoolValue>(false), &crash);
  sim.settle();
  sim.ask_later(one, text("second"), &second);
  sim.settle();
  CHECK(crash.code() == errc::unavailable);
  CHECK(list(sim).empty());  // it starts when the commit has been answered
  sim.hold_commits(false);
  sim.settle();
  CHECK(first.code() == errc::unavailable);
  REQUIRE(second.ok());
  CHECK((*second)->value() == 2);
  CHECK((*sim.ask(one, make<FloatValue>(0.0f)))->value() == 2);
}

TEST_CASE("succession: restarted by hand, the new incarnation starts after the messages and commits of the old one") {
  sim_node sim(ledger::kinds());
  sim.must(one, text("1"));
  sim.hold_commits(true);
  std::vector<answer_to<UInt64Value>> before(3, errc::internal_error), after(3, errc::internal_error);
  for (auto& each : before) sim.ask_later(one, text("before"), &each);
  result<> restarted{errc::internal_error};
  sim.inspect().restart(one, [&](result<> outcome) { restarted = std::move(outcome); });
  for (auto& each : after) sim.ask_later(one, text("after"), &each);
  sim.settle();
  CHECK_FALSE(restarted.ok());
  sim.hold_commits(false);
  sim.settle();
  CHECK(restarted.ok());
  for (const auto& each : before) CHECK(each.code() == errc::unavailable);
  for (std::size_t i = 0; i < after.size(); ++i) {
    REQUIRE(after[i].ok());
    CHECK((*after[i])->value() == 5 + i);
  }
  CHECK(list(sim).size() == 1);
}

TEST_CASE("succession: stopped by hand, it is gone when the caller hears of it") {
  sim_node sim(ledger::kinds());
  sim.must(one, text("1"));
  result<> stopped{errc::internal_error};
  sim.inspect().stop(one, [&](result<> outcome) { stopped = std::move(outcome); });
  sim.settle();
  CHECK(stopped.ok());
  CHECK(list(sim).empty());
  CHECK(sim.inspect().figures().entities == 0);
  sim.inspect().stop(one, [&](result<> outcome) { stopped = std::move(outcome); });
  sim.settle();
  CHECK(stopped.code() == errc::not_found);
  CHECK((*sim.ask(one, text("2")))->value() == 2);
}

TEST_CASE("succession: what waits for the next incarnation is bounded") {
  node_options options;
  options.entity_mailbox_max = 4;
  sim_node sim(ledger::kinds(), options);
  sim.hold_commits(true);
  answer_to<UInt64Value> first{errc::internal_error};
  answer_to<Empty> crash{errc::internal_error};
  sim.ask_later(one, text("first"), &first);
  sim.ask_later(one, make<BoolValue>(false), &crash);
  sim.settle();
  std::vector<answer_to<UInt64Value>> held(6, errc::internal_error);
  for (auto& each : held) sim.ask_later(one, text("held"), &each);
  sim.settle();
  CHECK(held[4].code() == errc::overloaded);
  CHECK(held[5].code() == errc::overloaded);
  sim.hold_commits(false);
  sim.settle();
  for (std::size_t i = 0; i < 4; ++i) {
    REQUIRE(held[i].ok());
    CHECK((*held[i])->value() == 2 + i);
  }
}

TEST_CASE("succession: a read that throws ends its entity and nothing else") {
  sim_node sim(ledger::kinds());
  CHECK(sim.ask(one, make<BoolValue>(true)).code() == errc::unavailable);
  const auto troubled = list(sim, {.kind = {}, .key = {}, .only_troubled = true});
  REQUIRE(troubled.size() == 1);
  CHECK(troubled[0].reason == "told to crash in a read (after BoolValue from outside)");
  CHECK((*sim.ask(one, text("1")))->value() == 1);
}

TEST_CASE("succession: an entity whose factory or load throws at once is answered, counted and gone") {
  for (bool in_load : {false, true}) {
    CAPTURE(in_load);
    sim_node sim({{entity_kind::user, [in_load](entity_context& self) -> std::unique_ptr<entity> {
                     struct broken final : entity {
                       using entity::entity;
                       task<result<>> load() override {
                         throw std::runtime_error("broken from the start");
                         co_return done;
                       }
                       void receive(std::shared_ptr<const envelope>) override {}
                       message_ptr snapshot() const override { return share(Empty{}); }
                     };
                     if (!in_load) throw std::runtime_error("broken from the start");
                     return std::make_unique<broken>(self);
                   }}});
    CHECK(sim.ask(one, text("x")).code() == errc::unavailable);
    CHECK(sim.inspect().figures().entities == 0);
    CHECK(sim.inspect().figures().crashes == 1);
    sim.inspect().snapshot(one, [](result<message_ptr> seen) { CHECK(seen.code() == errc::not_found); });
    sim.settle();
  }
}

TEST_CASE("succession: a quarantine that is over isn't shown, and its entity is forgotten when its crashes are") {
  node_options options;
  options.restarts = {0, seconds(20)};
  options.quarantine = seconds(10);
  options.passivate_after = seconds(5);
  sim_node sim(ledger::kinds(), options);
  CHECK(sim.ask(one, make<BoolValue>(false)).code() == errc::unavailable);
  auto seen = list(sim);
  REQUIRE(seen.size() == 1);
  CHECK(seen[0].state == entity_view::state_t::quarantined);
  sim.advance(seconds(11));
  CHECK(list(sim).empty());
  CHECK(list(sim, {.kind = {}, .key = {}, .only_troubled = true}).size() == 1);
  sim.advance(seconds(15));
  CHECK(list(sim, {.kind = {}, .key = {}, .only_troubled = true}).empty());
}

TEST_CASE("slot: past active_max those go that were idle for a second, however long passivate_after is") {
  node_options options;
  options.active_max = 10;
  options.passivate_after = seconds(3600);
  sim_node sim(ledger::kinds(), options);
  for (std::uint64_t id = 1; id <= 10; ++id) sim.must(ledger_key(id), text("idle"));
  sim.advance(seconds(5));
  CHECK(sim.inspect().figures().entities == 10);
  sim.must(ledger_key(11), text("one too many"));
  sim.advance(milliseconds(500));
  CHECK(sim.inspect().figures().entities <= 10);
  CHECK(list(sim, {.kind = {}, .key = ledger_key(11)}).size() == 1);
}

TEST_CASE("slot: a message says which entity it is from, and from outside nobody") {
  sim_node sim(ledger::kinds());
  sim.inspect().start_trace(two, 10, seconds(10));
  sim.must(one, make<DoubleValue>(2.0));
  sim.must(two, make<FloatValue>(0.0f));
  const auto seen = sim.inspect().read_trace();
  REQUIRE(seen.size() == 2);
  CHECK(seen[0].from == one);
  CHECK(seen[1].from == entity_key{});
}

TEST_CASE("node: once stopped, every question is still answered, exactly once") {
  sim_node sim(ledger::kinds());
  sim.must(one, text("1"));
  sim.stop_node();
  int answers = 0;
  sim.inspect().entities({}, [&](std::vector<entity_view> all) { answers += all.empty(); });
  sim.inspect().entities({.kind = {}, .key = one}, [&](std::vector<entity_view> all) { answers += all.empty(); });
  sim.inspect().entities({.kind = {}, .key = two}, [&](std::vector<entity_view> all) { answers += all.empty(); });
  sim.inspect().slots([&](std::vector<slot_view> all) { answers += all.empty(); });
  CHECK(answers == 4);
  auto stopping = [&](const auto& outcome) { answers += outcome.code() == errc::stopping; };
  sim.inspect().snapshot(one, stopping);
  sim.inspect().stop(one, stopping);
  sim.inspect().restart(two, stopping);
  sim.door().subscribe(one, stopping);
  sim.door().subscribe(one, {});
  sim.door().unsubscribe(one);
  sim.door().ask_raw(one, share(text("x")), seconds(1), stopping);
  CHECK(answers == 9);
  CHECK_FALSE(sim.door().tell(one, share(text("x"))));
}

TEST_CASE("node: what is asked while it stops is answered too") {
  sim_node sim(ledger::kinds());
  sim.must(one, text("1"));
  int answers = 0;
  auto count = [&](const auto&) { ++answers; };
  sim.inspect().entities({}, count);
  sim.inspect().entities({.kind = {}, .key = one}, count);
  sim.inspect().slots(count);
  sim.inspect().snapshot(one, count);
  sim.inspect().restart(one, count);
  sim.inspect().stop(one, count);
  sim.door().subscribe(two, count);
  sim.stop_node();
  CHECK(answers == 7);
}

TEST_CASE("node: the figures count what happened") {
  node_options options;
  options.passivate_after = seconds(5);
  sim_node sim(ledger::kinds(), options);
  std::size_t slots = 1;
  sim.inspect().slots([&](std::vector<slot_view> all) { slots = all.size(); });
  CHECK(slots == 0);  // none exists before somebody talks to one
  sim.door().subscribe(one, {});
  sim.must(one, text("1"));
  CHECK(sim.door().tell(two, share(text("2"))));
  sim.settle();
  auto figures = sim.inspect().figures();
  CHECK(figures.asks == 1);
  CHECK(figures.tells == 1);
  CHECK(figures.activations == 2);
  CHECK(figures.publications == 1);
  CHECK(figures.entities == 2);
  REQUIRE(figures.entities_by_kind.size() == 1);
  CHECK(figures.entities_by_kind[0] == std::pair{entity_kind::user, std::size_t{2}});
  sim.inspect().slots([&](std::vector<slot_view> all) {
    slots = all.size();
    std::uint32_t streams = 0, entities = 0;
    for (const auto& each : all) {
      streams += each.streams;
      entities += each.entities;
      CHECK(each.owner == node_index{1});
      CHECK(each.epoch == 1);
    }
    CHECK(streams == 1);
    CHECK(entities == 2);
  });
  sim.settle();
  CHECK(slots == 2);
  sim.hold_commits(true);
  answer_to<UInt64Value> slow{errc::internal_error};
  sim.ask_later(one, text("slow"), &slow, seconds(1));
  sim.settle();
  CHECK(sim.inspect().figures().waiting_asks == 1);
  sim.advance(seconds(2));
  CHECK(sim.inspect().figures().expired == 1);
  CHECK(sim.inspect().figures().waiting_asks == 0);
  sim.hold_commits(false);
  CHECK(sim.ask(two, make<BoolValue>(false)).code() == errc::unavailable);
  sim.advance(seconds(10));
  figures = sim.inspect().figures();
  CHECK(figures.crashes == 1);
  CHECK(figures.passivations == 1);
  CHECK(figures.entities == 0);
}

}  // namespace throng
