// SPDX-License-Identifier: Apache-2.0
// NODE IDENTITY: who a node is to the others, as it registers itself in the topology ("nodes/<name>").
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "cluster/envelope.hpp"

namespace throng {

/// One start of a node.
struct node_start {
  node_index node;
  std::uint64_t incarnation = 0;
  friend bool operator==(const node_start&, const node_start&) = default;
};

struct node_identity {
  node_index node;                // small and lasting: "node_numbers/<name>" remembers it
  std::uint64_t incarnation = 0;  // a new one at each start, larger than those before
  std::string name;               // the configuration's
  std::string link_address;       // "10.0.0.7:8090"
  std::string admin_address;
  std::string client_url;
  friend bool operator==(const node_identity&, const node_identity&) = default;
};

}  // namespace throng
