// SPDX-License-Identifier: Apache-2.0
// BASP SOCKET: hands a connected socket to CAF's network layer, as either end. CAF itself neither listens nor dials
// (facts: its port takes messages from anybody, and its dialling blocks all others); its broker takes sockets by
// message, as CAF's own tests use it. Any thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>

#include <caf/actor.hpp>
#include <caf/event_based_actor.hpp>

#include "cluster/tls_session.hpp"
#include "storage/model/result.hpp"

namespace throng {

/// A message that is larger ends the connection before memory is taken for it.
inline constexpr std::size_t basp_message_bytes_max = 128u << 20;

/// The broker that serves all connections of the system.
caf::actor basp_broker_of(caf::actor_system& system);

/// The listener's end: who connects gets a handle of `published`. `port` is no TCP port: it only names `published`, and
/// later calls with the same one replace it.
void serve_basp(caf::actor_system& system, const caf::actor& broker, peer_socket socket, std::uint16_t port,
                const caf::actor& published);
/// Forgets what is published there.
void withdraw_basp(const caf::actor& broker, std::uint16_t port);

/// The dialer's end, for an actor: `done` gets a handle of what the other end published.
void join_basp(caf::event_based_actor* self, const caf::actor& broker, peer_socket socket, std::uint16_t port,
               std::chrono::milliseconds patience, std::function<void(result<caf::actor>)> done);

}  // namespace throng
