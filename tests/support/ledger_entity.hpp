// SPDX-License-Identifier: Apache-2.0
// LEDGER: an entity for tests of what carries entities. It numbers what it is told to append, commits that as an event
// of its stream, publishes it, and crashes, asks, reads and wakes as it is told. What it notes is in memory only, and
// goes along when it is moved.
#pragma once

#include <google/protobuf/empty.pb.h>
#include <google/protobuf/wrappers.pb.h>

#include "cluster/node.hpp"
#include "cluster/protocol.hpp"

THRONG_RPC(google::protobuf::BytesValue, google::protobuf::UInt64Value);   // append; its number, after the commit
THRONG_RPC(google::protobuf::BoolValue, google::protobuf::Empty);          // crash; in a read if true
THRONG_RPC(google::protobuf::FloatValue, google::protobuf::UInt64Value);   // the last number in the store
THRONG_RPC(google::protobuf::DoubleValue, google::protobuf::UInt64Value);  // the last number of another, by its id
THRONG_RPC(google::protobuf::UInt32Value, google::protobuf::UInt64Value);  // wake after n ms (0: don't); wakes so far
THRONG_RPC(google::protobuf::StringValue, google::protobuf::StringValue);  // note; all notes so far, with | between

namespace throng::test {

using google::protobuf::BoolValue;
using google::protobuf::BytesValue;
using google::protobuf::DoubleValue;
using google::protobuf::Empty;
using google::protobuf::FloatValue;
using google::protobuf::StringValue;
using google::protobuf::UInt32Value;
using google::protobuf::UInt64Value;

template <class Message, class Value>
Message make(Value value) {
  Message message;
  message.set_value(std::move(value));
  return message;
}

constexpr entity_key ledger_key(std::uint64_t id) { return {entity_kind::user, id}; }

class ledger final : public entity {
 public:
  using entity::entity;

  task<result<>> load() override {
    auto end = co_await self().read<store_reader::stream_end>(
        [key = self().key()](store_reader& reader) { return reader.end_of(key); });
    if (!end) co_return end.failure();
    last_ = end->seq;
    co_return done;
  }
  void receive(std::shared_ptr<const envelope> message) override { handlers().dispatch(*this, std::move(message)); }
  void wake() override { ++wakes_; }
  message_ptr snapshot() const override { return share(make<UInt64Value>(last_)); }
  message_ptr handover() const override {
    if (notes_ == "poison") throw std::runtime_error("told to crash in a handover");
    return notes_.empty() ? nullptr : share(make<StringValue>(notes_));
  }
  void take_over(const google::protobuf::Message& handed) override {
    if (const auto* notes = dynamic_cast<const StringValue*>(&handed)) notes_ = notes->value();
  }

  task<result<UInt64Value>> append(const BytesValue& request, const envelope&) {
    const auto seq = ++last_;
    std::vector<write_op> ops;
    ops.push_back(insert_event{{self().key(), seq, self().wall(), request.value()}});
    auto committed = co_await self().commit(std::move(ops));
    if (!committed) co_return committed.failure();
    self().publish(std::make_shared<publication>(
        publication{self().key(), self().epoch(), seq, delivery_class::message, 0, share(BytesValue(request))}));
    co_return make<UInt64Value>(seq);
  }
  task<result<Empty>> crash(const BoolValue& request, const envelope&) {
    if (!request.value()) throw std::runtime_error("told to crash");
    co_await self().read<unit>([](store_reader&) -> result<> { throw std::runtime_error("told to crash in a read"); });
    co_return Empty{};
  }
  task<result<UInt64Value>> stored(const FloatValue&, const envelope&) {
    auto end = co_await self().read<store_reader::stream_end>(
        [key = self().key()](store_reader& reader) { return reader.end_of(key); });
    if (!end) co_return end.failure();
    co_return make<UInt64Value>(end->seq);
  }
  task<result<UInt64Value>> stored_of(const DoubleValue& request, const envelope&) {
    auto answer = co_await self().ask(ledger_key(static_cast<std::uint64_t>(request.value())), make<FloatValue>(0.0f),
                                      std::chrono::seconds(5));
    if (!answer) co_return answer.failure();
    co_return **answer;
  }
  result<UInt64Value> wake_me(const UInt32Value& request, const envelope&) {
    if (request.value()) self().wake_after(std::chrono::milliseconds(request.value()));
    return make<UInt64Value>(wakes_);
  }
  result<StringValue> note(const StringValue& request, const envelope&) {
    if (!request.value().empty()) notes_ += (notes_.empty() ? "" : "|") + request.value();
    return make<StringValue>(notes_);
  }

  static node::kinds kinds() {
    return {{entity_kind::user, [](entity_context& self) { return std::make_unique<ledger>(self); }}};
  }

 private:
  static const protocol<ledger>& handlers() {
    static const protocol<ledger> table{on(&ledger::append),    on(&ledger::crash),   on(&ledger::stored),
                                        on(&ledger::stored_of), on(&ledger::wake_me), on(&ledger::note)};
    return table;
  }

  seq_t last_ = 0;
  std::uint64_t wakes_ = 0;
  std::string notes_;
};

}  // namespace throng::test
