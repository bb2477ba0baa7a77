// SPDX-License-Identifier: Apache-2.0
// NODE SERVICES: what the actors of one node share. Owned by the node (cluster/node.hpp), which outlives them.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <functional>
#include <memory>

#include "cluster/clock.hpp"
#include "cluster/entity.hpp"
#include "cluster/handoff/handover.hpp"
#include "cluster/load/load_counters.hpp"
#include "cluster/message_trace.hpp"
#include "cluster/pending_asks.hpp"
#include "cluster/recent_log.hpp"
#include "cluster/restart_policy.hpp"
#include "cluster/slot_mail.hpp"
#include "cluster/slot_table.hpp"
#include "storage/commit_queue.hpp"
#include "storage/reader_pool.hpp"

namespace throng {

struct node_options {
  std::size_t threads = 0;                             // of the scheduler; 0: one a core
  std::uint32_t entity_mailbox_max = 10'000;           // envelopes; then errc::overloaded
  std::uint32_t slot_mailbox_max = 50'000;             // envelopes; then errc::overloaded
  std::chrono::milliseconds passivate_after{300'000};  // of silence
  std::size_t active_max = 200'000;                    // entities; past it the idle ones go after a second already
  std::uint32_t hot_mailbox = 1'000;                   // envelopes; then its slot counts as crowded
  restart_limits restarts;
  std::chrono::milliseconds quarantine{60'000};  // then the entity gets another chance
  std::size_t passages_max = 16'384;             // kept for the shell; 150 bytes each
};

struct node_counters {
  std::atomic<std::uint64_t> tells{0}, asks{0}, refused{0}, expired{0}, publications{0};
  std::atomic<std::uint64_t> activations{0}, passivations{0}, crashes{0}, quarantined{0};
  /// Entities whose state went elsewhere and came from there, its bytes, and what was too much or came too late.
  std::atomic<std::uint64_t> handed_over{0}, handed_bytes{0}, taken_over{0}, handovers_dropped{0};
  std::atomic<std::uint64_t> loans{0}, loans_returned{0}, loans_lost{0};
  std::atomic<std::int64_t> lent{0};                    // now, or on their way
  std::array<std::atomic<std::int64_t>, 8> entities{};  // by entity_kind

  std::size_t live() const {
    std::int64_t sum = 0;
    for (const auto& each : entities) sum += each.load(std::memory_order_relaxed);
    return static_cast<std::size_t>(std::max<std::int64_t>(0, sum));
  }
};

/// The node's door from within: as region, but the message says which entity it is from (kind 0: none).
class entity_door {
 public:
  virtual ~entity_door() = default;
  virtual bool tell_from(entity_key from, entity_key to, message_ptr message) = 0;
  virtual void ask_from(entity_key from, entity_key to, message_ptr request, duration timeout,
                        answer_callback done) = 0;
  /// The epoch under which this node owns `slot`, or had it last.
  virtual epoch_t epoch_of(slot_id slot) const = 0;
  /// When this node took it over from another; the beginning of time if it never did.
  virtual steady_time taken_over(slot_id slot) const = 0;
  /// Passes on what was published here to another node that is subscribed.
  virtual void publish_to(node_index node, const publication_ptr& event) = 0;
  /// The store has refused a write under this epoch of the slot: it knows a later one.
  virtual void epoch_refused(slot_id slot, epoch_t epoch) = 0;
};

/// How a SLOT lends entities, under its epoch (cluster/handoff/slot_loans.hpp). False: the link takes nothing.
class loan_door {
 public:
  virtual ~loan_door() = default;
  virtual bool lend(node_index to, epoch_t epoch, const entity_handover& what) = 0;
  virtual bool recall(node_index from, epoch_t epoch, entity_key key) = 0;
  /// Is it still there? Who hasn't got it says so; what is lost is asked again.
  virtual void check(node_index at, epoch_t epoch, entity_key key) = 0;
  /// Takes it, or says why not.
  virtual std::optional<error> pass_on(node_index to, epoch_t epoch, const slot_mail& what) = 0;
  /// What the slot has lent is lost: it needs another epoch.
  virtual void renew_epoch(slot_id slot, epoch_t epoch) = 0;
};

/// Raises fences in the store without blocking. Tells how it went on any thread, for some at a time: each fence once,
/// with its outcome.
using fence_outcomes = std::vector<std::pair<fence, result<>>>;
using fence_raiser = std::function<void(std::vector<fence>, std::function<void(fence_outcomes)>)>;

struct node_services {
  node_index self;
  node_options options;
  time_source& clock;
  commit_queue& commits;
  reader_pool& readers;
  entity_door* door = nullptr;
  loan_door* loans = nullptr;                 // of a node among others
  std::array<entity_factory, 8> factories{};  // by entity_kind
  std::shared_ptr<pending_asks> asks = std::make_shared<pending_asks>();
  std::function<void(const publication_ptr&)> sink{};                  // publications for this node
  std::function<bool(const google::protobuf::Message&)> may_repeat{};  // null: nothing may be asked twice
  std::atomic<bool> is_stopping{false};
  node_counters counters{};
  message_trace trace{};
  recent_log<passage> passages{options.passages_max};
  load_counters loads{};
  /// A SLOT has crashed more often than it may: there is something wrong with this node. Any thread, must not block.
  std::function<void(std::string why)> give_up{};

  /// Any thread; for how long an entity may be silent: not long, while there are too many.
  bool has_too_many() const { return counters.live() > options.active_max; }
  std::chrono::milliseconds idle_max() const {
    return has_too_many() ? std::min(options.passivate_after, std::chrono::milliseconds(1000))
                          : options.passivate_after;
  }
};

}  // namespace throng
