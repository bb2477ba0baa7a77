// SPDX-License-Identifier: Apache-2.0
// The server of the client and admin ports: io threads, listeners, and the connections they accept. One object per
// process. Accepting pauses, and resumes by itself, when descriptors are used up or connections_max is reached.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "config/host_port.hpp"
#include "net/transport/figures.hpp"
#include "net/transport/http.hpp"
#include "net/transport/io_loop.hpp"
#include "net/transport/tls_context.hpp"
#include "net/transport_options.hpp"
#include "storage/model/result.hpp"

namespace throng {

struct listener_options {
  host_port address;                 // port 0: the kernel picks one
  http_handler handler;              // for every request of this listener
  std::shared_ptr<tls_context> tls;  // null: plain
  std::size_t connections_max = 0;   // 0: transport_options::connections_max; either counts this listener's own
};

class server {
 public:
  /// Starts the io threads ("io/0", …). Ignores SIGPIPE for the whole process: OpenSSL writes with write(2).
  explicit server(const transport_options& options);
  /// stop(), if it was not called.
  ~server();
  server(const server&) = delete;
  server& operator=(const server&) = delete;

  /// Binds and accepts from now on; the result has the bound port. A name is resolved, and the first address taken.
  /// Any thread, not after stop(). Fails with invalid_arguments (no such host) or unavailable (port taken, …).
  result<host_port> listen(listener_options options);

  std::size_t loop_count() const;
  io_loop& loop(std::size_t index);

  /// Sums over all loops, as of now. Any thread.
  transport_figures figures() const;
  /// Of one loop. REQUIRES: index < loop_count().
  transport_figures figures_of(std::size_t index) const;

  /// Closes the listeners; connections live on, but HTTP answers say "Connection: close". Any thread, first step of a
  /// drain.
  void stop_accepting();
  /// stop_accepting(); then closes websockets with 1001, lets requests under way be answered, and after `grace` resets
  /// what is left and ends the threads. Blocks; not from an io thread. Handlers get their on_close before it returns.
  void stop(std::chrono::milliseconds grace = std::chrono::milliseconds{2'000});

 private:
  class impl;
  std::unique_ptr<impl> impl_;
};

}  // namespace throng
