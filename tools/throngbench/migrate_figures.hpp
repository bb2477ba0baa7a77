// SPDX-License-Identifier: Apache-2.0
// What moves of channels looked like to who posts there, out of a run's history: for each move the longest time between
// two acknowledgements of the channel, from the order until the move is over, as the shell says: `find` has the entity
// active at the new node, or `nodes` has none of the drained node's slots. Pure.
#pragma once

#include <vector>

#include "tools/throngverify/history.hpp"

namespace throng {

struct move_mark {
  verify::fault_index when;  // the move, or the drain, as the record has it: from the order until it is over
  channel_id channel;
  channel_id bystander;  // another one, that was not moved then
};

struct move_samples {
  std::vector<double> pause_ms, bystander_ms;
};

move_samples move_samples_of(const verify::history& seen, const std::vector<move_mark>& marks);

}  // namespace throng
