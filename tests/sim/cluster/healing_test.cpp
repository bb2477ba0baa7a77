// SPDX-License-Identifier: Apache-2.0
// What is ended by force or by its own failure, and who notices: poisoned messages, kill, quarantine, a SLOT's crash.
#include <algorithm>

#include <doctest/doctest.h>
#include <google/protobuf/empty.pb.h>
#include <google/protobuf/wrappers.pb.h>

#include "cluster/protocol.hpp"
#include "tests/support/sim_node.hpp"

using google::protobuf::BoolValue;
using google::protobuf::BytesValue;
using google::protobuf::Empty;
using google::protobuf::FloatValue;
using google::protobuf::StringValue;
using google::protobuf::UInt32Value;

THRONG_RPC(google::protobuf::UInt32Value, google::protobuf::UInt32Value);  // count up; answers how often
THRONG_RPC(google::protobuf::BytesValue, google::protobuf::Empty);         // the poison
THRONG_RPC(google::protobuf::FloatValue, google::protobuf::Empty);         // the same, after a commit
THRONG_RPC(google::protobuf::BoolValue, google::protobuf::StringValue);    // store; answers after the commit

namespace throng {
namespace {

using namespace std::chrono_literals;
using test::sim_node;

/// Counts in memory, stores a text, publishes it, and dies of poison.
class patient final : public entity {
 public:
  using entity::entity;

  task<result<>> load() override { co_return done; }
  void receive(std::shared_ptr<const envelope> message) override { handlers().dispatch(*this, std::move(message)); }
  message_ptr snapshot() const override { return share(UInt32Value()); }

  auto store(std::string what) {
    std::vector<write_op> ops;
    ops.push_back(put_user{{user_id{self().key().id}, team_id{1}, std::move(what)}});
    return self().commit(std::move(ops));
  }
  result<UInt32Value> count(const UInt32Value& request, const envelope&) {
    if (request.value() != 0) self().tell({entity_kind::user, request.value()}, share(BytesValue()));  // passes poison
    UInt32Value answer;
    answer.set_value(++counted_);
    return answer;
  }
  result<Empty> swallow(const BytesValue&, const envelope&) { throw std::runtime_error("it was poison"); }
  task<result<Empty>> swallow_slowly(const FloatValue&, const envelope&) {
    (void)co_await store("before");
    throw std::runtime_error("it was slow poison");
  }
  task<result<StringValue>> keep(const BoolValue&, const envelope&) {
    auto committed = co_await store("kept");
    if (!committed) co_return committed.failure();
    self().publish(
        std::make_shared<publication>(publication{self().key(), self().epoch(), 1, delivery_class::message, 0, {}}));
    co_return StringValue();
  }

 private:
  static const protocol<patient>& handlers() {
    static const protocol<patient> table{on(&patient::count), on(&patient::swallow), on(&patient::swallow_slowly),
                                         on(&patient::keep)};
    return table;
  }
  std::uint32_t counted_ = 0;
};

node::kinds patients() {
  return {{entity_kind::user, [](entity_context& self) { return std::make_unique<patient>(self); }}};
}

constexpr entity_key ill{entity_kind::user, 1};

/// Others in the slot of `ill`, and one that isn't.
struct neighbours {
  neighbours() {
    for (std::uint64_t id = 2; same_slot.size() < 3; ++id)
      if (const entity_key key{entity_kind::user, id}; slot_of(key) == slot_of(ill)) same_slot.push_back(key);
    while (slot_of(elsewhere) == slot_of(ill)) ++elsewhere.id;
  }
  std::vector<entity_key> same_slot;
  entity_key elsewhere{entity_kind::user, 1'000'000};
};

std::optional<entity_view> look(sim_node& sim, entity_key key) {
  inspection::filter which;
  which.key = key;
  std::optional<entity_view> found;
  for (const bool troubled : {false, true}) {
    which.only_troubled = troubled;
    sim.inspect().entities(which, [&](std::vector<entity_view> views) {
      if (!views.empty() && !found) found = std::move(views[0]);
    });
    sim.settle();
  }
  return found;
}

std::uint32_t count_of(sim_node& sim, entity_key key) { return sim.must(key, UInt32Value()).value(); }

template <class Do>
result<> outcome_of(sim_node& sim, Do order) {
  result<> outcome = error{errc::internal_error, "not answered"};
  order([&](result<> told) { outcome = std::move(told); });
  sim.settle();
  return outcome;
}

TEST_CASE("healing: poison that crashes an entity each time quarantines it alone, and says what it was and whose") {
  sim_node sim(patients());
  const neighbours near;
  for (auto key : near.same_slot) CHECK(count_of(sim, key) == 1);
  CHECK(count_of(sim, near.elsewhere) == 1);

  UInt32Value pass_poison;
  pass_poison.set_value(static_cast<std::uint32_t>(ill.id));
  for (int dose = 1; dose <= 5; ++dose) {
    sim.must(near.elsewhere, pass_poison);
    REQUIRE(look(sim, ill));
    CHECK(look(sim, ill)->state != entity_view::state_t::quarantined);
    CHECK(count_of(sim, ill) == 1);  // it starts again each time, and from nothing
  }
  sim.must(near.elsewhere, pass_poison);
  const auto view = look(sim, ill);
  REQUIRE(view);
  CHECK(view->state == entity_view::state_t::quarantined);
  CHECK(view->crashes == 6);
  CHECK(view->reason == "it was poison (in BytesValue from " + to_text(near.elsewhere) + ")");
  CHECK(view->quarantine_left == 60s);
  const auto refused = sim.ask(ill, UInt32Value());
  CHECK(refused.code() == errc::quarantined);

  for (auto key : near.same_slot) CHECK(count_of(sim, key) == 2);  // the same incarnations as before
  CHECK(count_of(sim, near.elsewhere) == 8);
  CHECK(sim.inspect().figures().quarantined == 1);
  CHECK(sim.broken().empty());

  sim.advance(61s);
  CHECK(count_of(sim, ill) == 1);
}

TEST_CASE("healing: an entity that dies after a wait names the last message that it had") {
  sim_node sim(patients());
  CHECK(sim.ask(ill, FloatValue()).code() == errc::unavailable);
  const auto view = look(sim, ill);
  REQUIRE(view);
  CHECK(view->reason == "it was slow poison (after FloatValue from outside)");
}

TEST_CASE("healing: kill refuses what waits, counts as a crash, and the next message starts it anew") {
  sim_node sim(patients());
  const neighbours near;
  CHECK(count_of(sim, ill) == 1);
  CHECK(count_of(sim, near.same_slot[0]) == 1);
  sim.hold_commits(true);
  result<std::shared_ptr<const StringValue>> kept = error{errc::internal_error, "not answered"};
  sim.ask_later(ill, BoolValue(), &kept);
  sim.settle();
  result<> killed = error{errc::internal_error, "not answered"};
  sim.inspect().kill(ill, "killed for a test", [&](result<> outcome) { killed = std::move(outcome); });
  sim.settle();
  CHECK(kept.code() == errc::internal_error);    // whoever waits for the commit hears when it is over
  CHECK(killed.code() == errc::internal_error);  // its commit is under way, and the successor must not run beside it
  result<std::shared_ptr<const UInt32Value>> counted = error{errc::internal_error, "not answered"};
  sim.ask_later(ill, UInt32Value(), &counted);
  sim.settle();
  CHECK(counted.code() == errc::internal_error);

  sim.hold_commits(false);
  sim.settle();
  CHECK(killed.ok());
  CHECK(kept.code() == errc::unavailable);
  REQUIRE(counted.ok());
  CHECK((*counted)->value() == 1);
  auto row = sim.rows().make_reader()->user(user_id{ill.id});
  CHECK(row->data == "kept");  // it was on its way, and that isn't taken back
  const auto view = look(sim, ill);
  REQUIRE(view);
  CHECK(view->crashes == 1);
  CHECK(view->reason == "killed for a test");
  CHECK(count_of(sim, near.same_slot[0]) == 2);

  CHECK(outcome_of(sim, [&](auto done) { sim.inspect().kill(near.same_slot[1], "no", done); }).code() ==
        errc::not_found);
}

TEST_CASE("healing: a quarantine by hand holds for its time, whatever its reason says, and can be lifted") {
  sim_node sim(patients());
  const neighbours near;
  const auto& idle = near.same_slot[0];
  CHECK(count_of(sim, ill) == 1);
  for (auto key : {ill, idle}) {
    CHECK(outcome_of(sim, [&](auto done) { sim.inspect().quarantine(key, 10min, "floods its readers", done); }).ok());
    CHECK(sim.ask(key, UInt32Value()).code() == errc::quarantined);
    CHECK(sim.ask(key, UInt32Value()).failure().detail.ends_with("floods its readers"));
    REQUIRE(look(sim, key));
    CHECK(look(sim, key)->state == entity_view::state_t::quarantined);
    CHECK(look(sim, key)->crashes == 0);
  }
  CHECK(count_of(sim, near.same_slot[1]) == 1);
  const auto& never_seen = near.same_slot[2];
  CHECK(outcome_of(sim, [&](auto done) { sim.inspect().quarantine(never_seen, 10min, "beforehand", done); }).ok());
  CHECK(outcome_of(sim, [&](auto done) { sim.inspect().restart(never_seen, done); }).ok());
  CHECK(count_of(sim, never_seen) == 1);
  CHECK(outcome_of(sim, [&](auto done) { sim.inspect().release(near.same_slot[1], done); }).code() == errc::not_found);

  CHECK(outcome_of(sim, [&](auto done) { sim.inspect().release(ill, done); }).ok());
  CHECK(count_of(sim, ill) == 1);
  sim.advance(9min);
  CHECK(sim.ask(idle, UInt32Value()).code() == errc::quarantined);
  sim.advance(61s);
  CHECK(count_of(sim, idle) == 1);
  sim.advance(10min);
  CHECK_FALSE(look(sim, idle));  // nothing of it is remembered
}

TEST_CASE("healing: what ranks first among many entities is shown, however many there are") {
  sim_node sim(patients());
  for (std::uint32_t id = 1; id <= 300; ++id)
    for (std::uint32_t times = 0; times <= id % 7; ++times) (void)count_of(sim, {entity_kind::user, id});
  inspection::filter which;
  which.count_max = 20;
  which.order = inspection::filter::order_t::messages;
  std::vector<entity_view> views;
  sim.inspect().entities(which, [&](std::vector<entity_view> all) { views = std::move(all); });
  sim.settle();
  CHECK(views.size() == 20);
  CHECK(std::ranges::all_of(views, [](const entity_view& each) { return each.messages == 7; }));
}

TEST_CASE("healing: a SLOT that crashes starts its entities again, and past its budget the node gives up") {
  sim_node sim(patients());
  const neighbours near;
  CHECK(outcome_of(sim, [&](auto done) { sim.door().subscribe(ill, done); }).ok());
  sim.door().on_publication([](const publication_ptr&) { throw std::runtime_error("nobody reads this"); });
  CHECK(count_of(sim, near.elsewhere) == 1);
  for (int crash = 1; crash <= 6; ++crash) {
    CHECK(sim.broken().empty());
    CHECK(count_of(sim, near.same_slot[0]) == 1);
    (void)sim.must(ill, BoolValue());  // published after the commit: that is what the SLOT dies of
    sim.settle();
    CHECK(look(sim, near.same_slot[0]).has_value() == false);
  }
  REQUIRE(sim.broken().size() == 1);
  CHECK(sim.broken()[0].ends_with("crashed 6 times: nobody reads this"));
  CHECK(count_of(sim, near.elsewhere) == 2);
  CHECK(count_of(sim, ill) == 1);
  CHECK(sim.inspect().figures().crashes == 0);  // of entities
}

}  // namespace
}  // namespace throng
