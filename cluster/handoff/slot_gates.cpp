// SPDX-License-Identifier: Apache-2.0
#include "cluster/handoff/slot_gates.hpp"

#include <algorithm>
#include <utility>

#include "storage/model/assert.hpp"
#include "storage/model/sabotage.hpp"

namespace throng {

slot_gates::slot_gates(node_index self, const limits& bounds) : self_(self), limits_(bounds), alive_{self} {}

// -- items
// -------------------------------------------------------------------------------------------------------------

void slot_gates::pass(slot_id slot, std::unique_ptr<slot_item> item, steps& todo) {
  auto& at = gates_[slot.value];
  if (item->hops > limits_.hops_max) {
    todo.push_back(refuse{std::move(item),
                          {errc::unavailable, "the nodes don't agree on who has slot " + std::to_string(slot.value)}});
    return;
  }
  // A drain waits for its sender, who may wait for the answer.
  if (item->is_from_within && item->came_from == self_ && at.now && at.now->is_draining) {
    todo.push_back(deliver{slot, std::move(item)});
    return;
  }
  // What comes back is older than what waits for our barrier.
  if (leaves_lane(at) && may_come_back(*item)) {
    if (at.is_open)
      todo.push_back(deliver{slot, std::move(item)});
    else if (has_room_for(at, *item))
      keep_arrived(at, std::move(item));
    else
      todo.push_back(refuse{std::move(item), {errc::overloaded, "too much waits for a slot that is moving"}});
    return;
  }
  pass_or_hold(slot, at, std::move(item), todo);
}

/// It was here before, and was sent down the lane, or comes from a SLOT's mailbox. Whatever else comes from the same
/// sender came later, or comes behind a barrier.
bool slot_gates::may_come_back(const slot_item& item) const { return item.was_taken || was_here(item); }

bool slot_gates::was_here(const slot_item& item) const {
  return item.came_from != self_ && (item.origin == self_ || std::ranges::find(item.via, self_) != item.via.end());
}

void slot_gates::keep_arrived(gate& at, std::unique_ptr<slot_item> item) {
  ++held_items_;
  held_bytes_ += item->bytes();
  changing(at).arrived.push_back(std::move(item));
}

void slot_gates::pass_barrier_of(node_index origin, node_index came_from, slot_id slot, std::uint64_t barrier,
                                 std::uint64_t table_version, std::uint32_t hops, steps& todo) {
  auto& at = gates_[slot.value];
  // What came before it comes out here, even if it waits still. Our own would wait for itself.
  const bool is_own = origin == self_ && at.now && at.now->barrier == barrier;
  if (is_own || (at.owner == self_ && table_version <= version_)) {
    todo.push_back(pass_barrier{origin, slot, barrier});
    return;
  }
  if (hops > limits_.hops_max) return;  // its origin gives up waiting for it
  pass_or_hold(slot, at, held_barrier{origin, came_from, barrier, table_version, hops}, todo);
  give_back(slot, at, todo);
}

/// Its items went to another node, which isn't the owner (any more), and the barrier behind them hasn't come out yet.
bool slot_gates::leaves_lane(const gate& at) const { return at.lane != at.owner && at.lane != self_; }

/// Our lane leads to a node whose lane leads here, if its barrier is here: each missed a table that the other has
/// followed. Neither barrier would ever come out, for each waits for the other. So both ends give back what came from
/// the other, in order, with its barrier behind: there it is ahead of what waits, and its lane may be switched.
void slot_gates::give_back(slot_id slot, gate& at, steps& todo) {
  if (!at.now || !leaves_lane(at) || at.owner == self_) return;
  auto& arrived = at.now->arrived;
  auto& items = at.now->items;
  const auto is_its_barrier = [&](const held& each) {
    const auto* barrier = std::get_if<held_barrier>(&each);
    return barrier && barrier->origin == at.lane && barrier->came_from == at.lane;
  };
  if (std::ranges::none_of(items, is_its_barrier)) return;
  const auto is_from_there = [&](const slot_item& item) { return item.came_from == at.lane && !was_here(item); };
  std::erase_if(arrived, [&](auto& item) {
    if (!is_from_there(*item)) return false;
    --held_items_;
    held_bytes_ -= item->bytes();
    forward(slot, at, std::move(item), todo);
    return true;
  });
  std::erase_if(items, [&](held& each) {
    if (const auto* barrier = std::get_if<held_barrier>(&each)) {
      if (barrier->came_from != at.lane || barrier->origin == self_) return false;
    } else {
      const auto& item = *std::get<std::unique_ptr<slot_item>>(each);
      if (!is_from_there(item)) return false;
      held_bytes_ -= item.bytes();
    }
    --held_items_;
    forward(slot, at, std::move(each), todo);
    return true;
  });
}

void slot_gates::pass_or_hold(slot_id slot, gate& at, held what, steps& todo) {
  const bool waits_behind_others = at.now && !at.now->items.empty();
  if (waits_behind_others || must_wait(at, what))
    hold(at, std::move(what), todo);
  else
    forward(slot, at, std::move(what), todo);
}

/// Can nothing pass this gate now?
bool slot_gates::must_wait(const gate& at) const {
  return at.lane != at.owner || (at.owner == self_ ? !at.is_open : !is_alive(at.owner));
}

/// What was sent by a newer table waits for that table, unless it has come to where it should. A barrier waits even
/// there: its origin knows of another owner.
bool slot_gates::must_wait(const gate& at, const held& what) const {
  if (must_wait(at)) return true;
  if (auto* barrier = std::get_if<held_barrier>(&what)) return barrier->table_version > version_;
  return std::get<std::unique_ptr<slot_item>>(what)->table_version > version_ && at.owner != self_;
}

void slot_gates::hold(gate& at, held what, steps& todo) {
  if (auto* item = std::get_if<std::unique_ptr<slot_item>>(&what)) {
    if (!has_room_for(at, **item)) {
      todo.push_back(refuse{std::move(*item), {errc::overloaded, "too much waits for a slot that is moving"}});
      return;
    }
    held_bytes_ += (*item)->bytes();
  }
  ++held_items_;
  changing(at).items.push_back(std::move(what));
}

bool slot_gates::has_room_for(const gate& at, const slot_item& item) const {
  const auto items = at.now ? at.now->arrived.size() + at.now->items.size() : 0;
  return items < limits_.held_items_max && held_bytes_ + item.bytes() <= limits_.held_bytes_max;
}

/// Down the lane. REQUIRES: !must_wait(), or that it goes back there.
void slot_gates::forward(slot_id slot, const gate& at, held what, steps& todo) {
  if (auto* barrier = std::get_if<held_barrier>(&what)) {
    if (at.lane == self_)
      todo.push_back(pass_barrier{barrier->origin, slot, barrier->barrier});
    else
      todo.push_back(send_barrier{at.lane, slot, barrier->barrier, barrier->origin, version_, barrier->hops + 1});
    return;
  }
  auto& item = std::get<std::unique_ptr<slot_item>>(what);
  if (at.lane == self_) {
    todo.push_back(deliver{slot, std::move(item)});
    return;
  }
  if (sabotage::drops_what_waited && item->came_from != self_) return;
  ++item->hops;
  if (item->came_from != self_) item->via.push_back(self_);
  item->table_version = version_;
  todo.push_back(send{at.lane, slot, std::move(item)});
}

// -- events
// ------------------------------------------------------------------------------------------------------------

void slot_gates::own_everything(const slot_table& table) {
  version_ = table.version();
  for (std::uint16_t slot = 0; slot < slot_count; ++slot) {
    gates_[slot].owner = gates_[slot].lane = self_;
    gates_[slot].epoch = table.owner_of(slot_id{slot}).epoch;
    gates_[slot].is_open = true;
  }
}

void slot_gates::apply(const slot_table& table, const std::vector<node_index>& alive, steps& todo, steady_time now) {
  now_ = now;
  if (table.version() > version_) {
    version_ = table.version();
    for (std::uint16_t slot = 0; slot < slot_count; ++slot) {
      const auto next = table.owner_of(slot_id{slot});
      auto& at = gates_[slot];
      if (next.epoch != at.epoch || next.node != at.owner) change_owner(slot_id{slot}, at, next, todo);
    }
  }
  set_alive(alive, todo, now);
}

void slot_gates::change_owner(slot_id slot, gate& at, slot_table::owner next, steps& todo) {
  if (at.now && !at.now->handed.empty()) {
    // Whoever comes right after us goes on with it, if we haven't.
    const bool was_for_us = at.owner == self_ && at.now->handed_for == at.epoch && !at.now->is_refused;
    if (was_for_us && next.epoch == at.epoch + 1)
      at.now->handed_for = next.epoch;
    else
      dropped_ += take_handed(at).size();
  }
  if (at.is_open) {
    at.is_open = false;
    changing(at).is_draining = true;
    changing(at).ran = at.epoch;
    todo.push_back(drain{slot, next.node});
  }
  at.owner = next.node;
  at.epoch = next.epoch;
  at.previous = next.previous;
  if (at.now) {
    at.now->is_refused = false;
    if (at.now->release_from.value)
      at.now->still_before.push_back({std::exchange(at.now->release_from, {}), at.now->release_version});
  }
  // What has come back already waits for our barrier no more than what will.
  if (at.now && leaves_lane(at))
    std::erase_if(at.now->items, [&](held& each) {
      if (const auto* barrier = std::get_if<held_barrier>(&each)) {
        if (at.owner != self_ || barrier->table_version > version_) return false;
        --held_items_;
        todo.push_back(pass_barrier{barrier->origin, slot, barrier->barrier});
        return true;
      }
      auto& item = std::get<std::unique_ptr<slot_item>>(each);
      if (!may_come_back(*item)) return false;
      at.now->arrived.push_back(std::move(item));
      return true;
    });
  if (at.owner == self_ && next.previous != self_ && next.previous.value) {
    changing(at).release_from = next.previous;
    changing(at).release_version = version_;
    changing(at).release_since = now_;
    todo.push_back(ask_release{next.previous, slot, version_});  // to nobody, if it is gone: go_on() sees that
  }
}

void slot_gates::set_alive(const std::vector<node_index>& alive, steps& todo, steady_time now) {
  now_ = now;
  const bool has_died =
      std::ranges::any_of(alive_, [&](auto node) { return std::ranges::find(alive, node) == alive.end(); });
  alive_ = alive;
  if (has_died)  // a barrier may have been on it: send another
    for (auto& at : gates_)
      if (at.now) at.now->barrier = 0;
  go_on_everywhere(todo);
}

void slot_gates::go_on_everywhere(steps& todo) {
  for (std::uint16_t slot = 0; slot < slot_count; ++slot)
    if (gates_[slot].now || gates_[slot].lane != gates_[slot].owner ||
        (gates_[slot].owner == self_ && !gates_[slot].is_open))
      go_on(slot_id{slot}, gates_[slot], todo);
}

void slot_gates::drained(slot_id slot, std::vector<std::unique_ptr<slot_item>> unread,
                         std::vector<entity_handover> handed, steps& todo) {
  auto& at = gates_[slot.value];
  THRONG_ASSERT(at.now && at.now->is_draining);
  at.now->is_draining = false;
  held_items_ += unread.size();
  for (; !unread.empty(); unread.pop_back()) {  // no question of room: a mailbox has held them
    held_bytes_ += unread.back()->bytes();
    unread.back()->was_taken = true;
    at.now->items.push_front(std::move(unread.back()));
  }
  keep_handed(at, std::move(handed), at.now->ran + 1);
  go_on(slot, at, todo);
}

void slot_gates::handed_over(node_index by, slot_id slot, std::vector<entity_handover> entities) {
  auto& at = gates_[slot.value];
  const bool opens_here = at.owner == self_ && at.now && at.now->release_from == by;
  const bool goes_on_from_here = at.owner != self_ && at.previous == self_ && at.now &&
                                 std::ranges::find(at.now->still_before, by, &ask::node) != at.now->still_before.end();
  if (opens_here || goes_on_from_here)
    keep_handed(at, std::move(entities), at.epoch);
  else
    dropped_ += entities.size();
}

void slot_gates::keep_handed(gate& at, std::vector<entity_handover> entities, epoch_t good_for) {
  if (entities.empty()) return;
  auto& now = changing(at);
  if (now.handed_for != good_for) dropped_ += take_handed(at).size();
  now.handed_for = good_for;
  now.handed_since = now_;
  for (auto& each : entities) {
    if (handed_bytes_ + each.bytes() > limits_.handed_bytes_max) {
      ++dropped_;
      continue;
    }
    handed_bytes_ += each.bytes();
    now.handed.push_back(std::move(each));
  }
}

std::vector<entity_handover> slot_gates::take_handed(gate& at) {
  auto all = std::exchange(at.now->handed, {});
  for (const auto& each : all) handed_bytes_ -= each.bytes();
  return all;
}

void slot_gates::release_asked(node_index by, slot_id slot, std::uint64_t table_version, steps& todo) {
  auto& at = gates_[slot.value];
  if (table_version <= version_ && at.is_open) return;  // its table is older than ours, which will reach it
  changing(at).askers.push_back({by, table_version});
  go_on(slot, at, todo);
}

void slot_gates::released(node_index by, slot_id slot, steps& todo) {
  auto& at = gates_[slot.value];
  if (!at.now) return;
  if (at.now->release_from == by) at.now->release_from = {};
  std::erase_if(at.now->still_before, [by](const auto& each) { return each.node == by; });
  go_on(slot, at, todo);
}

void slot_gates::opened(slot_id slot, epoch_t epoch, steps& todo) {
  auto& at = gates_[slot.value];
  if (!at.now || !at.now->is_raising) return;
  at.now->is_raising = false;
  at.is_open = at.owner == self_ && at.epoch == epoch && !at.now->is_draining;
  go_on(slot, at, todo);
}

bool slot_gates::fence_refused(slot_id slot, epoch_t epoch) {
  auto& at = gates_[slot.value];
  if (!at.now || !at.now->is_raising) return false;
  at.now->is_raising = false;
  dropped_ += take_handed(at).size();  // somebody has run the slot in between
  at.now->is_refused = at.epoch == epoch && at.owner == self_;
  return at.now->is_refused;
}

void slot_gates::barrier_passed(node_index by, slot_id slot, std::uint64_t barrier, steps& todo) {
  auto& at = gates_[slot.value];
  if (!at.now || at.now->barrier != barrier) return;
  at.now->barrier = 0;
  at.lane = by;
  go_on(slot, at, todo);
}

void slot_gates::tick(steady_time now, steps& todo) {
  now_ = now;
  for (std::uint16_t slot = 0; slot < slot_count; ++slot) {
    auto& at = gates_[slot];
    if (!at.now) continue;
    if (at.now->barrier != 0 && now - *at.now->leaves_lane_since >= limits_.lane_wait) {
      at.now->barrier = 0;
      at.lane = at.owner;
    } else if (at.now->barrier != 0 && now - at.now->barrier_sent >= limits_.barrier_wait) {
      at.now->barrier_sent = now;
      todo.push_back(send_barrier{at.lane, slot_id{slot}, at.now->barrier, self_, version_, 0});
    }
    if (now - at.now->release_since >= limits_.release_wait) {
      at.now->release_from = {};
      at.now->still_before.clear();
    }
    if (now - at.now->handed_since >= limits_.handed_wait) dropped_ += take_handed(at).size();
    go_on(slot_id{slot}, at, todo);
  }
}

void slot_gates::go_on(slot_id slot, gate& at, steps& todo) {
  if (at.now) {
    if (at.now->release_from.value && !is_alive(at.now->release_from)) at.now->release_from = {};
    for (auto* all : {&at.now->still_before, &at.now->askers})
      std::erase_if(*all, [this](const auto& each) { return !is_alive(each.node); });
  }
  switch_lane(slot, at, todo);
  const bool is_draining = at.now && at.now->is_draining;
  if (at.now && !is_draining)
    std::erase_if(at.now->askers, [&](const ask& each) {
      const auto is_of_before = [&](const ask& waits) { return waits.table_version < each.table_version; };
      if (each.table_version > version_ || std::ranges::any_of(at.now->still_before, is_of_before)) return false;
      const bool is_for_us = at.owner == self_ && at.now->handed_for == at.epoch;
      if (!at.now->handed.empty() && !is_for_us) todo.push_back(hand_over{each.node, slot, take_handed(at)});
      todo.push_back(tell_released{each.node, slot});
      return true;
    });
  const bool may_open = at.owner == self_ && !at.is_open && !is_draining;
  if (may_open && !(at.now && (at.now->release_from.value || at.now->is_raising || at.now->is_refused))) {
    changing(at).is_raising = true;
    todo.push_back(raise_fence{slot, at.epoch});
  }
  if (at.is_open && at.now && !at.now->handed.empty()) {
    const bool is_for_us = at.now->handed_for == at.epoch;
    auto handed = take_handed(at);
    for (auto& each : handed) std::erase_if(each.subscribers, [this](auto node) { return !is_alive(node); });
    if (is_for_us)
      todo.push_back(take_over{slot, std::move(handed)});
    else
      dropped_ += handed.size();
  }
  if (at.now && at.owner != self_ && at.lane == at.owner)  // it goes on from here, ahead of what waited
    for (auto& arrived = at.now->arrived; !arrived.empty(); arrived.pop_back())
      at.now->items.push_front(std::move(arrived.back()));
  while (at.now && !at.now->arrived.empty() && at.is_open) {
    auto item = std::move(at.now->arrived.front());
    at.now->arrived.pop_front();
    --held_items_;
    held_bytes_ -= item->bytes();
    if constexpr (sabotage::drops_what_waited) continue;
    todo.push_back(deliver{slot, std::move(item)});
  }
  while (at.now && !at.now->items.empty()) {
    auto& first = at.now->items.front();
    if (must_wait(at, first)) break;
    --held_items_;
    if (auto* item = std::get_if<std::unique_ptr<slot_item>>(&first)) held_bytes_ -= (*item)->bytes();
    auto what = std::move(first);
    at.now->items.pop_front();
    if constexpr (sabotage::drops_what_waited)
      if (std::holds_alternative<std::unique_ptr<slot_item>>(what)) continue;
    forward(slot, at, std::move(what), todo);
  }
  if (at.now && at.now->is_empty()) at.now = nullptr;
}

/// Begins to lead items to the owner, or does it at once where nothing of ours is on the way elsewhere.
void slot_gates::switch_lane(slot_id slot, gate& at, steps& todo) {
  if (at.lane == at.owner) {
    if (at.now && at.now->barrier == 0) at.now->leaves_lane_since.reset();  // else what was held waits for that still
    return;
  }
  if (!at.owner.value) return;
  if (at.lane == self_) {
    if (at.now && at.now->is_draining) return;
    at.lane = at.owner;
  } else if (!at.lane.value || !is_alive(at.lane)) {
    if (at.now) at.now->barrier = 0;
    at.lane = at.owner;
  } else {
    if (auto& now = changing(at); now.barrier == 0) {
      now.barrier = next_barrier_++;
      now.barrier_sent = now_;
      if (!now.leaves_lane_since) now.leaves_lane_since = now_;
      todo.push_back(send_barrier{at.lane, slot, now.barrier, self_, version_, 0});
    }
    give_back(slot, at, todo);
  }
}

// -- questions
// ---------------------------------------------------------------------------------------------------------

bool slot_gates::is_alive(node_index node) const { return std::ranges::find(alive_, node) != alive_.end(); }

std::optional<node_index> slot_gates::lane_of(slot_id slot) const {
  const auto& at = gates_[slot.value];
  if (must_wait(at) || (at.now && !at.now->items.empty())) return std::nullopt;
  return at.lane;
}

std::size_t slot_gates::open_count() const {
  return static_cast<std::size_t>(std::ranges::count_if(gates_, &gate::is_open));
}

std::size_t slot_gates::moving_count() const {
  return static_cast<std::size_t>(std::ranges::count_if(
      gates_, [this](const gate& at) { return at.lane != at.owner || (at.owner == self_ && !at.is_open); }));
}

slot_gates::change& slot_gates::changing(gate& at) {
  if (!at.now) at.now = std::make_unique<change>();
  return *at.now;
}

}  // namespace throng
