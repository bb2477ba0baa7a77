// SPDX-License-Identifier: Apache-2.0
// LISTENER: accepts connections on one address and hands each to the io loop that has the fewest. When descriptors
// are used up, or its connections_max is reached, it looks again a little later: it never spins and never gives up.
// Runs on one io loop. One accepting descriptor rather than SO_REUSEPORT: a second server on the same port is an
// error that is seen, and long-lived connections are spread by count instead of by hash.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include <boost/asio/ip/tcp.hpp>

#include "net/transport/detail/connection_slot.hpp"
#include "net/transport/detail/event_loop.hpp"
#include "net/transport/server.hpp"
#include "storage/model/result.hpp"

namespace throng::detail {

class listener : public std::enable_shared_from_this<listener> {
 public:
  using loops = std::vector<std::shared_ptr<event_loop>>;

  /// Binds; start() accepts. Any thread.
  static result<std::shared_ptr<listener>> bind(event_loop& on, const loops& all, listener_options options);
  listener(event_loop& on, const loops& all, std::shared_ptr<listener_core> core, int fd, host_port bound);

  const host_port& bound() const { return bound_; }
  /// Both on any thread.
  void start();
  void close();

 private:
  using acceptor_type =
      boost::asio::basic_socket_acceptor<boost::asio::ip::tcp, boost::asio::io_context::executor_type>;

  void wait();
  void accept_some();
  void pause(const char* why);
  void hand_over(int fd, std::string peer);

  event_loop& loop_;
  const loops& loops_;
  std::shared_ptr<listener_core> core_;
  acceptor_type acceptor_;
  host_port bound_;
  bool is_paused_ = false;
};

}  // namespace throng::detail
