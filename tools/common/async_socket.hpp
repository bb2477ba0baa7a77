// SPDX-License-Identifier: Apache-2.0
// ASYNC SOCKET: one TCP connection of a coroutine on an EVENT LOOP. Every wait has a deadline. One reader and one
// writer at a time; whoever waits on it must end before it goes away (shut_down() wakes both).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "storage/model/result.hpp"
#include "tools/common/event_loop.hpp"
#include "tools/common/http_client.hpp"

namespace throng {

class async_socket {
 public:
  async_socket() = default;

  /// Names are looked up on this thread; give addresses where that matters. Errors: service_unavailable.
  static task<result<async_socket>> connect(event_loop& loop, http_url server, event_loop::time deadline);
  /// A pipe's end or anything else that epoll knows; it is made non-blocking.
  static async_socket adopt(event_loop& loop, unique_fd fd);

  bool is_open() const { return state_ && state_->fd; }
  /// Whether a kept connection can't be used again: the other side closed it, or says something unasked.
  bool is_stale() const;
  /// Sends all of it. Errors: service_unavailable.
  task<result<>> send(std::string_view bytes, event_loop::time deadline);
  /// Appends what is there; false at the deadline. Errors: service_unavailable at its end.
  task<result<bool>> receive(std::string& into, event_loop::time deadline);

  /// Whoever reads, or reads next, hears "deadline" at once.
  void interrupt_reader();
  /// Ends both directions, and wakes who waits.
  void shut_down();
  /// From here on closing it resets the connection, as when the machine behind it was restarted.
  void reset_on_close();

 private:
  struct state {
    event_loop& loop;
    unique_fd fd;
    event_loop::interest interest{};
    bool is_interrupted = false;
    std::optional<event_loop::watched> watched{};  // ends first
  };
  explicit async_socket(std::unique_ptr<state> from) : state_(std::move(from)) {}
  std::unique_ptr<state> state_;
};

}  // namespace throng
