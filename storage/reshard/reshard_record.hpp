// SPDX-License-Identifier: Apache-2.0
// RESHARD RECORD: how far the reshard of a keyspace has come, as it stands in the topology under reshard/<keyspace>,
// and what may be done next. Verbs and states are named as Vitess names them. Pure.
//
//   start ─► creating ─► copying ─► running ══ switch ═► switching ─► switched ── complete ─► completing ─► completed
//                │          │          ▲ │                  │ fails      ║ ▲
//                │          │          │ │◄─────────────────┘    reverse ║ │ fails
//                └── cancel ┴──────────┼─┴─► cancelling ─► cancelled     ▼ │
//                                      └──────────────────────────── reversing
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "storage/model/key_range.hpp"
#include "storage/topology/topology_store.hpp"

namespace throng {

enum class reshard_phase : std::uint8_t {
  creating,    // journals and triggers are made, the targets are prepared
  copying,     // rows are copied and changes replayed
  running,     // everything is copied, changes are replayed: may be verified and switched
  switching,   // sources are frozen; the serving set in the topology tells on which side of the switch it is
  switched,    // targets serve; changes are replayed to the sources: may be verified and reversed
  reversing,   // like switching, the other way
  completing,  // journals go, the sources leave the topology
  completed,
  cancelling,  // journals go, the targets are emptied
  cancelled,
};
std::string_view to_string(reshard_phase phase);
std::optional<reshard_phase> reshard_phase_of(std::string_view text);
/// Completed and cancelled: another reshard may start.
bool is_over(reshard_phase phase);
/// The sources hold the truth, or the targets do. Of switching and reversing: who did when it began.
bool is_served_by_targets(reshard_phase phase);

enum class reshard_action : std::uint8_t { verify, switch_writes, reverse, complete, cancel };
std::string_view to_string(reshard_action action);
/// The phase in which the action works. Errors (errc::conflict) say what has to happen first.
result<reshard_phase> phase_for(reshard_phase now, reshard_action action);

struct reshard_record {
  static constexpr std::size_t pauses_max = 100;

  std::uint64_t id = 0;  // of this reshard
  reshard_phase phase = reshard_phase::creating;
  std::vector<key_range> sources, targets;
  std::vector<key_range> registered;         // targets that this reshard brought into the topology
  bool drops_data = false;                   // of complete: the sources' rows go too
  std::uint64_t rows_per_second = 0;         // the copy's throttle; 0: none
  std::vector<std::uint64_t> pauses_micros;  // of the newest switches, freeze to the new serving set
  std::string reason;                        // of the last change, for a person
  topology_version version = 0;              // of its topology entry; not in the JSON

  const std::vector<key_range>& from() const { return is_served_by_targets(phase) ? targets : sources; }
  const std::vector<key_range>& to() const { return is_served_by_targets(phase) ? sources : targets; }
  friend bool operator==(const reshard_record&, const reshard_record&) = default;
};

std::string reshard_key(std::string_view keyspace);  // "reshard/throng"
std::string to_json(const reshard_record& record);
/// Errors (errc::invalid_json) name the key and what is wrong.
result<reshard_record> parse_reshard_record(const topology_entry& entry);

}  // namespace throng
