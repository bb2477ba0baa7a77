// SPDX-License-Identifier: Apache-2.0
// LINKS: this node's ends of the links to all others. What is posted to a node arrives there once, in order, and behind
// what was posted before, as long as both incarnations live; when one is gone, its sender is told what didn't arrive.
// Implementations: cluster/link/caf_links.hpp (CAF's network layer), tests/support/sim_network.hpp (one thread, virtual
// clock, delays, cuts). A node has no link to itself.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cluster/envelope.hpp"
#include "cluster/link/link_window.hpp"
#include "cluster/node_identity.hpp"

namespace throng {

class links {
 public:
  struct events {
    /// In order for each peer, never two at once for one peer; must not block.
    std::function<void(node_index from, std::string_view parcel)> on_parcel;
    /// The connection to a peer is there, or is lost (kill −9 shows at once, a cut or a pause after the heartbeats'
    /// patience); nothing is lost by it.
    std::function<void(const node_identity& peer, bool is_up)> on_state;
    /// That incarnation won't come back (membership says so, or a newer one is there): what may not have arrived.
    std::function<void(const node_identity& peer, std::vector<std::string> parcels)> on_lost;
    /// Its link is down, and nobody listens at its address: that process has ended. Only what a living host says
    /// itself; one that is silent may be cut off. May be empty.
    std::function<void(const node_identity& peer)> on_gone{};
  };

  virtual ~links() = default;
  /// Once, before set_peers().
  virtual void listen(events to) = 0;
  /// The living members, as the topology says, without this node. Links to others end.
  virtual void set_peers(std::vector<node_identity> members) = 0;
  /// Any thread. False: no such peer, or too much waits for it; the parcel is lost, and the sender knows.
  virtual bool post(node_index to, std::string parcel) = 0;

  struct view {
    node_identity peer;
    bool is_up = false;
    double suspicion = 0;  // phi; for people, never sent
    std::chrono::microseconds round_trip{0};
    std::uint64_t reconnects = 0;
    link_window::figures figures;
  };
  virtual std::vector<view> views() const = 0;
  virtual void stop() = 0;
};

}  // namespace throng
