// SPDX-License-Identifier: Apache-2.0
// NODE: the actor system of one process, with its region, its SLOTs and the tick that drives their timers. One a
// process; the sim ring runs it on CAF's test scheduler.
#pragma once

#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "cluster/clock.hpp"
#include "cluster/entity.hpp"
#include "cluster/entity_pin.hpp"
#include "cluster/inspection.hpp"
#include "cluster/link/links.hpp"
#include "cluster/node_door.hpp"
#include "cluster/node_services.hpp"
#include "cluster/region.hpp"

namespace throng {

class node {
 public:
  /// What is placed on nodes: which factory makes which kind.
  using kinds = std::vector<std::pair<entity_kind, entity_factory>>;

  struct parts {
    node_index self{1};
    node_options options;
    /// Of a node that is alone: all slots are its own, and their fences are raised in the store. Null among others.
    std::shared_ptr<const slot_table> table;
    time_source& clock;
    commit_queue& commits;
    reader_pool& readers;
    bool is_simulated = false;  // CAF's test scheduler; run() and tick() by hand
    /// For a node among others: the links to them, which outlive it, and how fences are raised.
    links* between = nullptr;
    fence_raiser raise_fences{};
    std::function<void(const node_identity& peer, bool is_up)> on_link_state{};  // these two as links::events has them
    std::function<void(const node_identity& peer)> on_peer_gone{};
    /// Which requests may be sent again to the next owner when the node that they were sent to has died.
    std::function<bool(const google::protobuf::Message& request)> may_repeat{};
    std::function<void(std::string why)> on_broken{};  // as node_services::give_up has it
  };

  static std::unique_ptr<node> start(parts with, kinds placed);
  virtual ~node() = default;  // stop(), if nobody has

  virtual region& door() = 0;
  virtual inspection& inspect() = 0;
  /// To the other nodes themselves.
  virtual node_door& peers() = 0;

  /// What the topology says now: who owns which slot, and who lives (this node too). An older table is ignored.
  virtual void apply(const slot_table& table, const std::vector<node_identity>& members) = 0;
  struct placement {
    std::uint64_t table_version = 0;
    std::size_t open_slots = 0;    // of this node
    std::size_t moving_slots = 0;  // on their way to it, or routes that are being changed
    std::size_t held_items = 0;
    std::size_t guests = 0;  // entities of other nodes' slots that run here
  };
  virtual placement placed() const = 0;
  /// What its slots have cost so far.
  virtual load_counters& loads() = 0;
  /// The entities that belong on a node of their own; replaces what was told before.
  virtual void apply_pins(std::vector<entity_pin> pins) = 0;
  /// Slots of this node, by their epochs, that need another one: what they have lent is lost.
  virtual std::vector<fence> lost_loans() const = 0;
  /// Slots that the table gives to this node, by their epochs, for which the store knows a larger one, or another
  /// holder of this one: nothing can be written there before they get one above it.
  virtual std::vector<fence> refused_fences() const = 0;
  /// This node leaves, and nothing comes by any more: the others hear where asks of theirs are that went on from here.
  virtual void tell_passed_asks() = 0;

  /// Answers what waits with errc::stopping, ends all actors, and returns when they are gone. The commit queue must
  /// still run: what entities have submitted is committed by it.
  virtual void stop() = 0;

  // -- simulated nodes
  // -------------------------------------------------------------------------------------------------

  /// Handles all messages that are there and that follow from them; how many.
  virtual std::size_t run() = 0;
  /// What the ticker does every 100 ms of a real node: expires asks, wakes entities, passivates idle ones.
  virtual void tick() = 0;
};

}  // namespace throng
