// SPDX-License-Identifier: Apache-2.0
// WIRE LOOP: passes bytes between the processes of one machine, and stops passing them where the plan has a cut. It
// looks like the kernel's own path to both ends: who dies is refused at once, who ends one direction ends one
// direction. One thread, one epoll. A connection takes two descriptors, and at most 64 KiB a direction; what a slow
// reader doesn't take isn't read from its writer.
#pragma once

#include <memory>

#include "tools/throngwire/wire_plan.hpp"

namespace throng {

class wire_loop {
 public:
  wire_loop();
  ~wire_loop();
  wire_loop(const wire_loop&) = delete;
  wire_loop& operator=(const wire_loop&) = delete;

  /// From here on the wires are these. Connections of wires that stay, stay. Errors: errc::invalid_arguments for an
  /// address where it can't listen; nothing has changed then.
  result<> follow(wire_plan plan);
  /// Moves what there is to move; returns after a while, or when a signal has come.
  void run_once();

 private:
  class impl;
  std::unique_ptr<impl> impl_;
};

}  // namespace throng
