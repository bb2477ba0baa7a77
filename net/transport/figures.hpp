// SPDX-License-Identifier: Apache-2.0
// What the transport counts. Plain numbers, for /metrics and tests; monotonic unless it says "now".
#pragma once

#include <cstdint>

namespace throng {

// X(name)
#define THRONG_TRANSPORT_FIGURES(X)                                                          \
  X(connections)   /* now: all that are open */                                              \
  X(websockets)    /* now: those that are upgraded */                                        \
  X(outbox_bytes)  /* now: queued for clients, not yet taken by the kernel */                \
  X(request_bytes) /* now: bodies of requests under way */                                   \
  X(accepted)                                                                                \
  X(refused)       /* accepted and closed at once: the inbox of its loop was full */         \
  X(accept_pauses) /* descriptors used up, or connections_max reached */                     \
  X(tls_handshakes)                                                                          \
  X(tls_failures) /* not TLS, wrong version, or past handshake_timeout */                    \
  X(requests)                                                                                \
  X(bad_requests)     /* not HTTP, too large, or too slow */                                 \
  X(handler_failures) /* exceptions of a handler, and requests that it dropped unanswered */ \
  X(bytes_in)         /* payload of TCP or TLS */                                            \
  X(bytes_out)                                                                               \
  X(writes)          /* gathered writes that moved at least a byte */                        \
  X(messages_in)     /* websocket messages read */                                           \
  X(frames_out)      /* shared frames queued for a websocket */                              \
  X(frames_dropped)  /* typing and presence left out at the bound */                         \
  X(frames_skipped)  /* not queued: connection closing, or waiting to resync */              \
  X(overflows)       /* outbox over its bound after a flush */                               \
  X(resyncs)         /* on_resync called */                                                  \
  X(protocol_closes) /* closed by us for bad frames: 1002, 1007, 1009 */                     \
  X(dead_peers)      /* reset: no answer to a ping */                                        \
  X(stalled_writes)  /* reset: write_stall_timeout or close_timeout without progress */      \
  X(inbox_refused)   /* post() at its bound */

struct transport_figures {
#define THRONG_DECLARE_FIGURE(name) std::uint64_t name = 0;
  THRONG_TRANSPORT_FIGURES(THRONG_DECLARE_FIGURE)
#undef THRONG_DECLARE_FIGURE
};

}  // namespace throng
