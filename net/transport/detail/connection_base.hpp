// SPDX-License-Identifier: Apache-2.0
// What all connections have in common, HTTP and websocket: a place on their loop's list, one coarse deadline, and the
// events of their stream. A connection owns itself from open() to end(); pending operations keep it a little longer.
#pragma once

#include <memory>

#include "net/transport/detail/event_loop.hpp"
#include "net/transport/timer_wheel.hpp"

namespace throng::detail {

class connection_base : public timer_wheel::entry, public std::enable_shared_from_this<connection_base> {
 public:
  explicit connection_base(event_loop& loop) : loop_(loop), keep_loop_(loop.shared_from_this()) {}
  ~connection_base() override = default;

  /// Everything queued has been taken by the kernel.
  virtual void on_drained() = 0;
  /// The kernel takes no more: start to watch for progress.
  virtual void on_write_blocked() = 0;
  /// Writing failed: the line is lost.
  virtual void on_write_error() = 0;
  /// The server stops: end soon, and politely.
  virtual void begin_stop() = 0;
  /// End now.
  virtual void abort() = 0;

 protected:
  /// REQUIRES: owned by a shared_ptr.
  void open() {
    self_ = shared_from_this();
    loop_.link(*this);
  }
  /// The last thing a connection does; `this` may be gone afterwards, unless the caller holds a shared_ptr.
  void end() {
    if (!self_) return;
    loop_.disarm(*this);
    loop_.unlink(*this);
    self_.reset();
  }
  bool is_open() const { return self_ != nullptr; }

  event_loop& loop_;

 private:
  friend class event_loop;
  std::shared_ptr<event_loop> keep_loop_;  // a handle on a connection may outlive the server
  std::shared_ptr<connection_base> self_;
  connection_base* previous_ = nullptr;
  connection_base* next_ = nullptr;
};

}  // namespace throng::detail
