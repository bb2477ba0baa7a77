// SPDX-License-Identifier: Apache-2.0
// NODE RECORD: what each node keeps of itself in the topology under "nodes/<name>": who it is, which slot table it
// follows, and whom it can't reach. The key lives as long as its node; who erases it declares the node dead.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cluster/membership/node_numbers.hpp"
#include "cluster/node_identity.hpp"
#include "storage/model/result.hpp"
#include "storage/topology/topology_store.hpp"

namespace throng {

struct node_record {
  node_identity who;
  std::uint32_t weight = 1;             // its share of the slots, compared with others'
  bool is_draining = false;             // it wants to be rid of all
  std::uint64_t applied = 0;            // the version of the slot table that it follows
  std::uint64_t moving = 0;             // slots and routes that are being changed there
  std::vector<node_index> unreachable;  // whose links are down, as it sees them
  std::vector<node_index> lasting;      // those of them that have been down for so long that they won't come back
  std::vector<node_index> unmet;        // whose links are down, and still have time to come up
  std::vector<node_start> gone;         // whose processes have ended: nobody listens at their addresses
  topology_version version = 0;         // of its topology entry; not in the JSON
  friend bool operator==(const node_record&, const node_record&) = default;
};

std::string to_json(const node_record& record);
/// Errors (errc::invalid_json) name the key and what is wrong.
result<node_record> parse_node_record(const topology_entry& entry);

inline constexpr std::string_view node_records_prefix = "nodes/";
inline std::string node_record_key(std::string_view name) {
  return std::string(node_records_prefix) + std::string(name);
}

}  // namespace throng
