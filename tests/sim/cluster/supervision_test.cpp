// SPDX-License-Identifier: Apache-2.0
// The SLOT and its entities, with an entity that counts, stores, crashes and waits as it is told.
#include <doctest/doctest.h>
#include <google/protobuf/empty.pb.h>
#include <google/protobuf/wrappers.pb.h>

#include "cluster/protocol.hpp"
#include "tests/support/failing_store.hpp"
#include "tests/support/sim_node.hpp"

using google::protobuf::BoolValue;
using google::protobuf::Empty;
using google::protobuf::Int32Value;
using google::protobuf::Int64Value;
using google::protobuf::StringValue;
using google::protobuf::UInt64Value;

THRONG_RPC(google::protobuf::Int64Value, google::protobuf::Int64Value);    // add; answers the sum
THRONG_RPC(google::protobuf::StringValue, google::protobuf::StringValue);  // store; answers after the commit
THRONG_RPC(google::protobuf::BoolValue, google::protobuf::Empty);          // crash; never answered
THRONG_RPC(google::protobuf::Int32Value, google::protobuf::Int64Value);    // ask the entity of that id for its sum
THRONG_RPC(google::protobuf::UInt64Value, google::protobuf::UInt64Value);  // wake after n ms; answers wakes so far

namespace throng {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using test::sim_node;

constexpr entity_key one{entity_kind::user, 1};
constexpr entity_key two{entity_kind::user, 2};

class counter final : public entity {
 public:
  using entity::entity;

  task<result<>> load() override {
    const auto id = user_id{self().key().id};
    auto row = co_await self().read<user_record>([id](store_reader& reader) { return reader.user(id); });
    if (row)
      stored_ = row->data;
    else if (row.code() != errc::not_found)
      co_return row.failure();
    co_return done;
  }
  void receive(std::shared_ptr<const envelope> message) override { handlers().dispatch(*this, std::move(message)); }
  void wake() override { ++wakes_; }
  message_ptr snapshot() const override {
    StringValue state;
    state.set_value(stored_);
    return share(std::move(state));
  }

  result<Int64Value> add(const Int64Value& request, const envelope&) {
    sum_ += request.value();
    return answer_of<Int64Value>(sum_);
  }
  task<result<StringValue>> keep(const StringValue& request, const envelope&) {
    std::vector<write_op> ops;
    ops.push_back(put_user{{user_id{self().key().id}, team_id{1}, request.value()}});
    auto committed = co_await self().commit(std::move(ops));
    if (!committed) co_return committed.failure();
    stored_ = request.value();
    self().publish(std::make_shared<publication>(
        publication{self().key(), self().epoch(), ++seq_, delivery_class::message, 0, {}}));
    co_return answer_of<StringValue>(stored_);
  }
  result<Empty> crash(const BoolValue&, const envelope&) { throw std::runtime_error("told to crash"); }
  task<result<Int64Value>> relay(const Int32Value& request, const envelope&) {
    const entity_key other{entity_kind::user, static_cast<std::uint64_t>(request.value())};
    auto answer = co_await self().ask(other, answer_of<Int64Value>(0), seconds(1));
    if (!answer) co_return answer.failure();
    co_return **answer;
  }
  result<UInt64Value> wake_me(const UInt64Value& request, const envelope&) {
    if (request.value()) self().wake_after(milliseconds(request.value()));
    return answer_of<UInt64Value>(wakes_);
  }

 private:
  template <class Message, class Value>
  static Message answer_of(Value value) {
    Message message;
    message.set_value(std::move(value));
    return message;
  }
  static const protocol<counter>& handlers() {
    static const protocol<counter> table{on(&counter::add), on(&counter::keep), on(&counter::crash),
                                         on(&counter::relay), on(&counter::wake_me)};
    return table;
  }

  std::int64_t sum_ = 0;
  std::uint64_t wakes_ = 0;
  seq_t seq_ = 0;
  std::string stored_;
};

node::kinds counters() {
  return {{entity_kind::user, [](entity_context& self) { return std::make_unique<counter>(self); }}};
}

Int64Value add(std::int64_t value) {
  Int64Value message;
  message.set_value(value);
  return message;
}
StringValue text(std::string value) {
  StringValue message;
  message.set_value(std::move(value));
  return message;
}
Int32Value relay(std::int32_t id) {
  Int32Value message;
  message.set_value(id);
  return message;
}
UInt64Value wake(std::uint64_t ms) {
  UInt64Value message;
  message.set_value(ms);
  return message;
}

std::vector<entity_view> list(sim_node& sim) {
  std::vector<entity_view> all;
  sim.inspect().entities({}, [&](std::vector<entity_view> views) { all = std::move(views); });
  sim.settle();
  return all;
}

}  // namespace

TEST_CASE("slot: the first message activates an entity, later ones find its state") {
  sim_node sim(counters());
  CHECK(list(sim).empty());
  CHECK((*sim.ask(one, add(2)))->value() == 2);
  CHECK((*sim.ask(one, add(3)))->value() == 5);
  CHECK((*sim.ask(two, add(1)))->value() == 1);
  const auto views = list(sim);
  REQUIRE(views.size() == 2);
  CHECK(views[0].state == entity_view::state_t::active);
  CHECK(sim.inspect().figures().entities == 2);
}

TEST_CASE("slot: an entity asks another, and an ask of itself by deadline ends in an error, not in silence") {
  sim_node sim(counters());
  sim.must(two, add(7));
  CHECK((*sim.ask(one, relay(2)))->value() == 7);
}

TEST_CASE("slot: a message that the entity doesn't know is refused by name") {
  sim_node sim({{entity_kind::user, [](entity_context& self) -> std::unique_ptr<entity> {
                   struct deaf final : entity {
                     using entity::entity;
                     task<result<>> load() override { co_return done; }
                     void receive(std::shared_ptr<const envelope> message) override { refuse_unknown(*message); }
                     message_ptr snapshot() const override { return share(Empty{}); }
                   };
                   return std::make_unique<deaf>(self);
                 }}});
  const auto answer = sim.ask(one, add(1));
  REQUIRE_FALSE(answer);
  CHECK(answer.code() == errc::unknown_message);
  CHECK(answer.failure().detail.find("Int64Value") != std::string::npos);
}

TEST_CASE("slot: an answer comes after the commit, and the state survives a crash of the node") {
  sim_node sim(counters());
  sim.hold_commits(true);
  result<std::shared_ptr<const StringValue>> answer{errc::internal_error};
  sim.ask_later(one, text("kept"), &answer);
  sim.settle();
  CHECK_FALSE(answer);
  sim.hold_commits(false);
  sim.settle();
  REQUIRE(answer);
  sim.crash_and_restart();
  sim.must(one, add(0));
  result<message_ptr> state{errc::internal_error};
  sim.inspect().snapshot(one, [&](result<message_ptr> seen) { state = std::move(seen); });
  sim.settle();
  REQUIRE(state);
  CHECK(dynamic_cast<const StringValue&>(**state).value() == "kept");
}

TEST_CASE(
    "slot: a crash answers the message that caused it and those behind it, and the next one finds a fresh entity") {
  sim_node sim(counters());
  sim.must(one, add(5));
  result<std::shared_ptr<const Empty>> crashed{errc::internal_error};
  result<std::shared_ptr<const Int64Value>> behind{errc::internal_error};
  sim.ask_later(one, BoolValue{}, &crashed);
  sim.ask_later(one, add(1), &behind);
  sim.settle();
  CHECK(crashed.code() == errc::unavailable);
  REQUIRE_FALSE(behind);
  CHECK(behind.code() == errc::unavailable);
  CHECK((*sim.ask(one, add(1)))->value() == 1);
  REQUIRE(list(sim).size() == 1);
  CHECK(list(sim)[0].crashes == 1);
  CHECK(list(sim)[0].reason == "told to crash (in BoolValue from outside)");
}

TEST_CASE("slot: past the budget an entity is quarantined alone, says so, and can be released") {
  node_options options;
  options.restarts = {2, seconds(60)};
  sim_node sim(counters(), options);
  for (int i = 0; i < 3; ++i) CHECK(sim.ask(one, BoolValue{}).code() == errc::unavailable);
  const auto refused = sim.ask(one, add(1));
  REQUIRE_FALSE(refused);
  CHECK(refused.code() == errc::quarantined);
  CHECK(refused.failure().detail.find("told to crash") != std::string::npos);
  CHECK(sim.ask(two, add(1)).ok());
  result<> released{errc::internal_error};
  sim.inspect().restart(one, [&](result<> outcome) { released = std::move(outcome); });
  sim.settle();
  CHECK(released.ok());
  CHECK(sim.ask(one, add(1)).ok());
}

TEST_CASE("slot: a quarantine ends by itself") {
  node_options options;
  options.restarts = {0, seconds(60)};
  options.quarantine = seconds(30);
  sim_node sim(counters(), options);
  CHECK(sim.ask(one, BoolValue{}).code() == errc::unavailable);
  sim.advance(seconds(29));
  CHECK(sim.ask(one, add(1)).code() == errc::quarantined);
  sim.advance(seconds(2));
  CHECK(sim.ask(one, add(1)).ok());
}

TEST_CASE("slot: past active_max the idle entities go early") {
  node_options options;
  options.active_max = 10;
  options.passivate_after = seconds(4);
  sim_node sim(counters(), options);
  for (std::uint64_t id = 1; id <= 20; ++id) sim.must({entity_kind::user, id}, add(1));
  sim.advance(seconds(2));
  CHECK(sim.inspect().figures().entities < 20);
}

TEST_CASE("slot: a node that has forgotten a crash after the period gives the whole budget again") {
  node_options options;
  options.restarts = {1, seconds(10)};
  options.passivate_after = seconds(60);
  sim_node sim(counters(), options);
  for (int i = 0; i < 5; ++i) {
    CHECK(sim.ask(one, BoolValue{}).code() == errc::unavailable);
    sim.advance(seconds(11));
  }
  CHECK(sim.ask(one, add(1)).ok());
}

TEST_CASE("slot: a silent entity is passivated, and its next message brings it back") {
  node_options options;
  options.passivate_after = seconds(10);
  sim_node sim(counters(), options);
  sim.must(one, text("kept"));
  sim.advance(seconds(9));
  CHECK(list(sim).size() == 1);
  sim.advance(seconds(6));
  CHECK(list(sim).empty());
  CHECK(sim.inspect().figures().entities == 0);
  CHECK((*sim.ask(one, add(4)))->value() == 4);
}

TEST_CASE("slot: an entity with a commit in flight is not passivated") {
  node_options options;
  options.passivate_after = seconds(10);
  sim_node sim(counters(), options);
  sim.hold_commits(true);
  result<std::shared_ptr<const StringValue>> answer{errc::internal_error};
  sim.ask_later(one, text("slow"), &answer, seconds(1000));
  sim.advance(seconds(60));
  CHECK(list(sim).size() == 1);
  sim.hold_commits(false);
  sim.settle();
  CHECK(answer.ok());
}

TEST_CASE("slot: wakes come once, at their time, and not to an entity that has gone") {
  node_options options;
  options.passivate_after = seconds(600);
  sim_node sim(counters(), options);
  sim.must(one, wake(500));
  sim.advance(milliseconds(400));
  CHECK((*sim.ask(one, wake(0)))->value() == 0);
  sim.advance(milliseconds(200));
  CHECK((*sim.ask(one, wake(0)))->value() == 1);
  sim.advance(seconds(5));
  CHECK((*sim.ask(one, wake(0)))->value() == 1);
}

TEST_CASE("slot: a publication reaches the node that subscribed, in order, and nobody after it has unsubscribed") {
  sim_node sim(counters());
  sim.must(one, text("unheard"));
  sim.door().subscribe(one, [](result<> outcome) { CHECK(outcome.ok()); });
  sim.settle();
  for (int i = 0; i < 3; ++i) sim.must(one, text("heard"));
  REQUIRE(sim.published().size() == 3);
  CHECK(sim.published()[0]->seq == 2);
  CHECK(sim.published()[2]->seq == 4);
  sim.door().unsubscribe(one);
  sim.must(one, text("unheard"));
  CHECK(sim.published().size() == 3);
}

TEST_CASE("slot: the subscription outlives the entity") {
  node_options options;
  options.passivate_after = seconds(10);
  sim_node sim(counters(), options);
  sim.door().subscribe(one, {});
  sim.must(one, text("a"));
  CHECK_FALSE(sim.ask(one, BoolValue{}));
  sim.advance(seconds(20));
  sim.must(one, text("b"));
  CHECK(sim.published().size() == 2);
}

TEST_CASE("slot: an ask that nobody answers in time is answered with deadline_exceeded") {
  sim_node sim(counters());
  sim.hold_commits(true);
  result<std::shared_ptr<const StringValue>> answer{errc::internal_error};
  sim.ask_later(one, text("slow"), &answer, seconds(2));
  sim.advance(seconds(1));
  CHECK(answer.code() == errc::internal_error);
  sim.advance(seconds(2));
  CHECK(answer.code() == errc::deadline_exceeded);
}

TEST_CASE("slot: a full mailbox refuses at once and says which") {
  node_options options;
  options.entity_mailbox_max = 3;
  sim_node sim(counters(), options);
  std::vector<result<std::shared_ptr<const Int64Value>>> answers(8, errc::internal_error);
  for (auto& each : answers) sim.ask_later(one, add(1), &each);
  sim.settle();
  int done_count = 0, refused = 0;
  for (auto& each : answers) {
    if (each)
      ++done_count;
    else if (each.code() == errc::overloaded)
      ++refused;
  }
  CHECK(done_count + refused == 8);
  CHECK(refused >= 1);
  CHECK(sim.ask(one, add(1)).ok());
}

TEST_CASE("entity: a failed commit answers what was in flight, and a fresh incarnation follows from the store") {
  sim_node sim(counters());
  REQUIRE(sim.ask(one, text("first")).ok());
  sim.hold_commits(true);
  std::vector<result<std::shared_ptr<const StringValue>>> answers(3, errc::internal_error);
  for (auto& each : answers) sim.ask_later(one, text("lost"), &each);
  sim.settle();
  sim.faults().commits.fail(1, 1, {errc::storage_full, "the disk is full"});
  sim.hold_commits(false);
  sim.settle();
  for (auto& each : answers) {
    REQUIRE_FALSE(each);
    CHECK(each.code() == errc::storage_full);
  }
  result<message_ptr> state{errc::internal_error};
  sim.must(one, add(0));
  sim.inspect().snapshot(one, [&](result<message_ptr> seen) { state = std::move(seen); });
  sim.settle();
  REQUIRE(state);
  CHECK(dynamic_cast<const StringValue&>(**state).value() == "first");
  CHECK(sim.ask(one, text("second")).ok());
}

TEST_CASE("entity: a store that can't be read answers the messages that wait, and the next one tries again") {
  sim_node sim(counters());
  sim.faults().reads.fail(1, 1, {errc::service_unavailable, "away"});
  CHECK(sim.ask(one, add(1)).code() == errc::service_unavailable);
  CHECK(sim.ask(one, add(1)).ok());
}

TEST_CASE("trace: it records what comes in, and switches itself off after its count or its time") {
  sim_node sim(counters());
  sim.inspect().start_trace(one, 2, seconds(10));
  sim.must(two, add(1));
  sim.must(one, add(1));
  sim.must(one, text("x"));
  sim.must(one, add(1));
  const auto seen = sim.inspect().read_trace();
  REQUIRE(seen.size() == 2);
  CHECK(seen[0].message == "google.protobuf.Int64Value");
  CHECK(seen[1].message == "google.protobuf.StringValue");
  CHECK(seen[1].is_ask);
  sim.inspect().start_trace(std::nullopt, 100, seconds(1));
  sim.advance(seconds(2));
  sim.must(one, add(1));
  CHECK(sim.inspect().read_trace().empty());
}

TEST_CASE("node: stopping answers whoever waits") {
  result<std::shared_ptr<const StringValue>> answer{errc::internal_error};
  {
    sim_node sim(counters());
    sim.hold_commits(true);
    sim.ask_later(one, text("never"), &answer);
    sim.settle();
  }
  CHECK_FALSE(answer);
}

}  // namespace throng
