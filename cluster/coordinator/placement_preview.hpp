// SPDX-License-Identifier: Apache-2.0
// PLACEMENT PREVIEW: all that should move by what is known and wished, and what each node would carry then: what the
// shell's `plan` shows, and what it makes a change of. Pure. The COORDINATOR gets there in smaller steps, and later,
// for it also waits until an imbalance has lasted.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cluster/coordinator/coordinator_core.hpp"

namespace throng {

struct placement_preview {
  /// Slots that go the same way for the same reason.
  struct way {
    node_index from;  // 0: nobody has them
    node_index to;
    std::string why;
    std::vector<slot_id> slots;
    std::uint64_t load = 0;  // messages a second, or the like (cluster/load/load_report.hpp)
  };
  struct node {
    node_index number;
    std::uint32_t weight = 0;
    std::size_t slots_before = 0, slots_after = 0;
    std::uint64_t load_before = 0, load_after = 0;
  };
  std::uint64_t table_version = 0;
  std::vector<slot_move> moves;
  std::vector<way> ways;
  std::vector<node> nodes;
};

/// REQUIRES: facts.table.
placement_preview preview_placement(cluster_facts facts, coordinator_options how);

}  // namespace throng
