// SPDX-License-Identifier: Apache-2.0
// SLOT LOANS: which entities of a SLOT run on another node than its owner's, because they are pinned there. The owner
// stays the router and the fence: all mail comes to its SLOT, which passes it on in order, and the guest writes under
// the owner's epoch. Pure; the SLOT carries the steps out. One entity:
//
//   home ─ pinned ─► ending ─ taken out ─► lent ── mail passes ──► (the other node)
//     ▲                                     │ pin gone, or the slot moves: recall
//     │◄───────── returned ─────────────── recalled    (mail is held, in order, bounded)
//     │                                     │ node gone, or it doesn't answer, or hasn't got it
//     └◄── the slot has a new epoch ─────── lost       (mail is held: who was lent it may still write)
//
// So an entity runs on one node at a time: here again only after the other node has said that nothing of it is left
// there, or after the fence has been raised above what it was lent under. Each end may miss what the other told (it may
// take the other for gone for a while, and then what is on its way is lost): so what is lent is checked now and then.
#pragma once

#include <deque>
#include <map>
#include <variant>
#include <vector>

#include "cluster/handoff/handover.hpp"
#include "cluster/slot_mail.hpp"

namespace throng {

class slot_loans {
 public:
  struct limits {
    // Mail of one entity that comes, and as much that comes back; then errc::overloaded.
    std::size_t held_max = 10'000;
    std::chrono::milliseconds recall_wait{5'000};  // then the epoch has to be raised
    std::chrono::milliseconds drain_wait{3'000};   // the same while the slot goes elsewhere: its next owner waits
    std::chrono::milliseconds try_again{1'000};    // after a link that took nothing more, or a node that gave it back
    std::chrono::milliseconds check_every{5'000};  // whether it is still there
  };

  // -- steps for the SLOT, in order
  // ------------------------------------------------------------------------------------

  struct take_out {  // it runs here, or may: end it, then taken_out()
    entity_key key;
  };
  struct lend {  // start it there, then lent() or not_lent()
    entity_key key;
    node_index to;
    entity_handover state;
  };
  struct pass {  // to the node that has it
    entity_key key;
    node_index to;
    slot_mail what;
  };
  struct recall {  // then recall_sent(), unless the link takes nothing
    entity_key key;
    node_index from;
  };
  struct check {  // whether it is there: node_gone(node, key) if it isn't
    entity_key key;
    node_index at;
  };
  struct keep {  // it is at home again, with what waits for it
    entity_key key;
    entity_handover state;
    std::vector<slot_mail> mail;
  };
  struct refuse {
    slot_mail what;
    error why;
  };
  using step = std::variant<take_out, lend, pass, recall, check, keep, refuse>;
  using steps = std::vector<step>;

  explicit slot_loans(const limits& bounds) : limits_(bounds) {}

  // -- events
  // ----------------------------------------------------------------------------------------------------------

  /// Where the pinned entities of this slot belong now; the others belong here. `here` doesn't count as elsewhere.
  void set_pins(std::map<entity_key, node_index> pins, steps& todo);
  /// False, and nothing is done with it: the entity is at home.
  bool take(entity_key key, slot_mail& what, steps& todo);
  /// Nothing of it is under way here any more.
  void taken_out(entity_key key, entity_remains remains, steps& todo);
  void lent(entity_key key, steps& todo, steady_time now);
  /// The link took nothing, or it can't be taken out: it stays at home for a while.
  void not_lent(entity_key key, entity_handover state, steps& todo, steady_time now);
  void recall_sent(entity_key key, steady_time now);
  /// What the guest had not begun with, in order, ahead of returned(); or what didn't find it there.
  void mail_returned(entity_key key, node_index by, slot_mail what, steps& todo);
  /// Nothing of it is left there. If nobody has called it back, it may stay at home for a while: that node can't have
  /// it now.
  void returned(entity_key key, node_index by, entity_handover state, steps& todo, steady_time now);
  /// That incarnation won't come back, but may still write.
  void node_gone(node_index node);
  /// That node knows nothing of it; another incarnation might.
  void node_gone(node_index node, entity_key key);
  /// The slot goes elsewhere, or gets a new epoch: everybody is called home. `is_home()` says when that is done.
  void drain(steps& todo, steady_time now);
  /// At the end of that: what waits for those who aren't home, in order for each. From then on there are no loans and
  /// no pins.
  std::vector<slot_mail> give_up();
  void tick(steady_time now, steps& todo);

  // -- questions
  // -------------------------------------------------------------------------------------------------------

  /// Nobody has to be waited for: what isn't home is lost.
  bool is_home() const;
  /// Somebody who is gone may still write: the slot needs another epoch.
  bool needs_epoch() const;
  /// It isn't home, or is about to go.
  bool is_away(entity_key key) const;
  std::size_t away_count() const;
  struct view {
    entity_key key;
    node_index node;
    std::size_t held = 0;
  };
  std::vector<view> views() const;
  /// When tick() has something to do.
  steady_time next_tick() const;

 private:
  enum class phase_t : std::uint8_t { at_home, ending, offered, lent, recalled, lost };
  struct loan {
    phase_t phase = phase_t::at_home;  // it is to be lent later
    node_index node;                   // that has it, or is offered it
    steady_time since{};               // of `at_home` and `recalled`; of `lent`, or when it was checked last
    std::deque<slot_mail> held;        // with what has come back ahead of it
    std::size_t returned = 0;          // how many of those have
  };
  using loans = std::map<entity_key, loan>;

  node_index wanted(entity_key key) const;
  void go_on(loans::iterator at, entity_handover state, steps& todo);
  void bring_home(loans::iterator at, entity_handover state, steps& todo);
  void call_back(steps& todo);

  const limits limits_;
  std::map<entity_key, node_index> pins_;
  loans loans_;
  bool is_draining_ = false;
  steady_time drained_since_{};
};

}  // namespace throng
