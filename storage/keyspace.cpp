// SPDX-License-Identifier: Apache-2.0
// The parts of storage/model/ that hash: keyspace ids, and the ids of direct messages that are derived from people.
#include "storage/model/keyspace.hpp"

#include <algorithm>
#include <charconv>
#include <vector>
#include <xxhash.h>

#include "storage/model/assert.hpp"
#include "storage/model/records.hpp"

namespace throng {

namespace {

constexpr int slot_bits = 12;
static_assert(slot_count == 1u << slot_bits);
constexpr int bucket_bits = 10;

/// The bits of a derived channel id: a hash of the numbers, each as 8 bytes in little-endian order so that every node
/// computes the same. These ids are stored: never change this function.
channel_id derive_channel(const std::vector<std::uint64_t>& numbers, channel_kind kind) {
  std::vector<unsigned char> bytes;
  bytes.reserve(numbers.size() * 8);
  for (auto number : numbers)
    for (int shift = 0; shift < 64; shift += 8) bytes.push_back(static_cast<unsigned char>(number >> shift));
  // Bits that are 0 apart from the kind would look like "none"; the next seed gives others.
  for (XXH64_hash_t seed = 0;; ++seed)
    if (auto bits = XXH64(bytes.data(), bytes.size(), seed) & ~std::uint64_t{3}) return make_channel_id(bits, kind);
}

}  // namespace

ksid_t keyspace_id(std::uint64_t id) {
  char text[20];
  auto end = std::to_chars(text, text + sizeof text, id).ptr;
  // Vitess writes the hash in little-endian order and compares the bytes: as a big-endian number that is a byte swap.
  return __builtin_bswap64(XXH64(text, static_cast<std::size_t>(end - text), 0));
}

ksid_t keyspace_id(const token_hash& hash) {
  ksid_t place = 0;
  for (std::size_t i = 0; i < sizeof place; ++i) place = place << 8 | hash[i];
  return place;
}

slot_id slot_of(ksid_t place) { return {static_cast<std::uint16_t>(place >> (64 - slot_bits))}; }
slot_id slot_of(entity_key key) { return slot_of(keyspace_id(key)); }
ksid_t first_ksid_of(slot_id slot) { return ksid_t{slot.value} << (64 - slot_bits); }

bucket_id presence_bucket_of(user_id user) {
  return {1 + (keyspace_id(user.value) >> (64 - bucket_bits))};  // 1 to 1,024: 0 means "none"
}

channel_id im_channel(team_id team, user_id a, user_id b) {
  auto [low, high] = std::minmax(a.value, b.value);
  return derive_channel({team.value, low, high}, channel_kind::im);
}

channel_id mpim_channel(team_id team, const user_id* users, std::size_t count) {
  THRONG_ASSERT(std::is_sorted(users, users + count));
  THRONG_ASSERT(std::adjacent_find(users, users + count) == users + count);
  std::vector<std::uint64_t> numbers{team.value};
  for (std::size_t i = 0; i < count; ++i) numbers.push_back(users[i].value);
  return derive_channel(numbers, channel_kind::mpim);
}

}  // namespace throng
