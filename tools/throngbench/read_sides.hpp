// SPDX-License-Identifier: Apache-2.0
// What the read benchmark measures, each for one round: pages of history asked of CHANNELs of a node in this process,
// and the yardstick. "Cold": each channel's page once, after database and system have forgotten the rows; "warm": the
// pages in turn, again and again.
#pragma once

#include "tools/throngbench/bench_storage.hpp"
#include "tools/throngbench/report.hpp"

namespace throng {

struct read_plan {
  std::size_t seconds, rounds, outstanding, channels, messages, bytes, limit;
};

/// Fills the empty store: so many messages a channel. Leaves it closed, as do the others.
result<> fill_for_reads(const read_plan& with, bench_storage& storage);
result<figures> measure_node_reads(const read_plan& with, bench_storage& storage);
/// A bare prepared SELECT of the same rows, on as many connections as the store has readers.
result<figures> measure_bare_reads(const read_plan& with, bench_storage& storage);

}  // namespace throng
