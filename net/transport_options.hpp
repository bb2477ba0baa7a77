// SPDX-License-Identifier: Apache-2.0
// Every limit and deadline of the socket transport in one plain struct. Whoever starts the server fills it from the
// configuration; the defaults are what the unit tests and a laptop use.
#pragma once

#include <chrono>
#include <cstddef>

namespace throng {

struct transport_options {
  std::size_t io_threads = 0;            // 0: one a core
  std::size_t connections_max = 20'000;  // per listener; accepting pauses there
  std::size_t inbox_tasks_max = 65'536;  // per io loop; post() refuses there
  int backlog = 4'096;                   // listen(2); the kernel caps it at net.core.somaxconn

  // HTTP
  std::size_t header_bytes_max = 16 * 1024;
  std::size_t body_bytes_max = 1024 * 1024;
  std::size_t bodies_bytes_max = 128 * 1024 * 1024;     // of all requests under way on one io loop
  std::size_t gzip_bytes_min = 1024;                    // smaller answers are not worth the header
  std::chrono::milliseconds handshake_timeout{10'000};  // TLS, from accept
  std::chrono::milliseconds header_timeout{10'000};     // from accept or a request's first byte to its blank line
  std::chrono::milliseconds body_timeout{60'000};       // from the blank line to the last byte
  std::chrono::milliseconds idle_timeout{75'000};       // keep-alive without a request

  // Writing
  std::size_t outbox_bytes_max = 256 * 1024;              // per websocket, on top of what the kernel holds
  int notsent_lowat_bytes = 16 * 1024;                    // TCP_NOTSENT_LOWAT: bounds the kernel's share (0: leave it)
  int send_buffer_bytes = 0;                              // SO_SNDBUF (0: the kernel tunes it)
  std::chrono::milliseconds write_stall_timeout{30'000};  // queued bytes, but the peer takes none: reset
  std::chrono::milliseconds close_timeout{2'000};         // for the peer's half of a close, then reset

  // Websockets
  std::size_t websocket_message_bytes_max = 64 * 1024;
  std::chrono::milliseconds ping_interval{25'000};  // clients give up after 30 s without one (Socket Mode)
  std::chrono::milliseconds ping_timeout{15'000};   // after a ping: nothing read at all means dead
};

}  // namespace throng
