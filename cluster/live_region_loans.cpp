// SPDX-License-Identifier: Apache-2.0
// What a REGION does for entities that run elsewhere than their slots: it tells SLOTs of the pins, carries what the
// lender and its guest tell each other, and ends guests whose lender has lost the slot or its life.
#include <algorithm>
#include <utility>

#include <caf/send.hpp>
#include <google/protobuf/message.h>

#include "cluster/live_region.hpp"
#include "config/log.hpp"

namespace throng {

using std::chrono::milliseconds;

// -- pins
// --------------------------------------------------------------------------------------------------------------

void live_region::apply_pins(const std::vector<entity_pin>& pins) {
  std::lock_guard lock(gates_mutex_);
  auto before = std::exchange(pins_, {});
  for (const auto& each : pins)
    if (each.node != services_.self) pins_[slot_of(each.key)][each.key] = each.node;
  for (const auto& [slot, wanted] : pins_) {
    const auto known = before.find(slot);
    if ((known == before.end() || known->second != wanted) && gates_.is_open(slot)) tell_pins(slot);
    before.erase(slot);
  }
  for (const auto& [slot, none] : before)
    if (gates_.is_open(slot)) tell_pins(slot);
}

/// REQUIRES: the gates' lock, and that the slot is open: what the SLOT hears is true until it is drained.
void live_region::tell_pins(slot_id slot) {
  const auto wanted = pins_.find(slot);
  if (wanted == pins_.end() && !slots_.find(slot)) return;
  slots_.send(slot, {slot_pins{wanted == pins_.end() ? std::map<entity_key, node_index>() : wanted->second}});
}

void live_region::note_incarnations(const std::vector<node_identity>& members) {
  std::lock_guard lock(loans_mutex_);
  incarnations_.clear();
  for (const auto& each : members) incarnations_[each.node] = each.incarnation;
}

void live_region::renew_epoch(slot_id slot, epoch_t epoch) {
  std::lock_guard lock(loans_mutex_);
  lost_[slot] = epoch;
}

void live_region::forget_lost_loans(const std::vector<slot_id>& slots) {
  std::lock_guard lock(loans_mutex_);
  for (auto slot : slots) lost_.erase(slot);
}

std::vector<fence> live_region::lost_loans() const {
  std::lock_guard lock(loans_mutex_);
  std::vector<fence> all;
  for (const auto& [slot, epoch] : lost_) all.push_back({slot, epoch});
  return all;
}

// -- what a SLOT sends to who has borrowed of it
// ---------------------------------------------------------------------------------

bool live_region::lend(node_index to, epoch_t epoch, const entity_handover& what) {
  return between_->post(to, encode(loan_parcel{loan_parcel::step_t::start, epoch, what}));
}

bool live_region::recall(node_index from, epoch_t epoch, entity_key key) {
  loan_parcel recall{loan_parcel::step_t::recall, epoch, {}};
  recall.entity.key = key;
  return between_->post(from, encode(recall));
}

void live_region::check(node_index at, epoch_t epoch, entity_key key) {
  loan_parcel check{loan_parcel::step_t::check, epoch, {}};
  check.entity.key = key;
  (void)between_->post(at, encode(check));  // there will be another
}

namespace {

letter_parcel passed_letter(const envelope& message, epoch_t loan, steady_time now) {
  letter_parcel letter;
  letter.to = message.to;
  letter.from = message.from;
  letter.correlation = message.correlation;
  letter.origin = message.path.origin;
  if (message.deadline != steady_time{}) letter.timeout = std::chrono::ceil<milliseconds>(message.deadline - now);
  letter.asked = message.path.asked;
  letter.message = message.message;
  letter.loan = loan;
  return letter;
}

error too_much_for(node_index node) {
  return {errc::overloaded, "too much waits for node " + std::to_string(node.value) + ", or it is gone"};
}

}  // namespace

std::optional<error> live_region::pass_on(node_index to, epoch_t epoch, const slot_mail& what) {
  parcel passed;
  std::shared_ptr<reply_handle> reply;
  if (const auto* change = std::get_if<slot_subscription>(&what)) {
    passed = subscription_parcel{change->stream, change->wanted, change->correlation, change->node, 0, 0, epoch};
    reply = change->reply;
    note_sent(to, change->node, change->correlation, now() + subscription_timeout);
  } else {
    const auto& message = *std::get<std::shared_ptr<const envelope>>(what);
    passed = passed_letter(message, epoch, now());
    reply = message.reply;
    note_sent(to, message.path.origin, message.correlation, message.deadline);
  }
  if (!between_->post(to, encode(passed))) {
    services_.counters.refused.fetch_add(1, std::memory_order_relaxed);
    return too_much_for(to);
  }
  if (reply) reply->forget();  // who has it answers
  return std::nullopt;
}

// -- guests of this node
// --------------------------------------------------------------------------------------------------

void live_region::receive(node_index from, loan_parcel& in, std::optional<error>) {
  const auto slot = slot_of(in.entity.key);
  const guest_set::loan guest{in.entity.key, in.epoch, from};
  switch (in.step) {
    case loan_parcel::step_t::start: {
      const auto kind = static_cast<std::size_t>(in.entity.key.kind);
      const bool is_known = kind < services_.factories.size() && services_.factories[kind];
      const auto shell = is_known && !services_.is_stopping.load() ? guests_.begin(guest) : nullptr;
      if (shell) {
        caf::anon_send(shell->actor, slot_input{slot_guest_begin{std::move(in.entity)}});
        return;
      }
      log::warn("{} of node {} can't be a guest here", to_text(in.entity.key), from.value);
      give_back(guest, {std::move(in.entity), {}});
      return;
    }
    case loan_parcel::step_t::recall:
    case loan_parcel::step_t::check: {
      std::lock_guard lock(returning_mutex_);
      if (!guests_.find(guest.key, guest.epoch))
        say_absent(guest);
      else if (in.step == loan_parcel::step_t::recall)
        end_guest(guest);
      return;
    }
    case loan_parcel::step_t::returned:
    case loan_parcel::step_t::absent:
      if (auto* shell = slots_.find(slot))
        caf::anon_send(shell->actor, slot_input{slot_loan_returned{in.epoch, from, std::move(in.entity),
                                                                   in.step == loan_parcel::step_t::absent}});
      return;
  }
}

/// It has been given back, and its lender doesn't know; or it was lent to an incarnation of this node before, which may
/// still live: so its lender can't just take it.
/// REQUIRES: the lock of returns.
void live_region::say_absent(const guest_set::loan& guest) {
  {
    std::lock_guard lock(loans_mutex_);
    for (const auto& each : unsent_)  // what it has left is still to come
      if (each.lender == guest.lender && each.key == guest.key && each.epoch == guest.epoch) return;
  }
  loan_parcel absent{loan_parcel::step_t::absent, guest.epoch, {}};
  absent.entity.key = guest.key;
  (void)between_->post(guest.lender, encode(absent));  // the next check says so again
}

/// False: the link takes nothing.
bool live_region::send_back(const guest_set::loan& guest, const envelope& unread) {
  auto letter = passed_letter(unread, guest.epoch, now());
  letter.is_returned = true;
  if (!between_->post(guest.lender, encode(letter))) return false;
  if (unread.reply) unread.reply->forget();
  return true;
}

void live_region::receive_lent(node_index from, std::shared_ptr<const envelope> message, epoch_t epoch) {
  const auto refuse = [&](error why) {
    if (message->reply) message->reply->answer(std::move(why));
  };
  std::unique_lock lock(returning_mutex_);
  const auto shell = guests_.find(message->to, epoch);
  if (!shell) {  // nobody has begun with it: it goes wherever its lender finds that it should
    const guest_set::loan absent{message->to, epoch, from};
    if (!send_back(absent, *message)) refuse(too_much_for(from));
    return say_absent(absent);
  }
  lock.unlock();
  if (shell->mailbox.load(std::memory_order_relaxed) >= services_.options.slot_mailbox_max) {
    services_.counters.refused.fetch_add(1, std::memory_order_relaxed);
    return refuse(
        {errc::overloaded, "the mailbox of the guests of slot " + std::to_string(shell->slot.value) + " is full"});
  }
  shell->mailbox.fetch_add(1, std::memory_order_relaxed);
  caf::anon_send(shell->actor, slot_input{std::move(message)});
}

void live_region::receive_lent(slot_subscription change, epoch_t epoch) {
  if (const auto shell = guests_.find(change.stream, epoch))
    caf::anon_send(shell->actor, slot_input{std::move(change)});
  else if (change.reply)
    change.reply->answer(error{errc::unavailable, to_text(change.stream) + " has moved"});
}

void live_region::receive_returned(node_index from, std::shared_ptr<const envelope> message, epoch_t epoch) {
  note_sent(services_.self, message->path.origin, message->correlation, message->deadline);
  if (auto* shell = slots_.find(slot_of(message->to)))
    caf::anon_send(shell->actor, slot_input{slot_mail_returned{epoch, from, std::move(message)}});
  else if (message->reply)
    message->reply->answer(error{errc::unavailable, to_text(message->to) + " has moved"});
}

void live_region::end_guest(const guest_set::loan& guest) {
  if (const auto shell = guests_.find(guest.key, guest.epoch))
    caf::anon_send(shell->actor, slot_input{slot_guest_end{guest.key, [this, guest](entity_remains left) {
                                                             give_back(guest, std::move(left));
                                                           }}});
}

/// Called by the SLOT of guests, when nothing of it is left there.
void live_region::give_back(const guest_set::loan& guest, entity_remains left) {
  std::lock_guard lock(returning_mutex_);
  guests_.end(guest);  // first: it may be lent again as soon as it is back
  for (const auto& each : left.unread)
    if (!send_back(guest, *each) && each->reply) each->reply->answer(too_much_for(guest.lender));
  left.handover.key = guest.key;
  auto bytes = encode(loan_parcel{loan_parcel::step_t::returned, guest.epoch, std::move(left.handover)});
  if (between_->post(guest.lender, bytes)) return;
  std::lock_guard lock_loans(loans_mutex_);
  const auto lender = incarnations_.find(guest.lender);  // one that is gone doesn't wait for it
  if (lender != incarnations_.end() && unsent_.size() < guest_set::guests_max)
    unsent_.push_back({guest.lender, lender->second, guest.key, guest.epoch, std::move(bytes)});
}

void live_region::tend_guests(steady_time now) {
  send_returns();
  guests_.forget_ended();
  if (guests_.size() == 0) return;
  std::vector<guest_set::loan> over;
  {
    std::lock_guard lock(gates_mutex_);
    auto since = std::exchange(superseded_, {});
    over = guests_.list([&](const guest_set::loan& loan) {
      const auto slot = slot_of(loan.key);
      if (gates_.epoch_of(slot) <= loan.epoch) return false;
      // Its lender calls it back, if it can.
      const auto known = since.find({slot, loan.epoch});
      const auto begun = superseded_[{slot, loan.epoch}] = known == since.end() ? now : known->second;
      return now - begun >= guest_grace;
    });
  }
  for (const auto& each : over) end_guest(each);
}

/// What a link didn't take, until that incarnation of the lender is here again, or is followed by another.
void live_region::send_returns() {
  std::lock_guard lock(loans_mutex_);
  std::erase_if(unsent_, [this](const unsent_return& each) {
    const auto lender = incarnations_.find(each.lender);
    return lender == incarnations_.end() || lender->second != each.incarnation ||
           between_->post(each.lender, each.parcel);
  });
}

}  // namespace throng
