// SPDX-License-Identifier: Apache-2.0
// What a failover looked like to clients, out of a run's history: for each fault, and each channel of the node that it
// hit, how long until a post that was made after it was acknowledged, and until each listener elsewhere heard one.
// Pure.
#pragma once

#include <string>
#include <vector>

#include "tools/throngverify/history.hpp"

namespace throng {

struct fault_mark {
  verify::fault_index fault;
  std::string victim;
  std::vector<channel_id> owned;  // by the victim, just before
};

struct failover_samples {
  std::vector<double> ack_ms, delivery_ms;              // of the victims' channels
  std::vector<double> other_ack_ms, other_delivery_ms;  // of the others, at the same moments
  std::size_t never = 0;    // times that a victim's channel was not heard of again before the next fault
  std::size_t dropped = 0;  // listeners elsewhere who lost their websocket before that
};

/// Listeners count whose websocket was open at the fault, and isn't the victim's.
failover_samples failover_samples_of(const verify::history& seen, const std::vector<fault_mark>& marks);

/// 0 for none.
double percentile(std::vector<double> values, double share);

}  // namespace throng
