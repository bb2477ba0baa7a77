// SPDX-License-Identifier: Apache-2.0
// What a listener shares with its connections, and the place that each of them takes among connections_max.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <utility>

#include "net/transport/detail/event_loop.hpp"
#include "net/transport/http.hpp"
#include "net/transport/tls_context.hpp"

namespace throng::detail {

struct listener_core {
  http_handler handler;
  std::shared_ptr<tls_context> tls;  // null: plain
  std::size_t connections_max = 0;
  std::atomic<std::size_t> connections{0};
};

/// Taken when a connection is accepted, given back when it is gone. The counts are atomic, so it may travel.
class connection_slot {
 public:
  connection_slot() = default;
  connection_slot(std::shared_ptr<listener_core> core, event_loop& loop) : core_(std::move(core)), loop_(&loop) {
    core_->connections.fetch_add(1, std::memory_order_relaxed);
    loop_->load.fetch_add(1, std::memory_order_relaxed);
  }
  connection_slot(connection_slot&& other) noexcept : core_(std::move(other.core_)), loop_(other.loop_) {}
  connection_slot& operator=(connection_slot&&) = delete;
  ~connection_slot() {
    if (!core_) return;
    core_->connections.fetch_sub(1, std::memory_order_relaxed);
    loop_->load.fetch_sub(1, std::memory_order_relaxed);
  }
  const listener_core& core() const { return *core_; }

 private:
  std::shared_ptr<listener_core> core_;
  event_loop* loop_ = nullptr;
};

}  // namespace throng::detail
