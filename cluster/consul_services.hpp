// SPDX-License-Identifier: Apache-2.0
// CONSUL SERVICES: registers this process as an instance of a service, and finds the healthy instances of one by name.
// Health is a TTL check: an instance that doesn't report for its ttl is unhealthy, and a minute later forgotten.
//
// One thread for the watchers, one for each watch and each registration. Handles must be gone before this.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cluster/consul_answers.hpp"
#include "cluster/consul_client.hpp"
#include "storage/topology/topology_store.hpp"
#include "storage/topology/watch_thread.hpp"

namespace throng {

/// Any thread.
class consul_services {
 public:
  using handle = topology_store::handle;
  using instances = std::vector<consul_instance>;  // by id

  explicit consul_services(std::shared_ptr<consul_client> client) : client_(std::move(client)) {}

  /// Registers `self` and reports it as healthy three times in `ttl`, until the handle goes: then it is deregistered.
  /// Registers it again when Consul has forgotten it. If Consul is away, the handle goes on trying. Name and id are
  /// 1–128 of a-z A-Z 0-9 - _ . : and the id differs from every other's at the agent; the ttl is a second at least.
  /// Errors: what Consul refuses (errc::invalid_arguments, no_permission).
  result<std::unique_ptr<handle>> register_instance(consul_instance self, std::chrono::milliseconds ttl);

  result<instances> healthy(std::string_view name);
  /// As topology_store::watch(): once soon, and then after every change, what healthy() is. REQUIRES: a sound name.
  std::unique_ptr<handle> watch(std::string_view name, std::function<void(instances)> changed);

 private:
  std::shared_ptr<consul_client> client_;
  watch_thread watches_;
};

}  // namespace throng
