// SPDX-License-Identifier: Apache-2.0
#include "cluster/live_region.hpp"

#include <algorithm>
#include <set>
#include <shared_mutex>
#include <thread>
#include <utility>

#include <caf/send.hpp>
#include <google/protobuf/message.h>

#include "cluster/surely.hpp"
#include "config/log.hpp"
#include "storage/model/assert.hpp"

namespace throng {

using std::chrono::milliseconds;

namespace {

constexpr milliseconds raise_again_after{200};
constexpr milliseconds renew_again_after{500};
constexpr std::size_t handover_bytes = 256u << 10;  // in one parcel, if its first entity hasn't more
constexpr std::size_t handovers_waiting_max = 32u
                                              << 20;  // on one link, half of what may wait there: letters matter more

}  // namespace

// -- items
// -------------------------------------------------------------------------------------------------------------

/// A message to an entity, with what it takes to answer it.
class live_region::letter_item final : public slot_item {
 public:
  std::size_t bytes() const override { return 128 + static_cast<std::size_t>(message->ByteSizeLong()); }

  entity_key to, from;
  std::uint64_t correlation = 0;  // as origin calls it; 0: a tell
  steady_time deadline{};
  journey path;
  message_ptr message;
};

class live_region::subscription_item final : public slot_item {
 public:
  std::size_t bytes() const override { return 128; }

  entity_key stream;
  bool wanted = true;
  std::uint64_t correlation = 0;  // as origin calls it
};

/// Where answers go. A reply may outlive the region: the commit that it waits for is dropped after the node.
class live_region::answer_desk {
 public:
  answer_desk(node_index self, std::shared_ptr<pending_asks> asks, links* between)
      : self_(self), asks_(std::move(asks)), between_(between) {}

  void answer(node_index origin, std::uint64_t correlation, result<message_ptr> outcome) {
    if (origin == self_) {
      asks_->resolve(correlation, std::move(outcome));
      return;
    }
    auto bytes = encode(answer_parcel{correlation, std::move(outcome)});
    std::shared_lock lock(mutex_);
    if (between_) (void)between_->post(origin, std::move(bytes));  // a lost answer is its asker's deadline
  }
  void close() {
    std::unique_lock lock(mutex_);
    between_ = nullptr;
  }

 private:
  const node_index self_;
  const std::shared_ptr<pending_asks> asks_;
  std::shared_mutex mutex_;
  links* between_;
};

live_region::live_region(node_services& services, slot_set& slots, guest_set& guests, links* between,
                         fence_raiser raise, std::function<void(const node_identity&, bool)> on_link_state,
                         std::function<void(const node_identity&)> on_peer_gone)
    : services_(services),
      slots_(slots),
      guests_(guests),
      between_(between),
      answers_(std::make_shared<answer_desk>(services.self, services.asks, between)),
      peers_(std::make_shared<node_asks>(services.self, between, services.clock)),
      raise_(std::move(raise)),
      gates_(services.self, {}) {
  if (!between_) return;
  between_->listen(
      {[this](node_index from, std::string_view bytes) { on_parcel(from, bytes); },
       [this, told = std::move(on_link_state)](const node_identity& peer, bool is_up) {
         peers_->link_changed(peer, is_up);
         if (told) told(peer, is_up);
       },
       [this](const node_identity& peer, const std::vector<std::string>& parcels) { on_lost(peer, parcels); },
       std::move(on_peer_gone)});
}

live_region::~live_region() {
  peers_->stop();
  answers_->close();
}

// -- what is sent from here
// ----------------------------------------------------------------------------------------------

bool live_region::tell_from(entity_key from, entity_key to, message_ptr message) {
  services_.counters.tells.fetch_add(1, std::memory_order_relaxed);
  letter_item letter;
  letter.to = to;
  letter.from = from;
  letter.message = std::move(message);
  return !send(to, letter);
}

void live_region::ask_from(entity_key from, entity_key to, message_ptr request, duration timeout,
                           answer_callback done) {
  services_.counters.asks.fetch_add(1, std::memory_order_relaxed);
  if (services_.is_stopping.load()) return done(errc::stopping);
  letter_item letter;
  letter.to = to;
  letter.from = from;
  letter.message = std::move(request);
  letter.deadline = services_.clock.now() + timeout;
  letter.path = {.origin = services_.self, .asked = wall()};
  pending_asks::repetition again;
  if (between_ && services_.may_repeat && services_.may_repeat(*letter.message))
    again = {from, to, letter.message, letter.path.asked};
  letter.correlation = services_.asks->add(letter.deadline, std::move(done), std::move(again));
  if (auto why = send(to, letter)) services_.asks->resolve(letter.correlation, std::move(*why));
}

/// Sends a letter of this node's own; takes what it holds, or says why not.
std::optional<error> live_region::send(entity_key to, letter_item& letter) {
  THRONG_ASSERT(static_cast<std::size_t>(to.kind) < services_.factories.size());
  THRONG_ASSERT(services_.factories[static_cast<std::size_t>(to.kind)]);
  if (services_.is_stopping.load()) return error{errc::stopping, {}};
  letter.origin = letter.came_from = services_.self;
  letter.is_from_within = letter.from.id != 0 && slot_of(letter.from) == slot_of(to);
  bool was_taken = false;
  auto why = take_route(slot_of(to), letter, was_taken);
  if (was_taken || why) return why;
  pass(slot_of(to), std::make_unique<letter_item>(std::move(letter)));
  return std::nullopt;
}

/// Sends the item by the slot's route, if it has one now.
std::optional<error> live_region::take_route(slot_id slot, slot_item& item, bool& was_taken) {
  auto& route = routes_[slot.value];
  if (route.load(std::memory_order_relaxed) == 0) return std::nullopt;
  auto& users = users_[slot.value];
  users.fetch_add(1);
  std::optional<error> why;
  if (const node_index to{static_cast<std::uint16_t>(route.load())}; to.value != 0) {
    was_taken = true;
    if (to == services_.self) {
      why = deliver(slot, item);
    } else {
      // Read after the route: if it is newer than that, the receiver waits for a table that is on its way to it too.
      item.table_version = table_version_.load(std::memory_order_acquire);
      ++item.hops;
      const bool is_anothers = item.came_from != services_.self;
      if (is_anothers) item.via.push_back(services_.self);
      why = post(to, item);
      if (why && route.load() != to.value) {  // its node has died meanwhile: the gates know what is to become of it
        --item.hops;
        if (is_anothers) item.via.pop_back();
        why = std::nullopt;
        was_taken = false;
      }
    }
  }
  users.fetch_sub(1);
  return why;
}

void live_region::pass(slot_id slot, std::unique_ptr<slot_item> item) {
  with_gates([&](auto& gates, auto& todo) {
    item->table_version = gates.table_version();
    gates.pass(slot, std::move(item), todo);
  });
}

/// To this node's SLOT; what can't be delivered is left alone, and the reason returned.
std::optional<error> live_region::deliver(slot_id slot, slot_item& item) {
  auto* shell = services_.is_stopping.load() ? nullptr : slots_.at(slot);
  if (!shell) return error{errc::stopping, {}};
  if (auto* change = dynamic_cast<subscription_item*>(&item)) {
    caf::anon_send(shell->actor,
                   slot_input{slot_subscription{change->stream, change->origin, change->wanted, change->correlation,
                                                reply_to(change->origin, change->correlation)}});
    return std::nullopt;
  }
  if (shell->mailbox.load(std::memory_order_relaxed) >= services_.options.slot_mailbox_max) {
    services_.counters.refused.fetch_add(1, std::memory_order_relaxed);
    return error{errc::overloaded, "the mailbox of slot " + std::to_string(slot.value) + " is full"};
  }
  auto made = open(static_cast<letter_item&>(item), epoch_of(slot));
  shell->mailbox.fetch_add(1, std::memory_order_relaxed);
  caf::anon_send(shell->actor, slot_input{std::move(made)});
  return std::nullopt;
}

/// What an entity receives. REQUIRES: the letter goes no further.
std::shared_ptr<const envelope> live_region::open(letter_item& letter, epoch_t epoch) {
  auto made = std::make_shared<envelope>();
  made->to = letter.to;
  made->from = letter.from;
  made->epoch = epoch;
  made->path = letter.path;
  made->path.delivered = wall();
  made->deadline = letter.deadline;
  made->correlation = letter.correlation;
  made->message = std::move(letter.message);
  made->reply = reply_to(letter.origin, letter.correlation);
  return made;
}

/// Null if nobody waits for an answer.
std::shared_ptr<reply_handle> live_region::reply_to(node_index origin, std::uint64_t correlation) {
  if (correlation == 0) return nullptr;
  return std::make_shared<reply_handle>([answers = answers_, origin, correlation](result<message_ptr> outcome) {
    answers->answer(origin, correlation, std::move(outcome));
  });
}

node_start live_region::start_of(node_index node) const {
  return {node, node.value < starts_.size() ? starts_[node.value].load(std::memory_order_relaxed) : 0};
}

/// Before it goes, so that whoever asked is told if `to` dies. To this node: it is back.
void live_region::note_sent(node_index to, node_index origin, std::uint64_t correlation, steady_time deadline) {
  if (correlation == 0) return;
  if (origin == services_.self)
    services_.asks->sent(correlation, to == services_.self ? node_start{} : start_of(to));
  else
    passed_.note({deadline, start_of(to), origin, correlation}, now());
}

/// Over the link.
std::optional<error> live_region::post(node_index to, slot_item& item) {
  parcel what;
  const auto note = [&](node_index at) {
    if (auto* change = dynamic_cast<subscription_item*>(&item))
      note_sent(at, change->origin, change->correlation, now() + subscription_timeout);
    else if (const auto* letter = dynamic_cast<letter_item*>(&item))
      note_sent(at, letter->origin, letter->correlation, letter->deadline);
  };
  note(to);
  if (auto* change = dynamic_cast<subscription_item*>(&item)) {
    what = subscription_parcel{change->stream, change->wanted,     change->correlation,
                               change->origin, item.table_version, item.hops};
  } else {
    what = parcel_of(static_cast<letter_item&>(item));
  }
  if (between_->post(to, encode(what))) return std::nullopt;
  note(services_.self);  // it is here still: who was to get it may die, and that is no matter
  services_.counters.refused.fetch_add(1, std::memory_order_relaxed);
  return error{errc::overloaded, "too much waits for node " + std::to_string(to.value) + ", or it is gone"};
}

letter_parcel live_region::parcel_of(const letter_item& letter) const {
  const auto left =
      letter.deadline == steady_time{} ? milliseconds(0) : std::chrono::ceil<milliseconds>(letter.deadline - now());
  letter_parcel out{letter.to,         letter.from,          letter.correlation, letter.origin, left,
                    letter.path.asked, letter.table_version, letter.hops,        letter.message};
  out.via = letter.via;
  out.was_taken = letter.was_taken;
  return out;
}

void live_region::refuse(slot_item& item, error why) {
  if (auto* letter = dynamic_cast<letter_item*>(&item)) {
    if (letter->correlation != 0) answers_->answer(letter->origin, letter->correlation, std::move(why));
  } else if (auto* change = dynamic_cast<subscription_item*>(&item); change && change->correlation != 0) {
    answers_->answer(change->origin, change->correlation, std::move(why));
  }
}

void live_region::publish_to(node_index node, const publication_ptr& event) {
  // Past the link's bound the subscriber misses it, and asks for a Replay when it sees the next seq.
  if (!between_->post(node, encode(parcel(event)))) services_.counters.refused.fetch_add(1, std::memory_order_relaxed);
}

// -- the gates
// -----------------------------------------------------------------------------------------------------------

void live_region::own_everything(const slot_table& table) {
  std::lock_guard lock(gates_mutex_);
  gates_.own_everything(table);
  table_version_.store(gates_.table_version());
  for (std::uint16_t slot = 0; slot < slot_count; ++slot) {
    epochs_[slot].store(table.owner_of(slot_id{slot}).epoch);
    routes_[slot].store(services_.self.value);
  }
}

void live_region::apply(const slot_table& table, const std::vector<node_identity>& members) {
  std::vector<node_index> alive;
  for (const auto& each : members) alive.push_back(each.node);
  for (const auto& each : members)  // before anything goes there
    if (each.node.value < starts_.size()) starts_[each.node.value].store(each.incarnation, std::memory_order_relaxed);
  std::vector<slot_id> changed;
  with_gates(
      [&](auto& gates, auto& todo) {
        for (std::uint16_t slot = 0; slot < slot_count; ++slot) {
          const auto epoch = table.owner_of(slot_id{slot}).epoch;
          if (table.version() <= gates.table_version() || epoch == gates.epoch_of(slot_id{slot})) continue;
          changed.push_back(slot_id{slot});
        }
        gates.apply(table, alive, todo, now());
        std::erase_if(refused_, [&](const auto& each) { return gates.epoch_of(each.first) != each.second; });
        table_version_.store(gates.table_version(), std::memory_order_release);
      },
      true);
  note_incarnations(members);
  note_newcomers(members);
  tell_lost(members);
  forget_lost_loans(changed);
  repeat_lost_asks();
  repeat_lost_subscriptions();
  renew_subscriptions(changed);
  if (moved_ && !changed.empty()) moved_(changed);
}

/// Who comes back as it was has published on meanwhile.
void live_region::note_newcomers(const std::vector<node_identity>& members) {
  if (members_.empty()) return;  // this node itself comes
  std::lock_guard lock(lost_mutex_);
  for (const auto& each : members) {
    const bool was_there = std::ranges::any_of(members_, [&](const auto& before) {
      return before.node == each.node && before.incarnation == each.incarnation;
    });
    if (!was_there && each.node != services_.self) met_again_.push_back(each.node);
  }
}

/// A living node that took this one for gone, or was taken for gone by it: its SLOTs may not know any more what this
/// node has told them, and what they published is lost. For this node's streams and sessions it is as if the slots had
/// moved.
void live_region::start_anew_with_those_met_again() {
  std::vector<node_index> nodes;
  {
    std::lock_guard lock(lost_mutex_);
    nodes.swap(met_again_);
  }
  if (nodes.empty()) return;
  std::vector<slot_id> slots;
  {
    std::lock_guard lock(gates_mutex_);
    for (std::uint16_t slot = 0; slot < slot_count; ++slot) {
      const auto owner = gates_.owner_of(slot_id{slot});
      const bool is_met = std::ranges::find(nodes, owner) != nodes.end();
      if (is_met && gates_.lane_of(slot_id{slot})) slots.push_back(slot_id{slot});  // another table comes otherwise
    }
  }
  renew_subscriptions(slots);
  if (moved_ && !slots.empty()) moved_(slots);
}

/// The SLOTs of this node hear once of each member that is gone.
void live_region::tell_lost(const std::vector<node_identity>& members) {
  for (const auto& before : std::exchange(members_, members)) {
    const bool is_there = std::ranges::any_of(
        members, [&](const auto& each) { return each.node == before.node && each.incarnation == before.incarnation; });
    if (is_there) continue;
    const auto tell = [&](slot_shell& shell) {
      caf::anon_send(shell.actor, slot_input{slot_node_lost{before.node, before.incarnation}});
    };
    slots_.each(tell);
    for (const auto& shell : guests_.shells()) tell(*shell);
    for (const auto& each : guests_.list([&](const auto& loan) { return loan.lender == before.node; })) end_guest(each);
  }
}

/// To whoever owns their slots now; the gates hold them while nobody does.
void live_region::repeat_lost_asks() {
  std::vector<pending_asks::lost_ask> asks;
  {
    std::lock_guard lock(lost_mutex_);
    asks.swap(lost_asks_);
  }
  for (auto& each : asks) {
    letter_item letter;
    letter.to = each.again.to;
    letter.from = each.again.from;
    letter.message = std::move(each.again.request);
    letter.deadline = each.deadline;
    letter.path = {.origin = services_.self, .asked = each.again.asked};
    letter.correlation = each.correlation;
    if (auto why = send(letter.to, letter)) services_.asks->resolve(letter.correlation, std::move(*why));
  }
}

template <class Change>
void live_region::with_gates(Change change, bool touches_all) {
  aftermath after;
  {
    std::lock_guard lock(gates_mutex_);
    slot_gates::steps todo;
    change(gates_, todo);
    carry_out(std::move(todo), after);
    services_.counters.handovers_dropped.fetch_add(gates_.take_dropped(), std::memory_order_relaxed);
    if (touches_all)
      for (std::uint16_t slot = 0; slot < slot_count; ++slot) refresh_route(slot_id{slot});
  }
  finish(std::move(after));
}

void live_region::carry_out(slot_gates::steps todo, aftermath& after) {
  std::vector<slot_id> touched;
  while (!todo.empty()) {
    for (auto& each : todo)
      std::visit(
          [&](auto& step) {
            if constexpr (requires { step.slot; }) touched.push_back(step.slot);
            carry_out(step, after);
          },
          each);
    todo.clear();
    for (auto& own : std::exchange(own_events_, {})) own(gates_, todo);
  }
  for (auto slot : touched) refresh_route(slot);
  // Behind what came from the owner before: it goes on from here.
  for (auto slot : std::exchange(opened_, {}))
    if (gates_.is_open(slot)) tell_pins(slot);
}

void live_region::carry_out(slot_gates::deliver& step, aftermath& after) {
  if (auto why = deliver(step.slot, *step.item)) after.items.push_back({std::move(step.item), std::move(*why)});
}

void live_region::carry_out(slot_gates::send& step, aftermath& after) {
  if (auto why = post(step.to, *step.item)) after.items.push_back({std::move(step.item), std::move(*why)});
}

void live_region::carry_out(slot_gates::refuse& step, aftermath& after) {
  services_.counters.refused.fetch_add(1, std::memory_order_relaxed);
  after.items.push_back({std::move(step.item), std::move(step.why)});
}

void live_region::carry_out(slot_gates::send_barrier& step, aftermath&) {
  close_route(step.slot);
  // If it is lost, the gates send another.
  (void)between_->post(step.to,
                       encode(barrier_parcel{step.slot, step.barrier, step.origin, step.table_version, step.hops}));
}

void live_region::carry_out(slot_gates::pass_barrier& step, aftermath&) {
  if (step.origin == services_.self)
    own_events_.push_back([step, self = services_.self](slot_gates& gates, slot_gates::steps& todo) {
      gates.barrier_passed(self, step.slot, step.barrier, todo);
    });
  else
    (void)between_->post(step.origin, encode(barrier_passed_parcel{step.slot, step.barrier}));
}

void live_region::carry_out(slot_gates::drain& step, aftermath&) {
  close_route(step.slot);
  if (auto* shell = slots_.find(step.slot)) {
    caf::anon_send(
        shell->actor,
        slot_input{slot_drain{[this, slot = step.slot](slot_remains remains) { drained(slot, std::move(remains)); }}});
    return;
  }
  own_events_.push_back(
      [slot = step.slot](slot_gates& gates, slot_gates::steps& todo) { gates.drained(slot, {}, {}, todo); });
}

void live_region::drained(slot_id slot, slot_remains remains) {
  std::vector<std::unique_ptr<slot_item>> unread;
  for (const auto& each : remains.unread) unread.push_back(letter_of(*each));
  std::ranges::stable_sort(remains.entities, {}, &entity_handover::bytes);  // what is too much, is so of the largest
  std::size_t bytes = 0;
  const auto dropped = std::erase_if(remains.entities, [&](const auto& each) {
    if (bytes + each.bytes() > entity_handover::slot_bytes_max) return true;
    bytes += each.bytes();
    return false;
  });
  services_.counters.handovers_dropped.fetch_add(dropped, std::memory_order_relaxed);
  with_gates(
      [&](auto& gates, auto& todo) { gates.drained(slot, std::move(unread), std::move(remains.entities), todo); });
}

void live_region::carry_out(slot_gates::hand_over& step, aftermath&) {
  auto& counters = services_.counters;
  std::size_t taken = 0;
  for (const auto& each : between_->views())
    if (each.peer.node == step.to) taken = each.figures.waiting_bytes;
  const auto dropped = std::erase_if(step.entities, [&](const auto& each) {
    if (taken + each.bytes() > handovers_waiting_max) return true;
    taken += each.bytes();
    return false;
  });
  counters.handovers_dropped.fetch_add(dropped, std::memory_order_relaxed);
  for (auto next = step.entities.begin(); next != step.entities.end();) {
    handover_parcel some{step.slot, {}};
    std::size_t bytes = 0, count = 0;
    do {
      bytes += next->bytes();
      count += next->is_active();
      some.entities.push_back(std::move(*next));
    } while (++next != step.entities.end() && bytes + next->bytes() <= handover_bytes);
    if (between_->post(step.to, encode(some))) {
      counters.handed_over.fetch_add(count, std::memory_order_relaxed);
      counters.handed_bytes.fetch_add(bytes, std::memory_order_relaxed);
    } else {
      counters.handovers_dropped.fetch_add(count, std::memory_order_relaxed);
    }
  }
}

void live_region::carry_out(slot_gates::take_over& step, aftermath&) {
  if (services_.is_stopping.load()) return;
  if (auto* shell = slots_.at(step.slot))
    caf::anon_send(shell->actor, slot_input{slot_bring_in{std::move(step.entities)}});
}

/// An envelope that had arrived becomes a letter again. Its hops don't count: it was where it should be.
std::unique_ptr<live_region::letter_item> live_region::letter_of(const envelope& message) {
  auto letter = std::make_unique<letter_item>();
  letter->to = message.to;
  letter->from = message.from;
  letter->correlation = message.correlation;
  letter->origin = message.path.origin;
  letter->deadline = message.deadline;
  letter->path = message.path;
  letter->message = message.message;
  letter->came_from = services_.self;
  if (message.reply) message.reply->forget();
  return letter;
}

void live_region::carry_out(slot_gates::ask_release& step, aftermath&) {
  (void)between_->post(step.from, encode(release_parcel{step.slot, step.table_version}));
}

void live_region::carry_out(slot_gates::tell_released& step, aftermath&) {
  (void)between_->post(step.to, encode(released_parcel{step.slot}));
}

void live_region::carry_out(slot_gates::raise_fence& step, aftermath& after) {
  after.fences.push_back({step.slot, step.epoch});
}

void live_region::finish(aftermath after) {
  for (auto& each : after.items) refuse(*each.item, std::move(each.why));
  if (!after.fences.empty()) raise(std::move(after.fences));
}

/// From now on nobody takes the slot's route, and all who did have come out at its end.
void live_region::close_route(slot_id slot) {
  routes_[slot.value].store(0);
  while (users_[slot.value].load() != 0) std::this_thread::yield();  // posts and sends: microseconds
}

void live_region::refresh_route(slot_id slot) {
  const auto lane = gates_.lane_of(slot);
  const bool may_go = lane && (*lane != services_.self || gates_.may_bypass(slot));
  routes_[slot.value].store(may_go ? lane->value : 0u);
}

void live_region::raise(std::vector<fence> fences) {
  raise_(std::move(fences), [this](const fence_outcomes& outcomes) {
    with_gates([&](auto& gates, auto& todo) {
      for (const auto& [guard, outcome] : outcomes) {
        if (outcome) {
          taken_over_[guard.slot.value].store(now(), std::memory_order_relaxed);
          gates.opened(guard.slot, guard.epoch, todo);
          if (!gates.is_open(guard.slot)) continue;
          epochs_[guard.slot.value].store(gates.epoch_of(guard.slot));
          opened_.push_back(guard.slot);
        } else if (outcome.code() == errc::stale_epoch) {
          if (gates.fence_refused(guard.slot, guard.epoch)) refused_[guard.slot] = guard.epoch;
        } else {
          raise_again_.push_back(guard);
        }
      }
      raise_again_at_ = now() + raise_again_after;
    });
  });
}

std::vector<fence> live_region::refused_fences() const {
  std::lock_guard lock(gates_mutex_);
  std::vector<fence> all;
  for (const auto& [slot, epoch] : refused_) all.push_back({slot, epoch});
  return all;
}

void live_region::epoch_refused(slot_id slot, epoch_t epoch) {
  std::lock_guard lock(gates_mutex_);
  if (gates_.is_open(slot) && gates_.epoch_of(slot) == epoch) refused_[slot] = epoch;
}

void live_region::tick(steady_time now) {
  peers_->tick(now);
  tend_guests(now);
  if (!between_) return;
  repeat_lost_asks();  // a LINK that ends may tell what it lost after the table was applied
  repeat_lost_subscriptions();
  start_anew_with_those_met_again();
  std::vector<fence> again;
  with_gates([&](auto& gates, auto& todo) {
    gates.tick(now, todo);
    if (now >= raise_again_at_) again = std::exchange(raise_again_, {});
  });
  if (!again.empty()) raise(std::move(again));
  std::vector<entity_key> streams;
  {
    std::lock_guard lock(streams_mutex_);
    if (now >= renew_again_at_) {
      streams = std::exchange(renew_again_, {});
      std::erase_if(streams, [this](auto stream) { return !streams_.contains(stream); });
      renew_again_at_ = now + renew_again_after;
    }
  }
  for (auto stream : streams) renew_subscription(stream);
}

live_region::state live_region::read_state() const {
  std::lock_guard lock(gates_mutex_);
  return {gates_.table_version(), gates_.open_count(), gates_.moving_count(), gates_.held_items(), guests_.size()};
}

// -- what comes over links
// -----------------------------------------------------------------------------------------------

void live_region::on_parcel(node_index from, std::string_view bytes) {
  auto decoded = decode_parcel(bytes);
  if (!decoded) {
    log::warn("node {} sent what can't be understood: {}", from.value, decoded.failure().detail);
    return;
  }
  std::visit([&](auto& what) { receive(from, what, std::move(decoded->undecoded)); }, decoded->what);
}

void live_region::receive(node_index from, letter_parcel& in, std::optional<error> undecoded) {
  auto letter = std::make_unique<letter_item>();
  letter->to = in.to;
  letter->from = in.from;
  letter->correlation = in.correlation;
  letter->origin = in.origin.value ? in.origin : from;
  if (in.correlation != 0) letter->deadline = now() + in.timeout;
  if (in.correlation != 0 && letter->origin == services_.self) {  // it is back, and only here the time on links counts
    const auto deadline = services_.asks->deadline_of(in.correlation);
    if (!deadline) return;  // nobody waits for it any more: it mustn't be carried out behind what was asked since
    letter->deadline = *deadline;
  }
  letter->path = {.origin = letter->origin, .asked = in.asked, .arrived = wall()};
  letter->message = std::move(in.message);
  letter->table_version = in.table_version;
  letter->hops = in.hops;
  letter->via = std::move(in.via);
  letter->was_taken = in.was_taken;
  letter->came_from = from;
  const auto kind = static_cast<std::size_t>(in.to.kind);
  if (!undecoded && (kind >= services_.factories.size() || !services_.factories[kind]))
    undecoded = error{errc::unknown_message, "there are no entities of kind " + std::to_string(kind)};
  if (in.loan != 0 && !undecoded) {
    auto message = open(*letter, in.loan);
    return in.is_returned ? receive_returned(from, std::move(message), in.loan)
                          : receive_lent(from, std::move(message), in.loan);
  }
  if (undecoded) {
    if (in.correlation != 0) answers_->answer(letter->origin, letter->correlation, std::move(*undecoded));
    return;
  }
  bool was_taken = false;
  const auto slot = slot_of(in.to);
  if (routes_[slot.value].load(std::memory_order_relaxed) == services_.self.value)
    if (auto why = take_route(slot, *letter, was_taken)) return refuse(*letter, std::move(*why));
  if (!was_taken) with_gates([&](auto& gates, auto& todo) { gates.pass(slot, std::move(letter), todo); });
}

void live_region::receive(node_index, answer_parcel& in, std::optional<error>) {
  services_.asks->resolve(in.correlation, std::move(in.outcome));
}

void live_region::receive(node_index from, publication_ptr& event, std::optional<error> undecoded) {
  if (undecoded) return log::warn("node {} published what can't be understood: {}", from.value, undecoded->detail);
  if (services_.sink) services_.sink(event);
}

void live_region::receive(node_index from, subscription_parcel& in, std::optional<error>) {
  auto change = std::make_unique<subscription_item>();
  change->stream = in.stream;
  change->wanted = in.wanted;
  change->correlation = in.correlation;
  change->origin = in.origin.value ? in.origin : from;
  change->table_version = in.table_version;
  change->hops = in.hops;
  change->came_from = from;
  if (in.loan != 0)
    return receive_lent({change->stream, change->origin, change->wanted, change->correlation,
                         reply_to(change->origin, change->correlation)},
                        in.loan);
  with_gates([&](auto& gates, auto& todo) { gates.pass(slot_of(in.stream), std::move(change), todo); });
}

void live_region::receive(node_index from, barrier_parcel& in, std::optional<error>) {
  const auto origin = in.origin.value ? in.origin : from;
  with_gates([&](auto& gates, auto& todo) {
    gates.pass_barrier_of(origin, from, in.slot, in.barrier, in.table_version, in.hops, todo);
  });
}

void live_region::receive(node_index from, barrier_passed_parcel& in, std::optional<error>) {
  with_gates([&](auto& gates, auto& todo) { gates.barrier_passed(from, in.slot, in.barrier, todo); });
}

void live_region::receive(node_index from, release_parcel& in, std::optional<error>) {
  with_gates([&](auto& gates, auto& todo) { gates.release_asked(from, in.slot, in.table_version, todo); });
}

void live_region::receive(node_index from, released_parcel& in, std::optional<error>) {
  with_gates([&](auto& gates, auto& todo) { gates.released(from, in.slot, todo); });
}

void live_region::receive(node_index from, handover_parcel& in, std::optional<error>) {
  const auto dropped = std::erase_if(in.entities, [&](const auto& each) {
    const auto kind = static_cast<std::size_t>(each.key.kind);
    return kind >= services_.factories.size() || !services_.factories[kind] || slot_of(each.key) != in.slot;
  });
  services_.counters.handovers_dropped.fetch_add(dropped, std::memory_order_relaxed);
  with_gates([&](auto& gates, auto&) { gates.handed_over(from, in.slot, std::move(in.entities)); });
}

void live_region::receive(node_index from, passed_asks_parcel& in, std::optional<error>) {
  for (const auto& each : in.asks)
    services_.asks->went_on(each.correlation, from, each.at.node == services_.self ? node_start{} : each.at);
}

void live_region::tell_passed_asks() {
  constexpr std::size_t parcel_asks_max = 1'000;
  std::map<node_index, passed_asks_parcel> parcels;
  const auto send = [&](node_index to, passed_asks_parcel& what) {
    (void)between_->post(to, encode(parcel(std::exchange(what, {}))));
  };
  for (const auto& each : passed_.all(now())) {
    auto& what = parcels[each.origin];
    what.asks.push_back({each.correlation, each.to});
    if (what.asks.size() == parcel_asks_max) send(each.origin, what);
  }
  for (auto& [origin, what] : parcels)
    if (!what.asks.empty()) send(origin, what);
}

/// Whoever waits for an answer from a node that is gone hears so at once, or has its question sent again: with the
/// table that says so, or with the next tick if that has come before.
void live_region::on_lost(const node_identity& peer, const std::vector<std::string>& parcels) {
  peers_->peer_lost(peer);
  const error why{errc::unavailable, "node " + peer.name + " is gone"};
  auto again = services_.asks->lose({peer.node, peer.incarnation}, why);
  {
    std::lock_guard lock(lost_mutex_);
    for (auto& each : again) lost_asks_.push_back(std::move(each));
    met_again_.push_back(peer.node);
  }
  // What others sent by way of this node. What never got there is mostly known as passed on, too.
  std::set<std::pair<node_index, std::uint64_t>> told;
  const auto tell = [&](node_index origin, std::uint64_t correlation) {
    if (correlation == 0 || origin == services_.self || !told.emplace(origin, correlation).second) return;
    answers_->answer(origin, correlation, why);
  };
  for (const auto& each : passed_.lose({peer.node, peer.incarnation}, now())) tell(each.origin, each.correlation);
  for (const auto& bytes : parcels) {
    auto decoded = decode_parcel(bytes);
    if (!decoded) continue;
    if (auto* letter = std::get_if<letter_parcel>(&decoded->what))
      tell(letter->origin, letter->correlation);
    else if (auto* change = std::get_if<subscription_parcel>(&decoded->what))
      tell(change->origin, change->correlation);
    else if (auto* handed = std::get_if<handover_parcel>(&decoded->what))
      services_.counters.handovers_dropped.fetch_add(handed->entities.size(), std::memory_order_relaxed);
  }
}

// -- streams
// -------------------------------------------------------------------------------------------------------------

void live_region::subscribe(entity_key stream, std::function<void(result<>)> done) {
  if (services_.is_stopping.load()) return done ? done(errc::stopping) : void();
  {
    std::lock_guard lock(streams_mutex_);
    streams_.emplace(stream, slot_of(stream));
  }
  if (!done) return change_subscription(stream, true, {});
  subscribe_until(stream, now() + subscription_timeout, std::move(done));
}

/// One that was on its way to a node that died goes to the next owner.
void live_region::subscribe_until(entity_key stream, steady_time until, std::function<void(result<>)> done) {
  change_subscription(stream, true, [this, stream, until, done = std::move(done)](result<> outcome) mutable {
    if (outcome || outcome.code() != errc::unavailable || now() >= until || services_.is_stopping.load())
      return done(std::move(outcome));
    std::lock_guard lock(lost_mutex_);
    lost_subscriptions_.push_back({stream, until, std::move(done)});
  });
}

void live_region::repeat_lost_subscriptions() {
  std::vector<lost_subscription> all;
  {
    std::lock_guard lock(lost_mutex_);
    all.swap(lost_subscriptions_);
  }
  for (auto& each : all) {
    bool is_wanted = false;
    {
      std::lock_guard lock(streams_mutex_);
      is_wanted = streams_.contains(each.stream);
    }
    if (is_wanted)
      subscribe_until(each.stream, each.until, std::move(each.done));
    else
      each.done(errc::unavailable);
  }
}

void live_region::unsubscribe(entity_key stream) {
  if (services_.is_stopping.load()) return;
  {
    std::lock_guard lock(streams_mutex_);
    streams_.erase(stream);
  }
  change_subscription(stream, false, {});
}

void live_region::change_subscription(entity_key stream, bool wanted, std::function<void(result<>)> done) {
  subscription_item change;
  change.stream = stream;
  change.wanted = wanted;
  change.origin = change.came_from = services_.self;
  if (done)
    change.correlation =
        services_.asks->add(now() + subscription_timeout, [done = std::move(done)](result<message_ptr> outcome) {
          done(outcome ? result<>(throng::done) : result<>(outcome.failure()));
        });
  const auto slot = slot_of(stream);
  bool was_taken = false;
  auto why = take_route(slot, change, was_taken);
  if (why) return refuse(change, std::move(*why));
  if (!was_taken) pass(slot, std::make_unique<subscription_item>(change));
}

/// A slot's next owner doesn't know who was subscribed, and something may have been published meanwhile: subscribes
/// again, and tells the subscriber to ask for what it may have missed.
void live_region::renew_subscriptions(const std::vector<slot_id>& slots) {
  if (slots.empty()) return;
  std::vector<entity_key> streams;
  {
    std::lock_guard lock(streams_mutex_);
    for (const auto& [stream, slot] : streams_)
      if (std::ranges::binary_search(slots, slot)) streams.push_back(stream);
  }
  for (auto stream : streams) renew_subscription(stream);
}

/// Until it has gone well or nobody wants the stream any more: who stays subscribed nowhere would never hear so.
void live_region::renew_subscription(entity_key stream) {
  change_subscription(stream, true, [this, stream](result<> outcome) {
    if (outcome) {
      if (renewed_) renewed_(stream);
      return;
    }
    if (services_.is_stopping.load()) return;
    log::warn("the subscription of {} could not be renewed yet: {}", to_text(stream), outcome.failure().detail);
    std::lock_guard lock(streams_mutex_);
    if (streams_.contains(stream)) renew_again_.push_back(stream);
  });
}

}  // namespace throng
