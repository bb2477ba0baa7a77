// SPDX-License-Identifier: Apache-2.0
// A root of its own for each test, in one Consul for the whole program.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include <doctest/doctest.h>

#include "cluster/consul_topology.hpp"
#include "tests/support/consul_agent.hpp"

namespace throng {

inline consul_agent& shared_consul() {
  static consul_agent agent;
  return agent;
}

inline std::unique_ptr<topology_store> open_topology(const consul_options& options, const std::string& root) {
  auto opened = open_consul_topology(std::make_shared<consul_client>(options), root);
  if (!opened) FAIL(opened.failure().detail);
  return std::move(*opened);
}

struct consul_harness {
  std::string root = "test-" + std::to_string(next()) + "/";
  consul_options options = shared_consul().options();
  std::unique_ptr<topology_store> open() const { return open_topology(options, root); }

 private:
  static int next() {
    static std::atomic<int> last = 0;
    return ++last;
  }
};

}  // namespace throng
