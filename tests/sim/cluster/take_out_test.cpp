// SPDX-License-Identifier: Apache-2.0
// One entity is taken out of its SLOT, or all of them are: what was begun is finished, and what wasn't, and what is in
// memory only, is left for the next incarnation.
#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/atom.hpp>
#include <caf/scheduler/test_coordinator.hpp>
#include <caf/send.hpp>
#include <doctest/doctest.h>

#include "cluster/slot_actor.hpp"
#include "tests/support/ledger_entity.hpp"
#include "tests/support/sim_node.hpp"

namespace throng::test {
namespace {

using namespace std::chrono_literals;

/// Two SLOT actors of the same slot, as if on two nodes, around one store.
class workshop final : public entity_door {
 public:
  workshop()
      : rows_(std::move(*open_sqlite_store((folder_.path() / "throng.db").string(), {}))),
        commits_(make_manual_commit_queue(*rows_, {})),
        readers_(make_manual_reader_pool(*rows_, 1'000)),
        services{node_index{1}, {}, clock, *commits_, *readers_, this},
        system_(config_) {
    services.factories[static_cast<std::size_t>(entity_kind::user)] = ledger::kinds().front().second;
    for (auto* shell : {&old_, &next_}) shell->actor = spawn_slot(system_, services, *shell);
  }
  ~workshop() override {
    for (auto* shell : {&old_, &next_}) caf::anon_send(shell->actor, slot_input{slot_shutdown{}});
    run();
  }

  // -- entity_door, which knows the old SLOT
  bool tell_from(entity_key, entity_key, message_ptr) override { return false; }
  void ask_from(entity_key from, entity_key to, message_ptr request, duration, answer_callback done) override {
    send(old_, from, to, std::move(request), std::move(done));
  }
  epoch_t epoch_of(slot_id) const override { return 0; }
  steady_time taken_over(slot_id) const override { return {}; }
  void publish_to(node_index, const publication_ptr&) override {}
  void epoch_refused(slot_id, epoch_t) override {}

  void send(slot_shell& shell, entity_key from, entity_key to, message_ptr message, answer_callback done) {
    auto made = std::make_shared<envelope>();
    made->from = from;
    made->to = to;
    made->message = std::move(message);
    made->reply = std::make_shared<reply_handle>(std::move(done));
    shell.mailbox.fetch_add(1);
    caf::anon_send(shell.actor, slot_input{std::shared_ptr<const envelope>(std::move(made))});
  }
  /// Its answer as text: in `answers`, in the order of the answers.
  template <class Request>
  void ask(slot_shell& shell, entity_key to, Request request) {
    send(shell, {}, to, share(std::move(request)), [this](result<message_ptr> answer) {
      answers.push_back(!answer                   ? std::string(to_string(answer.code()))
                        : to_number(*answer) >= 0 ? std::to_string(to_number(*answer))
                                                  : dynamic_cast<const StringValue&>(**answer).value());
    });
  }
  static std::int64_t to_number(const message_ptr& answer) {
    const auto* number = dynamic_cast<const UInt64Value*>(answer.get());
    return number ? static_cast<std::int64_t>(number->value()) : -1;
  }
  void append(entity_key to, const std::string& text) { ask(old_, to, make<BytesValue>(text)); }
  void note(slot_shell& shell, entity_key to, const std::string& text) { ask(shell, to, make<StringValue>(text)); }
  void take_out(entity_key key, std::optional<result<entity_remains>>& into) {
    caf::anon_send(old_.actor, slot_input{slot_take_out{key, [&](auto remains) { into = std::move(remains); }}});
  }
  void drain(std::optional<slot_remains>& into) {
    caf::anon_send(old_.actor, slot_input{slot_drain{[&](slot_remains remains) { into = std::move(remains); }}});
  }
  void bring_in(entity_handover what) { caf::anon_send(next_.actor, slot_input{slot_bring_in{{std::move(what)}}}); }

  /// Actors only.
  void run() { dynamic_cast<caf::scheduler::test_coordinator&>(system_.scheduler()).run(); }
  void settle() {
    for (bool moved = true; moved;) {
      run();
      moved = commits_->pump() > 0;
      while (readers_->pump()) moved = true;
    }
  }
  void advance(duration by) {
    clock.advance(by);
    for (auto* shell : {&old_, &next_}) caf::anon_send(shell->actor, slot_input{slot_tick{clock.now()}});
    settle();
  }

  struct test_config : caf::actor_system_config {
    test_config() { set("scheduler.policy", caf::atom("testing")); }
  };

  temporary_folder folder_;
  virtual_time clock;
  std::unique_ptr<store> rows_;
  std::unique_ptr<manual_commit_queue> commits_;
  std::unique_ptr<manual_reader_pool> readers_;
  node_services services;
  slot_shell old_{slot_of(ledger_key(1))}, next_{slot_of(ledger_key(1))};
  test_config config_;
  caf::actor_system system_;
  std::vector<std::string> answers;
};

/// Another ledger in the slot of the first.
entity_key neighbour() {
  std::uint64_t id = 2;
  while (slot_of(ledger_key(id)) != slot_of(ledger_key(1))) ++id;
  return ledger_key(id);
}

std::vector<std::string> texts(const std::vector<std::shared_ptr<const envelope>>& unread) {
  std::vector<std::string> all;
  for (const auto& each : unread) {
    if (const auto* append = dynamic_cast<const BytesValue*>(each->message.get())) all.push_back(append->value());
    if (const auto* note = dynamic_cast<const StringValue*>(each->message.get())) all.push_back(note->value());
  }
  return all;
}

using strings = std::vector<std::string>;
constexpr entity_key one{entity_kind::user, 1};

TEST_CASE("taking out: what was begun is finished first, and what comes meanwhile is left in order") {
  workshop at;
  at.append(one, "a");
  at.run();
  at.readers_->pump();  // loaded
  at.run();             // "a" waits for its commit
  std::optional<result<entity_remains>> taken;
  at.take_out(one, taken);
  at.append(one, "b");
  at.append(one, "c");
  at.run();
  CHECK_FALSE(taken);
  at.settle();
  REQUIRE(taken);
  REQUIRE(taken->ok());
  CHECK(at.answers == strings{"1"});
  CHECK(texts((*taken)->unread) == strings{"b", "c"});
  CHECK((*taken)->handover.is_empty());
  at.append(one, "d");  // from here on nobody keeps it from a new life
  at.settle();
  CHECK(at.answers == strings{"1", "2"});
}

TEST_CASE("taking out: what waited for the load, and in the mailbox, is not begun") {
  workshop at;
  at.append(one, "a");
  at.append(one, "b");
  at.run();  // it is loading
  std::optional<result<entity_remains>> taken;
  at.take_out(one, taken);
  at.append(one, "c");
  at.settle();
  REQUIRE(taken);
  CHECK(texts((*taken)->unread) == strings{"a", "b", "c"});
  CHECK(at.answers.empty());
  for (const auto& each : (*taken)->unread) each->reply->forget();
  taken.reset();
  CHECK(at.answers.empty());  // who takes them answers
}

TEST_CASE("taking out: memory and timers go along") {
  workshop at;
  at.note(at.old_, one, "x");
  at.note(at.old_, one, "y");
  at.ask(at.old_, one, make<UInt32Value>(5'000u));
  at.settle();
  at.advance(2s);
  std::optional<result<entity_remains>> taken;
  at.take_out(one, taken);
  at.settle();
  REQUIRE(taken);
  CHECK((*taken)->handover.wakes_in == 3s);
  at.bring_in((*taken)->handover);
  at.settle();
  CHECK(at.services.counters.live() == 1);  // without a message
  at.answers.clear();
  at.advance(2900ms);
  at.ask(at.next_, one, make<UInt32Value>(0u));
  at.advance(200ms);
  at.ask(at.next_, one, make<UInt32Value>(0u));
  at.note(at.next_, one, "z");
  at.settle();
  CHECK(at.answers == strings{"0", "1", "x|y|z"});
  CHECK(at.services.counters.taken_over == 1);
}

TEST_CASE("taking out: a timer that is due meanwhile isn't lost") {
  workshop at;
  at.ask(at.old_, one, make<UInt32Value>(1'000u));
  at.settle();
  at.append(one, "a");
  at.run();
  std::optional<result<entity_remains>> taken;
  at.take_out(one, taken);
  at.run();
  at.clock.advance(2s);
  caf::anon_send(at.old_.actor, slot_input{slot_tick{at.clock.now()}});
  at.run();
  CHECK_FALSE(taken);
  at.settle();
  REQUIRE(taken);
  CHECK((*taken)->handover.wakes_in == 0s);
}

TEST_CASE("taking out: an entity that isn't active leaves nothing") {
  workshop at;
  std::optional<result<entity_remains>> taken;
  at.take_out(one, taken);
  at.settle();
  REQUIRE(taken);
  REQUIRE(taken->ok());
  CHECK((*taken)->handover.is_empty());
  CHECK((*taken)->handover.key == one);
}

TEST_CASE("taking out: state that is too large stays behind, and is counted") {
  workshop at;
  at.note(at.old_, one, std::string(entity_handover::entity_bytes_max, 'x'));
  at.settle();
  std::optional<result<entity_remains>> taken;
  at.take_out(one, taken);
  at.settle();
  REQUIRE(taken);
  CHECK((*taken)->handover.is_empty());
  CHECK(at.services.counters.handovers_dropped == 1);
}

TEST_CASE("taking out: one that crashes meanwhile leaves its messages, that it crashed, and no state") {
  workshop at;
  at.note(at.old_, one, "poison");
  at.settle();
  at.answers.clear();
  at.append(one, "a");
  at.run();
  std::optional<result<entity_remains>> taken;
  at.take_out(one, taken);
  at.append(one, "b");
  at.settle();
  REQUIRE(taken);
  REQUIRE(taken->ok());
  CHECK_FALSE((*taken)->handover.is_active());
  REQUIRE((*taken)->handover.trouble);
  CHECK((*taken)->handover.trouble->crashes == 1);
  CHECK(texts((*taken)->unread) == strings{"b"});
  CHECK(at.services.counters.crashes == 1);
}

TEST_CASE("taking out: only one can take it, and the whole slot goes before") {
  workshop at;
  at.note(at.old_, one, "x");
  at.settle();
  at.append(one, "a");
  at.run();
  std::optional<result<entity_remains>> taken, taken_again;
  at.take_out(one, taken);
  at.take_out(one, taken_again);
  at.append(one, "b");
  at.run();
  REQUIRE(taken_again);
  CHECK(taken_again->code() == errc::conflict);
  std::optional<slot_remains> drained;
  at.drain(drained);
  at.settle();
  REQUIRE(drained);
  REQUIRE(taken);
  CHECK(taken->code() == errc::conflict);
  REQUIRE(drained->entities.size() == 1);
  CHECK(drained->entities.front().key == one);
  CHECK(texts(drained->unread) == strings{"b"});
}

TEST_CASE("draining: each entity's messages stay in order, and those with nothing to tell aren't told of") {
  workshop at;
  const auto other = neighbour();
  at.note(at.old_, one, "x");
  at.note(at.old_, other, "");
  at.settle();
  at.append(one, "a1");
  at.run();
  at.append(one, "a2");
  at.append(other, "b1");  // neither is begun
  std::optional<slot_remains> drained;
  at.drain(drained);
  at.run();
  CHECK_FALSE(drained);
  at.settle();
  REQUIRE(drained);
  REQUIRE(drained->entities.size() == 1);
  CHECK(drained->entities.front().key == one);
  auto unread = texts(drained->unread);
  std::ranges::sort(unread);  // one entity's before or after the other's
  CHECK(unread == strings{"a2", "b1"});
  CHECK(at.answers == strings{"x", "", "1"});
  CHECK(at.services.counters.live() == 0);
}

TEST_CASE("draining: an entity that asks another of its slot isn't kept waiting until both have moved") {
  workshop at;
  const auto other = neighbour();
  at.ask(at.old_, one, make<DoubleValue>(static_cast<double>(other.id)));  // asks `other`, which isn't active
  at.run();                                                                // `one` is loading
  at.note(at.old_, other, "for the next");
  std::optional<slot_remains> drained;
  at.run();
  at.readers_->pump();  // `one` has loaded; it goes on, and asks
  at.drain(drained);
  at.settle();
  REQUIRE(drained);
  CHECK(at.answers == strings{"0"});
  CHECK(texts(drained->unread) == strings{"for the next"});
}

}  // namespace
}  // namespace throng::test
