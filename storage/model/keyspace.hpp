// SPDX-License-Identifier: Apache-2.0
// Where a key belongs. keyspace_id() is the one hash that decides an entity's slot and its rows' shard.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "storage/model/ids.hpp"

namespace throng {

/// A keyspace id: where a row or an entity belongs. The first 8 bytes of Vitess's, as a big-endian number, so that
/// comparing numbers compares bytes.
using ksid_t = std::uint64_t;

/// The value Vitess's `xxhash` vindex computes for an integer: XXH64 (seed 0) of its decimal digits, as 8 bytes in
/// little-endian order.
ksid_t keyspace_id(std::uint64_t id);

/// The entities that can be placed on a node. The numbers are stored and sent: never reuse one.
enum class entity_kind : std::uint8_t { channel = 1, session = 2, presence = 3, workspace = 4, user = 5 };
std::string_view to_string(entity_kind kind);  // "channel", …

/// The name of an entity: what it is and its id.
struct entity_key {
  entity_kind kind{};
  std::uint64_t id = 0;
  friend constexpr auto operator<=>(entity_key, entity_key) = default;
};
inline entity_key key_of(channel_id id) { return {entity_kind::channel, id.value}; }
inline entity_key key_of(session_id id) { return {entity_kind::session, id.value}; }
inline entity_key key_of(bucket_id id) { return {entity_kind::presence, id.value}; }
inline entity_key key_of(team_id id) { return {entity_kind::workspace, id.value}; }
inline entity_key key_of(user_id id) { return {entity_kind::user, id.value}; }
/// "channel:C1A2B3", "presence:17": the shell's and the logs' name of an entity.
std::string to_text(entity_key key);

/// A 4,096th of the keyspace: what is placed on a node, fenced and moved as one.
struct slot_id {
  std::uint16_t value = 0;
  friend constexpr auto operator<=>(slot_id, slot_id) = default;
};
inline constexpr std::uint32_t slot_count = 4096;
/// The first 12 bits of the keyspace id.
slot_id slot_of(entity_key key);
slot_id slot_of(ksid_t place);
inline ksid_t keyspace_id(entity_key key) { return keyspace_id(key.id); }
/// The first keyspace id of a slot. A slot never straddles shards, so this tells the shard of all of it.
ksid_t first_ksid_of(slot_id slot);

/// How often the ownership of a slot has changed; the larger one wins.
using epoch_t = std::uint64_t;
/// Dense position of an event inside one channel (or a workspace's or user's metadata stream), starting at 1.
using seq_t = std::uint64_t;

/// Presence is kept by 1,024 buckets; a user's is chosen by the user's keyspace id.
bucket_id presence_bucket_of(user_id user);

}  // namespace throng

template <>
struct std::hash<throng::entity_key> {
  std::size_t operator()(throng::entity_key key) const noexcept {
    return static_cast<std::size_t>((key.id ^ (static_cast<std::uint64_t>(key.kind) << 59)) * 0x9E3779B97F4A7C15ULL);
  }
};
template <>
struct std::hash<throng::slot_id> {
  std::size_t operator()(throng::slot_id slot) const noexcept { return slot.value; }
};
