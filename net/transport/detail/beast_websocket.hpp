// SPDX-License-Identifier: Apache-2.0
// BEAST WEBSOCKET: a connection after its upgrade. Beast reads: framing, masking, UTF-8, limits, pongs, the closing
// handshake. We write: shared frames go straight into the outbox that Beast's control frames also pass through. Idle it
// holds Beast's state, 128 bytes to read into, and a handler: callbacks, because a coroutine costs 1 KB more.
#pragma once

#include <memory>
#include <string>

#include "net/transport/detail/connection_slot.hpp"
#include "net/transport/detail/event_loop.hpp"
#include "net/transport/detail/http_connection.hpp"
#include "net/transport/websocket.hpp"

namespace throng::detail {

class outbox_stream;

/// Answers the upgrade and calls `handler` from then on.
void start_websocket(event_loop& loop, std::shared_ptr<outbox_stream> stream, std::string peer, connection_slot slot,
                     std::unique_ptr<upgrade_request> request, std::shared_ptr<websocket_handler> handler,
                     std::string subprotocol);

}  // namespace throng::detail
