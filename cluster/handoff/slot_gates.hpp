// SPDX-License-Identifier: Apache-2.0
// SLOT GATES: where what is meant for a slot goes from this node, while slots change hands. Pure; under one lock of its
// owner's (cluster/region), which carries the resulting steps out in order.
//
// Each slot has a gate, and each gate a lane: the node its items go to. When the table names another owner, the lane is
// switched, and items are held (bounded) meanwhile:
//
//   lane P ─► a barrier goes down the old lane, behind all that went there ─► it comes out where the items come out ─►
//   "passed" comes back ─► lane Q, and what was held follows
//
// If the lane was this node itself, its SLOT is drained instead; if it was a dead one, there is nothing to wait for.
// One that lives and can't be reached is waited for, for a while: the barrier is sent again after `barrier_wait`, and
// after `lane_wait` the lane is switched without it, and what is still on the old one may be overtaken. A slot that
// becomes this node's opens when the node before has released it (or is dead, or silent for `release_wait`) and the
// fence is raised. So items from one sender to one slot stay in order, wherever the slot goes, unless a barrier was
// given up; the only thing that loses items is the death of the node they were on, or a link whose ends took each other
// for gone. What is asked again then (pending_asks.hpp) is a new item, behind all that its sender has sent since.
//
// The COORDINATOR moves the slot of a living node only when everybody has settled on the table before. If somebody
// doesn't wait, lanes can lead in a circle. Two nodes whose lanes lead to each other give back what came from each
// other, the barrier last, and go on from there; longer circles are left to `lane_wait`.
//
// Bounds: `held_items_max` of a slot and `held_bytes_max` of all slots are held; what comes then is refused with
// errc::overloaded. Only what a drained SLOT gives back has room always: a mailbox had it before.
//
// What the entities of a drained SLOT hand over (handover.hpp) goes the way of its release: to the next owner ahead of
// "released", and to this node's SLOT ahead of its first item. If the slot moves on before it opened here, so does
// that. It is good for one ownership only, the next one: after anything else somebody may have run the slot in between,
// and it is dropped, as it is when it comes too late or is too much.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "cluster/handoff/handover.hpp"
#include "cluster/slot_table.hpp"

namespace throng {

/// Something for a slot. What it is doesn't matter here.
class slot_item {
 public:
  virtual ~slot_item() = default;
  virtual std::size_t bytes() const = 0;

  std::uint64_t table_version = 0;  // by which it was last sent
  std::uint32_t hops = 0;
  node_index origin;            // whose it is
  node_index came_from;         // the other end of the link that it came over, or this node
  std::vector<node_index> via;  // who sent it on, but for its origin
  bool was_taken = false;       // by a SLOT that was drained before it began with it
  bool is_from_within = false;  // its sender is an entity of the slot itself
};

class slot_gates {
 public:
  struct limits {
    std::size_t held_items_max = 10'000;            // per slot
    std::size_t held_bytes_max = 64u << 20;         // of all slots
    std::uint32_t hops_max = 8;                     // tables that don't settle
    std::chrono::milliseconds barrier_wait{2'000};  // then it is sent again: what is on a link can be lost
    std::chrono::milliseconds lane_wait{5'000};     // then the lane is switched without it: better late than never
    std::chrono::milliseconds release_wait{5'000};  // then the fence alone keeps the node before from writing
    std::size_t handed_bytes_max = 64u << 20;       // of all slots
    std::chrono::milliseconds handed_wait{60'000};  // for somebody to go on with it
  };

  // -- steps for the caller, in order
  // ----------------------------------------------------------------------------------

  struct deliver {  // to the SLOT of this node
    slot_id slot;
    std::unique_ptr<slot_item> item;
  };
  struct send {  // over the link
    node_index to;
    slot_id slot;
    std::unique_ptr<slot_item> item;
  };
  struct refuse {
    std::unique_ptr<slot_item> item;
    error why;
  };
  struct send_barrier {  // over the link; it is answered by barrier_passed()
    node_index to;
    slot_id slot;
    std::uint64_t barrier;
    node_index origin;
    std::uint64_t table_version;
    std::uint32_t hops;
  };
  struct pass_barrier {  // tell its origin
    node_index origin;
    slot_id slot;
    std::uint64_t barrier;
  };
  struct drain {  // this node's SLOT: finish what is under way, end its entities, then drained()
    slot_id slot;
    node_index next;
  };
  struct ask_release {  // the owner before, who answers when its SLOT is drained: released()
    node_index from;
    slot_id slot;
    std::uint64_t table_version;
  };
  struct tell_released {  // who asked
    node_index to;
    slot_id slot;
  };
  struct hand_over {  // over the link, to who is told that it is released
    node_index to;
    slot_id slot;
    std::vector<entity_handover> entities;
  };
  struct take_over {  // to the SLOT of this node
    slot_id slot;
    std::vector<entity_handover> entities;
  };
  struct raise_fence {  // in the store, then opened()
    slot_id slot;
    epoch_t epoch;
  };
  using step = std::variant<deliver, send, refuse, send_barrier, pass_barrier, drain, ask_release, tell_released,
                            hand_over, take_over, raise_fence>;
  using steps = std::vector<step>;

  slot_gates(node_index self, const limits& bounds);

  // -- items
  // -----------------------------------------------------------------------------------------------------------

  /// Of this node's own senders, or from a link: its came_from says.
  void pass(slot_id slot, std::unique_ptr<slot_item> item, steps& todo);
  void pass_barrier_of(node_index origin, node_index came_from, slot_id slot, std::uint64_t barrier,
                       std::uint64_t table_version, std::uint32_t hops, steps& todo);

  // -- events
  // ----------------------------------------------------------------------------------------------------------

  /// The table of a node that is alone: every slot is its own, and open.
  void own_everything(const slot_table& table);
  /// A newer table; an older one is ignored. `alive` has this node too.
  void apply(const slot_table& table, const std::vector<node_index>& alive, steps& todo, steady_time now);
  /// Members came or went.
  void set_alive(const std::vector<node_index>& alive, steps& todo, steady_time now);
  /// `unread`: what its SLOT had taken and not begun, in order. It goes ahead of what was held since.
  void drained(slot_id slot, std::vector<std::unique_ptr<slot_item>> unread, std::vector<entity_handover> handed,
               steps& todo);
  /// Part of what the SLOT of `by`, or of one before it, handed over.
  void handed_over(node_index by, slot_id slot, std::vector<entity_handover> entities);
  void release_asked(node_index by, slot_id slot, std::uint64_t table_version, steps& todo);
  void released(node_index by, slot_id slot, steps& todo);
  void opened(slot_id slot, epoch_t epoch, steps& todo);
  /// The store refused: somebody has a later epoch, or has had this one before. The next table will say who, or give it
  /// a later one. False if it has already.
  bool fence_refused(slot_id slot, epoch_t epoch);
  /// `by`: where it came out.
  void barrier_passed(node_index by, slot_id slot, std::uint64_t barrier, steps& todo);
  void tick(steady_time now, steps& todo);

  // -- questions
  // -------------------------------------------------------------------------------------------------------

  /// This node's SLOT takes items.
  bool is_open(slot_id slot) const { return gates_[slot.value].is_open; }
  /// …and nothing else waits at the gate: items may go straight to the SLOT, without this class, until the next event.
  bool may_bypass(slot_id slot) const { return gates_[slot.value].is_open && !gates_[slot.value].now; }
  epoch_t epoch_of(slot_id slot) const { return gates_[slot.value].epoch; }
  /// As the table says; 0: nobody.
  node_index owner_of(slot_id slot) const { return gates_[slot.value].owner; }
  /// Items go there directly; nullopt while they are held.
  std::optional<node_index> lane_of(slot_id slot) const;
  std::uint64_t table_version() const { return version_; }
  std::size_t held_items() const { return held_items_; }
  std::size_t handed_bytes() const { return handed_bytes_; }
  /// Entities, since it was asked the last time.
  std::size_t take_dropped() { return std::exchange(dropped_, 0); }
  std::size_t open_count() const;
  /// Slots of this node that aren't open yet, and gates whose lane is being switched.
  std::size_t moving_count() const;

 private:
  struct held_barrier {
    node_index origin;
    node_index came_from;
    std::uint64_t barrier;
    std::uint64_t table_version;
    std::uint32_t hops;
  };
  struct ask {
    node_index node;
    std::uint64_t table_version;
  };
  using held = std::variant<std::unique_ptr<slot_item>, held_barrier>;

  /// What only few gates have at a time.
  struct change {
    std::deque<std::unique_ptr<slot_item>>
        arrived;  // ahead of our barrier, and of what waits for it, while the slot isn't open or the lane not switched
    std::deque<held> items;
    std::uint64_t barrier = 0;                     // on its way; 0: none
    steady_time barrier_sent{};                    // last
    std::optional<steady_time> leaves_lane_since;  // when the first was sent
    bool is_draining = false;                      // our own SLOT
    node_index release_from;                       // who has to let go of it before we open it; 0: nobody
    std::uint64_t release_version = 0;             // of the table that made us its owner
    steady_time release_since{};                   // when the last one of them was asked
    std::vector<ask> still_before;                 // the same, of ownerships that we lost before it was opened
    bool is_raising = false;                       // the fence
    bool is_refused = false;                       // the fence; the next table says more: this node may make it
    std::vector<ask> askers;                       // who wants to be told that we have let go of it
    epoch_t ran = 0;                               // what is draining
    std::vector<entity_handover> handed;
    epoch_t handed_for = 0;  // the ownership that may go on with it
    steady_time handed_since{};
    bool is_empty() const {
      return arrived.empty() && items.empty() && barrier == 0 && !is_draining && !release_from.value &&
             still_before.empty() && !is_raising && !is_refused && askers.empty() && handed.empty();
    }
  };
  struct gate {
    node_index owner;
    node_index lane;
    node_index previous;  // owner
    epoch_t epoch = 0;
    bool is_open = false;
    std::unique_ptr<change> now;
  };

  bool is_alive(node_index node) const;
  bool must_wait(const gate& at) const;
  bool must_wait(const gate& at, const held& what) const;
  void pass_or_hold(slot_id slot, gate& at, held what, steps& todo);
  void keep_arrived(gate& at, std::unique_ptr<slot_item> item);
  bool may_come_back(const slot_item& item) const;
  bool was_here(const slot_item& item) const;
  bool leaves_lane(const gate& at) const;
  void give_back(slot_id slot, gate& at, steps& todo);
  bool has_room_for(const gate& at, const slot_item& item) const;
  void hold(gate& at, held what, steps& todo);
  void forward(slot_id slot, const gate& at, held what, steps& todo);
  void change_owner(slot_id slot, gate& at, slot_table::owner next, steps& todo);
  void keep_handed(gate& at, std::vector<entity_handover> entities, epoch_t good_for);
  std::vector<entity_handover> take_handed(gate& at);
  /// Whatever can happen now at this gate.
  void go_on(slot_id slot, gate& at, steps& todo);
  void go_on_everywhere(steps& todo);
  void switch_lane(slot_id slot, gate& at, steps& todo);
  static change& changing(gate& at);

  const node_index self_;
  const limits limits_;
  std::array<gate, slot_count> gates_;
  std::vector<node_index> alive_;
  std::uint64_t version_ = 0;
  std::uint64_t next_barrier_ = 1;
  std::size_t held_items_ = 0;
  std::size_t held_bytes_ = 0;
  std::size_t handed_bytes_ = 0;
  std::size_t dropped_ = 0;
  steady_time now_{};  // of the last event that told
};

}  // namespace throng
