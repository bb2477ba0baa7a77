// SPDX-License-Identifier: Apache-2.0
// PIN RECORDS: "pins" in the topology: which entities belong on a node of their own, whoever owns their slot, by the
// node's name. One small document that every node watches; changed by compare-and-set. At most pins_max.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cluster/envelope.hpp"
#include "storage/topology/topology_store.hpp"

namespace throng {

struct pin_record {
  entity_key key;
  std::string node;
  friend auto operator<=>(const pin_record&, const pin_record&) = default;
};

inline constexpr std::string_view pins_key = "pins";
inline constexpr std::size_t pins_max = 1'024;

/// Sorted by entity.
std::string to_json(const std::vector<pin_record>& pins);
/// Errors (errc::invalid_json) name the key and what is wrong.
result<std::vector<pin_record>> parse_pin_records(const topology_entry& entry);

/// Pins `key` to the node of that name, instead of where it was pinned; nullopt: unpins it. Blocks. Errors: not_found
/// if it wasn't pinned, overloaded at pins_max, conflict if others change the pins all the time, and the topology's.
result<> change_pin(topology_store& topology, entity_key key, const std::optional<std::string>& node);

}  // namespace throng
