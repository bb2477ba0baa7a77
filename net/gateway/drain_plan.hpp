// SPDX-License-Identifier: Apache-2.0
// DRAIN PLAN: when each client of a gateway that goes away is told so. All come back at the other gateways, which have
// clients of their own: so the window grows with their number, up to what the drain may take, and each has a slot of
// its own within it, at a random moment. Pure.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "net/transport/base_url.hpp"

namespace throng {

/// Where the clients of a node that goes away are sent.
struct drain_order {
  std::string own_url;              // as other nodes know it: "http://…"
  std::vector<std::string> others;  // of gateways that stay

  /// For a client that came by `base_url` ("ws://…"); the `turn`th of them. One that came by another name than the
  /// node's own has something in front that knows the others. Empty: there is nowhere to go.
  std::string place_for(const std::string& base_url, std::size_t turn) const {
    if (others.empty()) return {};
    if (own_url.empty() || base_url != as_websocket_url(own_url)) return base_url;
    return as_websocket_url(others[turn % others.size()]);
  }
  friend bool operator==(const drain_order&, const drain_order&) = default;
};

class drain_plan {
 public:
  using milliseconds = std::chrono::milliseconds;

  /// `per_second`: at most so many, unless `window_max` is too short for that.
  static milliseconds window_of(std::size_t clients, std::size_t per_second, milliseconds window_max) {
    const milliseconds wanted(static_cast<std::int64_t>(clients * 1'000 / std::max<std::size_t>(per_second, 1)));
    return std::clamp(wanted, milliseconds(0), std::max(window_max, milliseconds(0)));
  }

  drain_plan(std::size_t clients, milliseconds window) : clients_(std::max<std::size_t>(clients, 1)), window_(window) {}

  /// Of the client at `index`: later for a later one. `chance` places it within its slot.
  milliseconds slot_of(std::size_t index, std::uint16_t chance) const {
    const auto share = std::min(index, clients_ - 1) * 65'536 + chance;
    return milliseconds(
        static_cast<std::int64_t>(static_cast<std::size_t>(window_.count()) * share / clients_ / 65'536));
  }

 private:
  std::size_t clients_;
  milliseconds window_;
};

}  // namespace throng
