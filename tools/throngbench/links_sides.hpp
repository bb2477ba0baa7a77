// SPDX-License-Identifier: Apache-2.0
// What the links benchmark measures, each in two processes of its own: a node's links, and the yardstick. To be called
// from a program without threads, since all of them fork.
#pragma once

#include <optional>

#include "cluster/tls_gate.hpp"
#include "tools/throngbench/report.hpp"

namespace throng {

struct links_plan {
  std::size_t seconds = 2, bytes = 200, round_trips = 2000;
  std::optional<tls_files> receiver_tls{}, sender_tls{};
};

struct links_outcome {
  double envelopes_per_s = 0;
  double cpu_us = 0;              // of both processes, an envelope
  double p50_us = 0, p99_us = 0;  // round trip of one envelope, when nothing else is under way
};
result<links_outcome> measure_links(const links_plan& with);
/// Two actors, CAF's own connection, 100 strings a message, 200 messages unacknowledged.
result<links_outcome> measure_bare_batches(const links_plan& with);

struct stopped_outcome {
  double growth_mb = 0;   // of the sender's memory, until it refuses and for a second more
  double waiting_mb = 0;  // what it took
  double refused_after_ms = 0;
  double caught_up_ms = 0;  // from SIGCONT until all of it had arrived
};
result<stopped_outcome> measure_stopped_receiver(const links_plan& with);

}  // namespace throng
