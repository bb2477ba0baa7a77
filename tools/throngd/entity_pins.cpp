// SPDX-License-Identifier: Apache-2.0
#include "tools/throngd/entity_pins.hpp"

#include <algorithm>

#include "cluster/membership/pin_records.hpp"

namespace throng {

namespace {

bool takes_nothing(const cluster_agent::view& now, const node_record& member) {
  return member.is_draining || now.facts.wishes.draining.contains(member.who.name);
}

std::string owner_of(const cluster_agent::view& now, entity_key key) {
  if (now.facts.table)
    for (const auto& each : now.facts.members)
      if (each.who.node == now.facts.table->owner_of(slot_of(key)).node) return each.who.name;
  return {};
}

std::string home_text(const cluster_agent::view& now, entity_key key) {
  const auto owner = owner_of(now, key);
  return "slot " + std::to_string(slot_of(key).value) + (owner.empty() ? "" : ", which is on " + owner);
}

}  // namespace

const node_record* member_called(const cluster_agent::view& now, std::string_view name) {
  const auto named = [name](const node_record& each) { return each.who.name == name; };
  const auto found = std::ranges::find_if(now.facts.members, named);
  return found == now.facts.members.end() ? nullptr : &*found;
}

result<std::string> pin_entity(topology_store& topology, const cluster_agent::view& now, entity_key key,
                               std::string_view node) {
  const auto* member = member_called(now, node);
  if (!member) return error{errc::not_found, "there is no node " + std::string(node)};
  if (auto pinned = change_pin(topology, key, member->who.name); !pinned) return pinned.failure();
  auto text = to_text(key) + " is pinned to " + member->who.name;
  if (owner_of(now, key) == member->who.name) return text + ", which owns its slot now";
  text += ", and is lent there by its slot's owner";
  if (takes_nothing(now, *member)) text += " as soon as " + member->who.name + " takes something again";
  return text;
}

result<std::string> unpin_entity(topology_store& topology, const cluster_agent::view& now, entity_key key) {
  if (auto unpinned = change_pin(topology, key, std::nullopt); !unpinned) return unpinned.failure();
  return to_text(key) + " isn't pinned any more, and goes home: " + home_text(now, key);
}

result<std::string> migrate_entity(topology_store& topology, const cluster_agent::view& now, entity_key key,
                                   std::string_view node) {
  const auto* member = member_called(now, node);
  if (member && owner_of(now, key) != node && takes_nothing(now, *member))
    return error{errc::conflict, member->who.name + " takes nothing: it drains"};
  if (!member || owner_of(now, key) != node) return pin_entity(topology, now, key, node);
  auto unpinned = unpin_entity(topology, now, key);
  if (!unpinned && unpinned.code() == errc::not_found)
    return error{errc::conflict, to_text(key) + " is there: " + home_text(now, key)};
  return unpinned;
}

}  // namespace throng
