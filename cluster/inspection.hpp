// SPDX-License-Identifier: Apache-2.0
// INSPECTION: what the remote shell sees of live entities and does to them. Callbacks come once, on any thread.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "cluster/envelope.hpp"

namespace throng {

/// One entity, as its SLOT knows it.
struct entity_view {
  entity_key key;
  enum class state_t : std::uint8_t { loading, active, quarantined, lent } state{};
  std::uint32_t mailbox = 0;        // messages that wait
  std::uint32_t waiting = 0;        // asks, commits and reads in flight
  std::uint64_t messages = 0;       // received by this incarnation
  std::uint64_t crashes = 0;        // ever
  std::chrono::milliseconds age{};  // of this incarnation
  std::chrono::milliseconds idle{};
  bool stays_active = false;
  std::string reason;                           // of the quarantine, or of the last crash
  std::chrono::milliseconds quarantine_left{};  // while it is quarantined
  node_index lent_to;    // lent: the node that it runs on, or goes to; 0: it is on its way from here
  node_index lent_from;  // it is a guest here: the owner of its slot
};

struct slot_view {
  slot_id slot;
  node_index owner;
  epoch_t epoch = 0;
  std::uint32_t entities = 0;
  std::uint32_t mailbox = 0;
  std::uint32_t streams = 0;  // with subscribers
};

/// One message on its way into an entity.
struct trace_record {
  wall_time at{};
  entity_key to;
  entity_key from;
  std::string message;  // its Protobuf type
  bool is_ask = false;
  std::uint32_t mailbox = 0;
};

/// What an entity published because somebody asked for it, and how it came to that.
struct passage {
  entity_key stream;
  epoch_t epoch = 0;
  seq_t seq = 0;
  journey path{};
  wall_time published{};
  std::uint32_t nodes = 0;  // that were subscribed
};

struct region_figures {
  std::uint64_t tells = 0, asks = 0, refused = 0, expired = 0, publications = 0;
  std::uint64_t activations = 0, passivations = 0, crashes = 0, quarantined = 0;
  std::uint64_t handed_over = 0, handed_bytes = 0, taken_over = 0, handovers_dropped = 0;
  std::uint64_t loans = 0, loans_returned = 0, loans_lost = 0;  // of this node's slots' entities, to other nodes
  std::size_t lent = 0, guests = 0;                             // now: elsewhere, and of others here
  std::size_t entities = 0, waiting_asks = 0;
  std::vector<std::pair<entity_kind, std::size_t>> entities_by_kind;
};

class inspection {
 public:
  virtual ~inspection() = default;

  struct filter {
    std::optional<entity_kind> kind;
    std::optional<entity_key> key;
    bool only_troubled = false;  // crashed before, or quarantined
    std::size_t count_max = 1000;
    std::optional<slot_id> slot{};
    /// Which `count_max` they are: those that have the most of it (`recent`: that had a message last). Any, without.
    enum class order_t : std::uint8_t { any, mailbox, messages, crashes, age, idle, recent } order{};
  };
  virtual void entities(filter which, std::function<void(std::vector<entity_view>)> done) = 0;
  virtual void slots(std::function<void(std::vector<slot_view>)> done) = 0;
  /// entity::snapshot(), taken between two messages. errc::not_found if it isn't active: looking wakes nobody.
  virtual void snapshot(entity_key key, std::function<void(result<message_ptr>)> done) = 0;
  /// Ends the incarnation after the messages it has; errc::not_found if it isn't active.
  virtual void stop(entity_key key, std::function<void(result<>)> done) = 0;
  /// The same, and starts a new incarnation; forgives crashes and lifts a quarantine.
  virtual void restart(entity_key key, std::function<void(result<>)> done) = 0;
  /// Ends the incarnation at once, as a crash does: what waits in its mailbox is refused, and it counts as one.
  /// errc::not_found if it isn't active.
  virtual void kill(entity_key key, std::string why, std::function<void(result<>)> done) = 0;
  /// Ends the incarnation at once, if there is one, and refuses all messages to it for so long, or until release(),
  /// restart(), or the death of its node.
  virtual void quarantine(entity_key key, std::chrono::milliseconds for_so_long, std::string why,
                          std::function<void(result<>)> done) = 0;
  /// Lifts a quarantine and forgives crashes; its next message starts it. errc::not_found if it isn't in quarantine.
  virtual void release(entity_key key, std::function<void(result<>)> done) = 0;

  /// Records the next `count_max` messages (at most 10,000) to `key`, or to all entities; stops by itself after them,
  /// or after `for_at_most`.
  virtual void start_trace(std::optional<entity_key> key, std::size_t count_max,
                           std::chrono::milliseconds for_at_most) = 0;
  virtual std::vector<trace_record> read_trace() = 0;

  /// The latest passages with this mark (a post's ts), of all streams or of one; as far back as they are kept.
  virtual std::vector<passage> passages(std::int64_t mark, std::optional<entity_key> stream) const = 0;

  virtual region_figures figures() const = 0;
};

/// What entities are ordered by; the larger are shown first.
std::int64_t rank_of(const entity_view& view, inspection::filter::order_t order);

}  // namespace throng
