// SPDX-License-Identifier: Apache-2.0
// LINK: the actor at this node's end of the link to one peer, and the only kind of actor that another node knows. It
// keeps the connection, and moves frames between the window and the other LINK.
//
//   idle ─ dial (the higher node) ─► dialing ─► joining ─ hello, answer ─► up
//     ▲    or a dialer came (the lower) ──────────┘                        │
//     └─────────────── lost, silent, or a deadline has passed ◄────────────┘
//
// A frame goes at once if it is full, if nothing is in flight, or if none went for `gather`; else when that time is
// over: questions and answers in turn wait for nothing, and a busy link sends full frames. What was cut is sent again
// from the window.
#pragma once

#include <functional>
#include <memory>
#include <variant>
#include <vector>

#include <caf/actor_system.hpp>
#include <caf/allowed_unsafe_message_type.hpp>

#include "cluster/failure_detector.hpp"
#include "cluster/link/link_end.hpp"
#include "cluster/link/link_greeting.hpp"
#include "cluster/tls_session.hpp"

namespace throng {

/// What all LINKs of a node share; outlives them.
struct link_services {
  node_identity self;
  std::string cluster;
  links::events events;
  failure_detector_options detector;
  std::chrono::milliseconds handshake_deadline;
  std::chrono::milliseconds retry_min, retry_max;
  std::chrono::microseconds gather;
  caf::actor broker;
  std::function<void(const std::string& address, const link_greeting&, std::function<void(result<peer_socket>)>)> dial;
  std::function<void(const std::string& address, std::function<void(result<>)>)> look;
};

struct link_wake {
  bool is_timer = false;
};
/// A socket to the peer, which has been greeted: this end dialled, or the other did.
struct link_socket {
  std::uint64_t attempt = 0;                    // of the dials of this LINK; 0: the other end dialled
  std::shared_ptr<result<peer_socket>> socket;  // taken by the LINK
  std::uint64_t incarnation = 0;                // of who dialled
};
/// Another incarnation, or another address; what the old one didn't get, if it is another incarnation.
struct link_peer_changed {
  node_identity before;
  bool is_another = false;
  std::vector<std::string> lost;
};
struct link_tick {};
struct link_retry {
  std::uint64_t attempt = 0;
};
/// Somebody listens at the peer's address, or nobody does.
struct link_seen {
  std::uint64_t attempt = 0;
  bool is_gone = false;
};
struct link_stop {
  bool peer_is_gone = false;  // else: this node stops
};
struct link_input {
  std::variant<link_wake, link_socket, link_peer_changed, link_tick, link_retry, link_seen, link_stop> what;
};

caf::actor spawn_link(caf::actor_system& system, std::shared_ptr<const link_services> services,
                      std::shared_ptr<link_end> end);

}  // namespace throng

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(throng::link_input)
