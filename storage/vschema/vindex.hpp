// SPDX-License-Identifier: Apache-2.0
// VINDEX: how a column's value becomes a keyspace id, under Vitess's names and with Vitess's results, bit for bit.
// Pure. Functional vindexes compute; lookup vindexes are a table of their own, and whoever keeps it asks it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "storage/model/keyspace.hpp"

namespace throng {

enum class vindex_type : std::uint8_t {
  xxhash,   // XXH64 of the value's text
  hash,     // one DES block of a number: reversible, and so a permutation
  numeric,  // the number itself
  binary,   // the bytes themselves
  lookup,
  lookup_unique,
  consistent_lookup,
  consistent_lookup_unique,
};
std::string_view to_string(vindex_type type);
/// Nullopt for what Vitess may have and we don't (unicode_loose_xxhash needs a collation that can't be had here).
std::optional<vindex_type> parse_vindex_type(std::string_view name);
std::string known_vindex_types();  // "xxhash, hash, …", for a person

constexpr bool is_lookup(vindex_type type) { return type >= vindex_type::lookup; }
constexpr bool is_unique(vindex_type type) {
  return type != vindex_type::lookup && type != vindex_type::consistent_lookup;
}

/// A value of a column, as SQL has it; monostate is NULL.
using vindex_value = std::variant<std::monostate, std::int64_t, std::uint64_t, std::string_view>;

/// The whole keyspace id: 8 bytes, or as many as `binary` was given. Nullopt where Vitess has no place for the value
/// (NULL and words for what needs a number). REQUIRES: not a lookup.
std::optional<std::string> keyspace_id_of(vindex_type type, const vindex_value& value);

/// The first 8 bytes, filled up with zeros as Vitess compares: what routes, because ranges end between slots.
ksid_t to_ksid(std::string_view keyspace_id);
std::string to_bytes(ksid_t place);  // 8, the largest first

// The same without a string, for routes.
ksid_t xxhash_ksid(std::string_view value);
ksid_t hash_ksid(std::uint64_t value);

}  // namespace throng
