// SPDX-License-Identifier: Apache-2.0
// What the infrastructure actors of one node send each other. None of it ever crosses nodes: it carries pointers and
// callbacks. One message type for each receiver keeps an idle actor's behaviour at one handler.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <variant>

#include <caf/actor.hpp>
#include <caf/allowed_unsafe_message_type.hpp>

#include "cluster/handoff/handover.hpp"
#include "cluster/inspection.hpp"
#include "cluster/slot_mail.hpp"
#include "storage/model/result.hpp"

namespace throng {

/// What a SLOT and one incarnation of an entity both see. The SLOT alone adds to `mailbox`, so that zero there and in
/// `waiting` means: nothing is going on, and nothing can begin but through the SLOT.
///
/// `commits` and `has_ended` are for the successor: it starts when the commits of an ended incarnation have been
/// answered. The entity sets has_ended before the SLOT reads commits, and a commit's callback counts it off before it
/// reads has_ended (both sequentially consistent), so one of the two always sees the other.
struct entity_cell {
  explicit entity_cell(entity_key name) : key(name) {}
  const entity_key key;
  std::atomic<std::uint32_t> mailbox{0};  // envelopes and wakes sent, not yet handled
  std::atomic<std::uint32_t> waiting{0};  // asks, commits, reads and their continuations
  std::atomic<std::uint32_t> commits{0};  // not answered yet
  std::atomic<std::uint64_t> messages{0};
  std::atomic<bool> stays_active{false};
  std::atomic<bool> is_loading{true};
  std::atomic<bool> hears_of_lost_nodes{false};
  std::atomic<bool> has_ended{false};
  std::atomic<bool> reports_idle{false};  // the SLOT waits until mailbox and waiting are zero
  /// It is being moved, so what it hasn't begun is for the next owner. With its slot: but for what comes from within
  /// the slot, which may be what the drain waits for.
  enum class leaving : std::uint8_t { no, alone, with_slot };
  std::atomic<leaving> is_leaving{leaving::no};
  /// Set by the first commit that fails; from then on the commit queue refuses the later ones of this incarnation.
  std::atomic<bool> is_broken{false};
};
using entity_cell_ptr = std::shared_ptr<entity_cell>;

// -- to an entity's actor
// ------------------------------------------------------------------------------------------------

struct entity_wake {};
struct entity_quit {
  bool is_reported = false;  // the SLOT waits for its end
  bool hands_over = false;   // REQUIRES: nothing is under way
};
struct entity_node_lost {
  node_index node;
  std::uint64_t incarnation = 0;
};
struct entity_look {
  std::function<void(result<message_ptr>)> done;
};
struct entity_input {
  std::variant<std::shared_ptr<const envelope>, std::function<void()>, entity_wake, entity_node_lost, entity_quit,
               entity_look>
      what;
};

// -- to a SLOT
// -------------------------------------------------------------------------------------------------------------

struct slot_wake {
  entity_key key;
  steady_time when;
};
/// An incarnation has ended.
struct slot_entity_ended {
  enum class cause_t : std::uint8_t { stopped, load_failed, commit_failed, crashed } cause{};
  entity_cell_ptr cell;
  std::string reason;
  std::shared_ptr<entity_remains> left;  // of one that was leaving; null: nothing
};
/// The last commit of an incarnation that had ended has been answered.
struct slot_entity_settled {
  entity_cell_ptr cell;
};
struct slot_tick {
  steady_time now;
};
struct slot_list {
  inspection::filter filter;
  std::function<void(std::vector<entity_view>)> done;
};
struct slot_describe {
  std::function<void(slot_view)> done;
};
struct slot_look {
  entity_key key;
  std::function<void(result<message_ptr>)> done;
};
struct slot_end {
  entity_key key;
  bool restart = false;
  std::function<void(result<>)> done;
};
/// As a crash.
struct slot_kill {
  entity_key key;
  std::string why;
  std::function<void(result<>)> done;
};
struct slot_quarantine {
  entity_key key;
  std::chrono::milliseconds time{};
  std::string why;
  std::function<void(result<>)> done;
};
struct slot_release {
  entity_key key;
  std::function<void(result<>)> done;
};
/// An entity that was told to report so has nothing under way any more.
struct slot_entity_idle {
  entity_cell_ptr cell;
};
/// The slot goes to another node: finish what is under way, end all entities, then call `done` with what is left of
/// them and of the subscriptions.
struct slot_drain {
  std::function<void(slot_remains)> done;
};
/// Takes one entity out: what is under way is finished, then it ends. `done` is called by the SLOT, between two
/// messages; from then on the SLOT knows nothing of the entity, and its next envelope would activate it anew.
/// Errors: errc::quarantined; errc::conflict (somebody else takes it, or the whole slot goes).
struct slot_take_out {
  entity_key key;
  std::function<void(result<entity_remains>)> done;
};
/// Activates entities of this slot with what their last incarnations have left; those that are here already stay.
struct slot_bring_in {
  std::vector<entity_handover> entities;
};
/// A member is gone for good.
struct slot_node_lost {
  node_index node;
  std::uint64_t incarnation = 0;
};
/// Which entities of this slot belong on other nodes, from now on; sent whenever the slot is opened, too.
struct slot_pins {
  std::map<entity_key, node_index> pins;
};
/// From who has borrowed an entity: what it hadn't begun, and then the entity.
struct slot_mail_returned {
  epoch_t epoch = 0;
  node_index by;
  std::shared_ptr<const envelope> message;
};
struct slot_loan_returned {
  epoch_t epoch = 0;
  node_index by;
  entity_handover entity;
  bool is_absent = false;  // it isn't there, and who knows where it is
};
/// To a SLOT of guests: one more.
struct slot_guest_begin {
  entity_handover entity;
};
/// Finish what it has under way. `done` is called by the SLOT, between two messages, when nothing of it is left; not at
/// all if it isn't here, or ends already.
struct slot_guest_end {
  entity_key key;
  std::function<void(entity_remains)> done;
};
struct slot_shutdown {};
struct slot_input {
  std::variant<std::shared_ptr<const envelope>, publication_ptr, slot_subscription, slot_wake, slot_entity_ended,
               slot_entity_settled, slot_entity_idle, slot_tick, slot_list, slot_describe, slot_look, slot_end,
               slot_kill, slot_quarantine, slot_release, slot_drain, slot_take_out, slot_bring_in, slot_node_lost,
               slot_pins, slot_mail_returned, slot_loan_returned, slot_guest_begin, slot_guest_end, slot_shutdown>
      what;
};

}  // namespace throng

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(throng::entity_input)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(throng::slot_input)
