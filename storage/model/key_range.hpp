// SPDX-License-Identifier: Apache-2.0
// KEY RANGE: the keyspace ids of one shard, and its name as Vitess writes it: hex digits of the first id, '-', hex
// digits of the first id that is not in it; nothing for an open end. "-80" and "80-" are halves, "-" is everything.
#pragma once

#include <compare>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "storage/model/keyspace.hpp"

namespace throng {

/// Its ends lie between slots: a slot never straddles shards.
struct key_range {
  ksid_t begin = 0;
  ksid_t end = 0;  // the first that isn't in it; 0: open
  bool contains(ksid_t place) const { return place >= begin && (end == 0 || place < end); }
  bool contains(const key_range& other) const {
    return other.begin >= begin && (end == 0 || (other.end != 0 && other.end <= end));
  }
  bool overlaps(const key_range& other) const {
    return (other.end == 0 || begin < other.end) && (end == 0 || other.begin < end);
  }
  friend auto operator<=>(const key_range&, const key_range&) = default;
};

/// "-80", "80-c0", "-". Trailing zero bytes are not written, as in Vitess.
std::string to_text(const key_range& range);
/// Nullopt for what is no range of whole slots ("8-9" is half a byte, "80001-" cuts a slot), for an empty one ("80-40",
/// "80-80"), for more than 16 digits. "0" means "-", as Vitess names the shard of an unsharded keyspace. Never throws.
std::optional<key_range> parse_key_range(std::string_view text);

std::uint32_t slot_count_of(const key_range& range);
/// `count` parts of about the same size, in order; their ends are whole bytes where that can be. Empty if `count` is 0
/// or more than the range's slots.
std::vector<key_range> even_split(const key_range& range, std::size_t count);
/// Whether the targets take each keyspace id of the sources once, and nothing else: what a reshard must look like.
/// False when ranges of one side overlap, or when there are none.
bool covers_exactly(std::span<const key_range> sources, std::span<const key_range> targets);

}  // namespace throng
