// SPDX-License-Identifier: Apache-2.0
// An entity that belongs on one node, wherever its slot is.
#pragma once

#include "cluster/envelope.hpp"

namespace throng {

struct entity_pin {
  entity_key key;
  node_index node;
  friend constexpr auto operator<=>(const entity_pin&, const entity_pin&) = default;
};

}  // namespace throng
