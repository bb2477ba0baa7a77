// SPDX-License-Identifier: Apache-2.0
// BORROWED LOGGER: in CAF 0.17 a thread that makes an actor system or spawns into it keeps the system's logger until
// the thread ends, and ~actor_system waits for the logger: an io thread that made a SLOT would hold up stop() for ever.
// Scheduler threads have their own system's logger before, and keep it.
#pragma once

#include <caf/actor_system.hpp>
#include <caf/logger.hpp>

namespace throng {

class borrowed_logger {
 public:
  borrowed_logger() = default;
  borrowed_logger(const borrowed_logger&) = delete;
  borrowed_logger& operator=(const borrowed_logger&) = delete;
  ~borrowed_logger() {
    if (!had_one_) give_back();
  }
  /// For a thread of one system that is about to call into another, which may spawn there.
  static void give_back() {
    if (caf::logger::current_logger() != nullptr) caf::logger::set_current_actor_system(nullptr);
  }

 private:
  const bool had_one_ = caf::logger::current_logger() != nullptr;
};

}  // namespace throng
