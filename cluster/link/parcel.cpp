// SPDX-License-Identifier: Apache-2.0
#include "cluster/link/parcel.hpp"

#include <algorithm>

#include <google/protobuf/message.h>

#include "cluster/link/message_codec.hpp"
#include "cluster/proto/cluster.pb.h"

namespace throng {

namespace {

void put(entity_key key, EntityKey& into) {
  into.set_kind(static_cast<std::uint32_t>(key.kind));
  into.set_id(key.id);
}

entity_key key_of(const EntityKey& from) { return {static_cast<entity_kind>(from.kind()), from.id()}; }

// -- out

std::uint32_t wire_ms(std::chrono::milliseconds time) {
  return static_cast<std::uint32_t>(std::clamp<std::int64_t>(time.count(), 0, UINT32_MAX));
}

void put(const letter_parcel& letter, Parcel& into) {
  auto& out = *into.mutable_letter();
  put(letter.to, *out.mutable_to());
  if (letter.from.id != 0) put(letter.from, *out.mutable_from());
  out.set_correlation(letter.correlation);
  out.set_origin(letter.origin.value);
  out.set_timeout_ms(wire_ms(letter.timeout));
  out.set_asked(letter.asked.time_since_epoch().count());
  out.set_table_version(letter.table_version);
  out.set_hops(letter.hops);
  encode_message(*letter.message, *out.mutable_message());
  out.set_loan(letter.loan);
  out.set_is_returned(letter.is_returned);
  for (auto node : letter.via) out.add_via(node.value);
  out.set_was_taken(letter.was_taken);
}

void put(const answer_parcel& answer, Parcel& into) {
  auto& out = *into.mutable_answer();
  out.set_correlation(answer.correlation);
  if (!answer.outcome) {
    out.set_error(static_cast<std::uint32_t>(answer.outcome.code()));
    out.set_detail(answer.outcome.failure().detail);
  } else if (*answer.outcome) {
    encode_message(**answer.outcome, *out.mutable_message());
  }
}

void put(const publication_ptr& published, Parcel& into) {
  auto& out = *into.mutable_published();
  put(published->stream, *out.mutable_stream());
  out.set_epoch(published->epoch);
  out.set_seq(published->seq);
  out.set_priority(static_cast<std::uint32_t>(published->priority));
  out.set_skip_connection(published->skip_connection);
  encode_message(*published->event, *out.mutable_event());
}

void put(const subscription_parcel& change, Parcel& into) {
  auto& out = *into.mutable_subscription();
  put(change.stream, *out.mutable_stream());
  out.set_wanted(change.wanted);
  out.set_correlation(change.correlation);
  out.set_origin(change.origin.value);
  out.set_table_version(change.table_version);
  out.set_hops(change.hops);
  out.set_loan(change.loan);
}

void put(const barrier_parcel& barrier, Parcel& into) {
  auto& out = *into.mutable_barrier();
  out.set_slot(barrier.slot.value);
  out.set_barrier(barrier.barrier);
  out.set_origin(barrier.origin.value);
  out.set_table_version(barrier.table_version);
  out.set_hops(barrier.hops);
}

void put(const barrier_passed_parcel& passed, Parcel& into) {
  into.mutable_barrier_passed()->set_slot(passed.slot.value);
  into.mutable_barrier_passed()->set_barrier(passed.barrier);
}

void put(const release_parcel& release, Parcel& into) {
  into.mutable_release()->set_slot(release.slot.value);
  into.mutable_release()->set_table_version(release.table_version);
}

void put(const released_parcel& released, Parcel& into) { into.mutable_released()->set_slot(released.slot.value); }

void put(const node_ask_parcel& ask, Parcel& into) {
  auto& out = *into.mutable_node_ask();
  out.set_correlation(ask.correlation);
  out.set_timeout_ms(wire_ms(ask.timeout));
  out.set_request(ask.request);
}

void put(const node_answer_parcel& answer, Parcel& into) {
  auto& out = *into.mutable_node_answer();
  out.set_correlation(answer.correlation);
  out.set_is_last(answer.is_last);
  if (!answer.part) {
    out.set_error(static_cast<std::uint32_t>(answer.part.code()));
    out.set_detail(answer.part.failure().detail);
  } else {
    out.set_part(*answer.part);
  }
}

void put(const entity_handover& handed, SlotHandover::Entity& entity) {
  put(handed.key, *entity.mutable_key());
  entity.set_state(handed.state);
  if (handed.wakes_in) entity.set_wakes_in_ms(wire_ms(*handed.wakes_in));
  entity.set_stays_active(handed.stays_active);
  for (auto node : handed.subscribers) entity.add_subscribers(node.value);
  if (!handed.trouble) return;
  auto& trouble = *entity.mutable_trouble();
  if (const auto left = handed.trouble->quarantine_left) trouble.set_quarantine_left_ms(wire_ms(*left));
  trouble.set_reason(handed.trouble->reason);
  trouble.set_crashes(handed.trouble->crashes);
  for (auto ago : handed.trouble->crashed_ago) trouble.add_crashed_ago_ms(wire_ms(ago));
}

void put(const handover_parcel& handed, Parcel& into) {
  auto& out = *into.mutable_handover();
  out.set_slot(handed.slot.value);
  for (const auto& each : handed.entities) put(each, *out.add_entities());
}

void put(const loan_parcel& loan, Parcel& into) {
  auto& out = *into.mutable_loan();
  out.set_step(static_cast<Loan::Step>(loan.step));
  out.set_epoch(loan.epoch);
  put(loan.entity, *out.mutable_entity());
}

void put(const passed_asks_parcel& passed, Parcel& into) {
  auto& out = *into.mutable_passed_asks();
  for (const auto& each : passed.asks) {
    auto& ask = *out.add_asks();
    ask.set_correlation(each.correlation);
    ask.set_node(each.at.node.value);
    ask.set_incarnation(each.at.incarnation);
  }
}

// -- in

node_index node_of(std::uint32_t number) { return {static_cast<std::uint16_t>(number)}; }

/// What a message field holds; what is wrong with it goes into `undecoded`.
message_ptr take(const AnyMessage& from, std::optional<error>& undecoded) {
  auto message = decode_message(from);
  if (message) return std::move(*message);
  undecoded = message.failure();
  return nullptr;
}

parcel take(const Letter& in, std::optional<error>& undecoded) {
  letter_parcel letter;
  letter.to = key_of(in.to());
  if (in.has_from()) letter.from = key_of(in.from());
  letter.correlation = in.correlation();
  letter.origin = node_of(in.origin());
  letter.timeout = std::chrono::milliseconds(in.timeout_ms());
  letter.asked = wall_time(std::chrono::microseconds(in.asked()));
  letter.table_version = in.table_version();
  letter.hops = in.hops();
  letter.message = take(in.message(), undecoded);
  letter.loan = in.loan();
  letter.is_returned = in.is_returned();
  for (auto node : in.via()) letter.via.push_back(node_of(node));
  letter.was_taken = in.was_taken();
  return letter;
}

parcel take(const Answer& in, std::optional<error>& undecoded) {
  answer_parcel answer;
  answer.correlation = in.correlation();
  if (in.error() != 0) {
    const auto code = errc_of(static_cast<std::uint16_t>(in.error()));
    answer.outcome = error{code.value_or(errc::internal_error), in.detail()};
  } else if (in.has_message()) {
    auto message = take(in.message(), undecoded);
    answer.outcome = message ? result<message_ptr>(std::move(message)) : result<message_ptr>(*undecoded);
  }
  return answer;
}

parcel take(const Published& in, std::optional<error>& undecoded) {
  auto published = std::make_shared<publication>();
  published->stream = key_of(in.stream());
  published->epoch = in.epoch();
  published->seq = in.seq();
  published->priority = static_cast<delivery_class>(std::min<std::uint32_t>(in.priority(), 2));
  published->skip_connection = in.skip_connection();
  published->event = take(in.event(), undecoded);
  return publication_ptr(std::move(published));
}

parcel take(const Subscription& in) {
  return subscription_parcel{key_of(in.stream()), in.wanted(), in.correlation(), node_of(in.origin()),
                             in.table_version(),  in.hops(),   in.loan()};
}

parcel take(const NodeAsk& in) {
  return node_ask_parcel{in.correlation(), std::chrono::milliseconds(in.timeout_ms()), in.request()};
}

parcel take(const NodeAnswer& in) {
  node_answer_parcel answer{in.correlation(), in.is_last(), in.part()};
  if (in.error() != 0) {
    const auto code = errc_of(static_cast<std::uint16_t>(in.error()));
    answer.part = error{code.value_or(errc::internal_error), in.detail()};
  }
  return answer;
}

entity_handover take(const SlotHandover::Entity& in) {
  entity_handover entity{key_of(in.key()), in.state(), std::nullopt, in.stays_active(), {}, {}};
  for (auto node : in.subscribers()) entity.subscribers.push_back(node_of(node));
  if (in.has_wakes_in_ms()) entity.wakes_in = std::chrono::milliseconds(in.wakes_in_ms());
  if (!in.has_trouble()) return entity;
  auto& trouble = entity.trouble.emplace();
  if (in.trouble().has_quarantine_left_ms())
    trouble.quarantine_left = std::chrono::milliseconds(in.trouble().quarantine_left_ms());
  trouble.reason = in.trouble().reason();
  trouble.crashes = in.trouble().crashes();
  for (auto ago : in.trouble().crashed_ago_ms()) trouble.crashed_ago.emplace_back(ago);
  return entity;
}

parcel take(const SlotHandover& in) {
  handover_parcel handed{slot_id{static_cast<std::uint16_t>(in.slot())}, {}};
  for (const auto& each : in.entities()) handed.entities.push_back(take(each));
  return handed;
}

parcel take(const PassedAsks& in) {
  passed_asks_parcel passed;
  for (const auto& each : in.asks())
    passed.asks.push_back({each.correlation(), {node_of(each.node()), each.incarnation()}});
  return passed;
}

result<loan_parcel> take(const Loan& in) {
  if (in.step() < Loan::START || in.step() > Loan::CHECK || in.epoch() == 0)
    return error{errc::unknown_message, "a step of a loan that this version doesn't know"};
  return loan_parcel{static_cast<loan_parcel::step_t>(in.step()), in.epoch(), take(in.entity())};
}

}  // namespace

std::string encode(const parcel& what) {
  Parcel message;
  std::visit([&](const auto& one) { put(one, message); }, what);
  return message.SerializeAsString();
}

result<decoded_parcel> decode_parcel(std::string_view bytes) {
  Parcel in;
  if (bytes.size() > INT32_MAX || !in.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
    return error{errc::unknown_message, "these bytes are no parcel"};
  const auto slot_named = [](std::uint32_t number) { return slot_id{static_cast<std::uint16_t>(number)}; };
  decoded_parcel out;
  switch (in.what_case()) {
    case Parcel::kLetter:
      out.what = take(in.letter(), out.undecoded);
      return out;
    case Parcel::kAnswer:
      out.what = take(in.answer(), out.undecoded);
      return out;
    case Parcel::kPublished:
      out.what = take(in.published(), out.undecoded);
      return out;
    case Parcel::kSubscription:
      out.what = take(in.subscription());
      return out;
    case Parcel::kNodeAsk:
      out.what = take(in.node_ask());
      return out;
    case Parcel::kNodeAnswer:
      out.what = take(in.node_answer());
      return out;
    case Parcel::kPassedAsks:
      out.what = take(in.passed_asks());
      return out;
    case Parcel::kLoan: {
      auto loan = take(in.loan());
      if (!loan) return loan.failure();
      out.what = std::move(*loan);
      return out;
    }
    default:
      break;
  }
  const auto slot = in.has_barrier()          ? in.barrier().slot()
                    : in.has_barrier_passed() ? in.barrier_passed().slot()
                    : in.has_release()        ? in.release().slot()
                    : in.has_handover()       ? in.handover().slot()
                                              : in.released().slot();
  if (slot >= slot_count) return error{errc::unknown_message, "a parcel for slot " + std::to_string(slot)};
  switch (in.what_case()) {
    case Parcel::kBarrier:
      out.what = barrier_parcel{slot_named(slot), in.barrier().barrier(), node_of(in.barrier().origin()),
                                in.barrier().table_version(), in.barrier().hops()};
      return out;
    case Parcel::kBarrierPassed:
      out.what = barrier_passed_parcel{slot_named(slot), in.barrier_passed().barrier()};
      return out;
    case Parcel::kRelease:
      out.what = release_parcel{slot_named(slot), in.release().table_version()};
      return out;
    case Parcel::kReleased:
      out.what = released_parcel{slot_named(slot)};
      return out;
    case Parcel::kHandover:
      out.what = take(in.handover());
      return out;
    default:
      return error{errc::unknown_message, "a parcel of a kind that this version doesn't know"};
  }
}

}  // namespace throng
