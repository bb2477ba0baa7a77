// SPDX-License-Identifier: Apache-2.0
// HANDOVER: what an incarnation of an entity leaves to the next one when it is moved, and not when it crashes: its
// state (what isn't in the store, or is long to read there), its timer, who listens to its stream, its crashes and its
// quarantine, and the envelopes that it hadn't begun. Plain data. Bounded: an entity's state has at most
// `entity_bytes_max`, a slot's together `slot_bytes_max`; what is larger stays behind, is counted, and the next
// incarnation has what the store has.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cluster/clock.hpp"
#include "cluster/envelope.hpp"

namespace throng {

/// What a SLOT remembers of an entity that has crashed, or that somebody has put into quarantine.
struct entity_trouble {
  std::optional<std::chrono::milliseconds> quarantine_left;
  std::string reason;
  std::uint64_t crashes = 0;                           // ever
  std::vector<std::chrono::milliseconds> crashed_ago;  // those that still count
};

struct entity_handover {
  static constexpr std::size_t entity_bytes_max = 1u << 20;
  static constexpr std::size_t slot_bytes_max = 16u << 20;

  entity_key key;
  std::string state;  // an AnyMessage; empty: none
  std::optional<std::chrono::milliseconds> wakes_in;
  bool stays_active = false;
  std::vector<node_index> subscribers{};  // when its slot moves; of streams whose entity isn't active too
  std::optional<entity_trouble> trouble{};

  /// Without anything to go on with, it may as well wait for its next message.
  bool is_active() const { return !state.empty() || wakes_in || stays_active; }
  bool is_empty() const { return !is_active() && subscribers.empty() && !trouble; }
  std::size_t bytes() const {
    return 64 + state.size() + subscribers.size() * sizeof(node_index) +
           (trouble ? trouble->reason.size() + trouble->crashed_ago.size() * sizeof(std::chrono::milliseconds) : 0);
  }
};

/// One entity that was taken out of its slot.
struct entity_remains {
  entity_handover handover;
  std::vector<std::shared_ptr<const envelope>> unread;  // not begun, in order
};

/// All of a slot. `unread` is in order for each entity; those without anything to hand over are not in `entities`.
struct slot_remains {
  std::vector<entity_handover> entities;
  std::vector<std::shared_ptr<const envelope>> unread;
};

}  // namespace throng
