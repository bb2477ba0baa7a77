// SPDX-License-Identifier: Apache-2.0
// CLIENT DRAIN: when the clients of a node are sent to the others because somebody drains it by hand: once its slots
// are gone, so that sessions are where they stay; not as long as nobody else takes clients. Looked at now and then.
// Pure.
#pragma once

#include <chrono>
#include <optional>

#include "cluster/membership/cluster_agent.hpp"
#include "net/gateway/drain_plan.hpp"

namespace throng {

/// Where the clients of this node can go. `stops`: it has no choice, and sends them to nodes that are drained by hand
/// rather than nowhere.
drain_order way_out(const cluster_agent::view& now, bool stops = false);

class client_drain {
 public:
  /// `patience`: that it waits for its slots to go.
  explicit client_drain(std::chrono::milliseconds patience) : patience_(patience) {}

  struct decision {
    bool is_wanted = false;             // it is drained, and can be: no new clients should come
    std::optional<drain_order> begins;  // the clients are told to go, or to go elsewhere than was said before
    bool ends = false;                  // it takes clients again
  };
  decision look(const cluster_agent::view& now, steady_time at);

 private:
  const std::chrono::milliseconds patience_;
  std::optional<steady_time> since_;  // it is wanted
  std::optional<drain_order> told_;
};

}  // namespace throng
