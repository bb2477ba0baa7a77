// SPDX-License-Identifier: Apache-2.0
#include "cluster/membership/node_numbers.hpp"

#include <algorithm>
#include <chrono>
#include <optional>

#include "storage/json/json.hpp"

namespace throng {

namespace {

constexpr int tries = 20;

std::string number_key(std::string_view name) { return "node_numbers/" + std::string(name); }
std::string claim_key(std::uint16_t number) { return "node_claims/" + std::to_string(number); }

std::string to_json(node_start start) {
  std::string text;
  json_writer(text)
      .begin_object()
      .member("node", start.node.value)
      .member("incarnation", start.incarnation)
      .end_object();
  return text;
}

struct known_start {
  node_start start;
  topology_version version = 0;
};

result<std::optional<known_start>> read(topology_store& topology, const std::string& name) {
  auto entry = topology.get(number_key(name));
  if (!entry) return entry.failure();
  if (!*entry) return std::optional<known_start>();
  auto document = parse_json((*entry)->value);
  if (!document) return error{errc::invalid_json, (*entry)->key + ": " + document.failure().detail};
  const auto node = document->root().find("node").as_int();
  const auto incarnation = document->root().find("incarnation").as_int();
  if (!node || !incarnation || *node < 1 || *node > node_number_max || *incarnation < 0)
    return error{errc::invalid_json, (*entry)->key + " must have a node (1 to 1023) and an incarnation"};
  return std::optional(
      known_start{{{static_cast<std::uint16_t>(*node)}, static_cast<std::uint64_t>(*incarnation)}, (*entry)->version});
}

/// Makes the number this name's, if it is nobody's; true if it is this name's now.
result<bool> claim(topology_store& topology, std::uint16_t number, const std::string& name) {
  auto put = topology.put(claim_key(number), name, 0);
  if (put) return true;
  if (put.code() != errc::conflict) return put.failure();
  auto entry = topology.get(claim_key(number));
  if (!entry) return entry.failure();
  return *entry && (*entry)->value == name;
}

/// False: the number is another's, or somebody has written of this name just now.
result<bool> write_down(topology_store& topology, const std::string& name, node_start start) {
  auto claimed = claim(topology, start.node.value, name);
  if (!claimed || !*claimed) return claimed;
  auto put = topology.put(number_key(name), to_json(start), 0);
  if (!put && put.code() != errc::conflict) return put.failure();
  return put.ok();
}

/// What is known of the name; `start`, if that was nothing. nullopt: its number is another's.
result<std::optional<known_start>> read_or_write_down(topology_store& topology, const std::string& name,
                                                      node_start start) {
  auto known = read(topology, name);
  if (!known || *known) return known;
  if (auto written = write_down(topology, name, start); !written) return written.failure();
  return read(topology, name);
}

}  // namespace

result<node_start> begin_start(topology_store& topology, const std::string& name, wall_time now) {
  const auto since_1970 = std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count();
  const auto early = static_cast<std::uint64_t>(std::max<std::int64_t>(1, since_1970));
  for (int i = 0; i < tries; ++i) {
    auto known = read(topology, name);
    if (!known) return known.failure();
    node_start next;
    if (*known) {
      next = {(*known)->start.node, std::max((*known)->start.incarnation + 1, early)};
    } else {
      std::uint16_t number = 1;
      for (; number <= node_number_max; ++number) {
        auto claimed = claim(topology, number, name);
        if (!claimed) return claimed.failure();
        if (*claimed) break;
      }
      if (number > node_number_max) return error{errc::overloaded, "all node numbers are taken"};
      next = {{number}, early};
    }
    auto put = topology.put(number_key(name), to_json(next), *known ? (*known)->version : 0);
    if (put) return next;
    if (put.code() != errc::conflict) return put.failure();
  }
  return error{errc::conflict, "others start as node " + name + " all the time"};
}

result<bool> is_current(topology_store& topology, const std::string& name, node_start start) {
  for (int i = 0; i < tries; ++i) {
    auto known = read_or_write_down(topology, name, start);
    if (!known) return known.failure();
    if (!*known) return false;
    const auto& last = (*known)->start;
    if (last == start) return true;
    if (last.node != start.node || last.incarnation > start.incarnation) return false;
    // It had forgotten, and was told by somebody who knew only an earlier one.
    auto put = topology.put(number_key(name), to_json(start), (*known)->version);
    if (put) return true;
    if (put.code() != errc::conflict) return put.failure();
  }
  return error{errc::conflict, "others write of node " + name + " all the time"};
}

result<bool> remember(topology_store& topology, const std::string& name, node_start start) {
  auto known = read(topology, name);
  if (!known) return known.failure();
  if (*known) return false;
  return write_down(topology, name, start);
}

result<> spend(topology_store& topology, const std::string& name, node_start start) {
  const node_start next{start.node, start.incarnation + 1};
  for (int i = 0; i < tries; ++i) {
    auto known = read_or_write_down(topology, name, next);
    if (!known) return known.failure();
    if (!*known) return done;  // its number is another's: that's how it will hear
    if ((*known)->start.incarnation > start.incarnation) return done;
    auto put = topology.put(number_key(name), to_json({(*known)->start.node, next.incarnation}), (*known)->version);
    if (put) return done;
    if (put.code() != errc::conflict) return put.failure();
  }
  return error{errc::conflict, "node " + name + " starts all the time"};
}

}  // namespace throng
