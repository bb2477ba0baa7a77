// SPDX-License-Identifier: Apache-2.0
// FAULT PLAN: which faults happen when, drawn from a seed: one at a time with calm between, and now and then two that
// overlap. Each kind comes once before one comes again. Whom they hit is drawn too, but chosen among who is well then.
// Pure.
#pragma once

#include <chrono>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "storage/model/result.hpp"

namespace throng::verify {

enum class fault_kind : std::uint8_t {
  kill,     // kill -9 of a node; started again later
  pause,    // SIGSTOP of a node, then SIGCONT
  cut,      // no network between two nodes, or between one and all others
  drain,    // SIGTERM of a node, started again; or of all, one after the other
  leader,   // kill -9 or SIGSTOP of the node that coordinates
  consul,   // Consul stopped, or started again empty
  db,       // kill -9 of a shard's primary
  migrate,  // slots and single entities sent to other nodes all the time, then let go home
  empty,    // a node drained by the shell, and undrained
};
inline constexpr std::size_t fault_kinds = 9;
std::string_view to_text(fault_kind kind);

/// "kill,pause"; none for "none". Errors: invalid_arguments, with a sentence.
result<std::vector<fault_kind>> parse_fault_kinds(std::string_view text);

struct planned_fault {
  fault_kind kind{};
  std::chrono::milliseconds begin{0};  // since the play's begin; later if the earlier one isn't over yet
  std::chrono::milliseconds lasts{0};
  std::uint64_t dice = 0;  // chooses the target and the variant
  bool overlaps = false;   // begins while the earlier one lasts
  friend bool operator==(const planned_fault&, const planned_fault&) = default;
};

/// What fits into `play`.
std::vector<planned_fault> plan_faults(std::span<const fault_kind> kinds, std::chrono::milliseconds play,
                                       std::uint64_t seed);
/// One line a fault.
std::string to_text(std::span<const planned_fault> plan);

}  // namespace throng::verify
