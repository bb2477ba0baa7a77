// SPDX-License-Identifier: Apache-2.0
// A websocket as the rest of the gateway sees it: a handler that is called, and a connection to send on. Framing,
// control frames, UTF-8 and size checks, keep-alive and the bounded outbox are the transport's.
// Everything here happens on the connection's io thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "net/transport/frame.hpp"
#include "net/transport/io_loop.hpp"

namespace throng {

/// Close codes of RFC 6455 §7.4.1 and the IANA registry that the transport itself sends or reports.
namespace ws_close {
inline constexpr std::uint16_t normal = 1000;
inline constexpr std::uint16_t going_away = 1001;
inline constexpr std::uint16_t protocol_error = 1002;
inline constexpr std::uint16_t no_status = 1005;  // reported only: a close frame without a code
inline constexpr std::uint16_t abnormal = 1006;   // reported only: the line was lost
inline constexpr std::uint16_t bad_payload = 1007;
inline constexpr std::uint16_t policy = 1008;
inline constexpr std::uint16_t too_big = 1009;
inline constexpr std::uint16_t internal_error = 1011;
inline constexpr std::uint16_t try_again_later = 1013;
}  // namespace ws_close

class websocket_connection {
 public:
  virtual ~websocket_connection() = default;

  /// Queues whole frames; they leave at the end of the loop's turn together with all others. False if they were not
  /// queued: left out as droppable, skipped while out of step (see on_overflow), or the connection is closing.
  virtual bool send(shared_frame frames, delivery kind = delivery::message) = 0;
  bool send_text(std::string_view payload) { return send(encode_text_frame(payload)); }

  /// Starts the closing handshake behind what is queued; on_close follows. More calls are ignored.
  /// `reason` is cut to 123 bytes.
  virtual void close(std::uint16_t code, std::string_view reason = {}) = 0;

  /// Stops calling on_text and on_binary (at most one more may come) until resume(): the client is then slowed down
  /// by TCP itself. Control frames wait as well, so pause briefly.
  virtual void pause() = 0;
  virtual void resume() = 0;

  virtual std::uint64_t id() const = 0;          // unique within the process
  virtual std::size_t outbox_bytes() const = 0;  // queued, not yet taken by the kernel
  virtual io_loop& loop() = 0;
  virtual const std::string& peer() const = 0;  // "127.0.0.1:4711"
};

/// What to do with a connection whose outbox is full although typing and presence have been left out.
enum class overflow_decision {
  close,   // discard what is queued and close with 1013; reset after 2 s without progress
  resync,  // discard what is queued, skip all sends until the client has caught up, then call on_resync
};

/// Owned by the connection until on_close has returned.
class websocket_handler {
 public:
  virtual ~websocket_handler() = default;

  /// First call. `connection` may be kept; it is harmless after on_close.
  virtual void on_open(std::shared_ptr<websocket_connection> connection) = 0;
  /// A whole message; valid UTF-8, at most transport_options::websocket_message_bytes_max. The view dies on return.
  virtual void on_text(std::string_view payload) = 0;
  virtual void on_binary(std::string_view payload) = 0;

  /// The outbox is over its bound after a flush. The frame that met the bound is not queued.
  virtual overflow_decision on_overflow() { return overflow_decision::close; }
  /// After overflow_decision::resync: everything sent has left, sends are accepted again. Say what is missing here.
  virtual void on_resync() {}

  /// Last call, once. The peer's code, or one of ws_close.
  virtual void on_close(std::uint16_t code) = 0;
};

}  // namespace throng
