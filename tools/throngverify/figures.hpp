// SPDX-License-Identifier: Apache-2.0
// FIGURES of a run, from its history: how many calls had which outcome, how long acknowledgements took, and for how
// long a channel that was posted to acknowledged nothing, by the fault that was under way. No judgement.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>

#include "tools/throngverify/history.hpp"

namespace throng::verify {

/// Times are nanoseconds.
struct call_figures {
  std::uint64_t invoked = 0, acknowledged = 0, refused = 0, unknown = 0;
  std::int64_t p50_ns = 0, p99_ns = 0, max_ns = 0;  // from the first invocation to the acknowledgement
};

/// The longest time in which a channel acknowledged no post although one was under way, at a node that was itself
/// spared: whoever has asked a paused one waits for that.
struct stall_figures {
  std::uint64_t faults = 0;
  std::int64_t longest_ns = 0;
  channel_id channel{};
  std::int64_t began_ns = 0;
};

struct run_figures {
  std::int64_t duration_ns = 0;
  std::uint64_t clients = 0, channels = 0, sockets = 0, resumes = 0, gaps = 0, events_received = 0, history_entries = 0;
  std::map<std::string, call_figures> calls{};      // by "post", "edit", …
  std::map<std::string, stall_figures> by_fault{};  // by kind; "none": the longest without a fault
};

/// A stall counts for a fault that was under way then, or had ended less than this before.
inline constexpr std::chrono::seconds fault_aftermath{5};

run_figures measure(const history& of);

std::string_view to_string(happening what);
std::string_view to_string(phase which);

}  // namespace throng::verify
