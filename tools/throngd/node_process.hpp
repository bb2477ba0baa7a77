// SPDX-License-Identifier: Apache-2.0
// NODE PROCESS: all parts of a node, put together in the order in which they stand on each other, and taken apart in
// the opposite one. One a process; used by main() only.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "cluster/membership/cluster_agent.hpp"
#include "config/configuration.hpp"
#include "storage/model/result.hpp"

namespace throng {

class node_process {
 public:
  /// Opens the store, takes the slots or joins the cluster, and serves. Errors say in one sentence what was in the way.
  /// `on_expelled`: it is no member of its cluster any more; on any thread, once, and the owner stops it.
  static result<std::unique_ptr<node_process>> start(const configuration& settings, std::string version,
                                                     std::function<void(expulsion)> on_expelled);
  virtual ~node_process() = default;

  /// "ready node=n1 client=http://127.0.0.1:41001 admin=http://127.0.0.1:41002 cluster=127.0.0.1:41003"
  virtual std::string ready_line() const = 0;
  /// Where it really listens: for another life under the same addresses.
  virtual configuration::listen_t listening() const = 0;
  /// Drains: others take its slots, no new connections, websockets are told to come back elsewhere, requests under way
  /// are answered, what was submitted is committed. Blocks.
  virtual void stop() = 0;
};

}  // namespace throng
