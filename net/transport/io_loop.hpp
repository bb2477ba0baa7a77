// SPDX-License-Identifier: Apache-2.0
// One io thread, seen from outside: where to run something, and when. A connection lives on one io loop from accept
// to close, and everything that touches it runs there. The server owns its loops; they outlive every connection.
#pragma once

#include <chrono>
#include <cstddef>

#include "net/transport/task.hpp"
#include "storage/model/time.hpp"

namespace throng {

class io_loop {
 public:
  virtual ~io_loop() = default;

  /// Runs `run` on this loop's thread, once per turn with all others that were posted meanwhile; in order per poster.
  /// Any thread. False, and `run` is gone, when the inbox is full (transport_options::inbox_tasks_max) or the loop
  /// has stopped.
  virtual bool post(io_task run) = 0;

  /// As post(), without the bound: for answers whose number is bounded by the requests that are under way.
  /// After the loop has stopped, `run` is destroyed unrun.
  virtual void post_always(io_task run) = 0;

  /// Runs `run` after `delay`, to about a millisecond. This loop's thread only. Dropped unrun when the loop stops.
  virtual void after(std::chrono::milliseconds delay, io_task run) = 0;

  virtual std::size_t index() const = 0;
  /// Whether the calling thread is this loop's.
  virtual bool is_current() const = 0;
};

}  // namespace throng
