// SPDX-License-Identifier: Apache-2.0
// DES isn't here to keep a secret: Vitess's `hash` is one block of it under a key of zeros. OpenSSL calls the function
// deprecated; its replacement needs the legacy provider, which an installation may not have.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "storage/vschema/vindex.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <xxhash.h>

#include <openssl/des.h>

#include "storage/model/assert.hpp"

namespace throng {

namespace {

// In the order of vindex_type.
constexpr std::array<std::string_view, 8> type_names{
    "xxhash", "hash", "numeric", "binary", "lookup", "lookup_unique", "consistent_lookup", "consistent_lookup_unique"};

const DES_key_schedule& schedule_of_zeros() {
  static const DES_key_schedule schedule = [] {
    DES_key_schedule made;
    DES_cblock key{};
    DES_set_key_unchecked(&key, &made);
    return made;
  }();
  return schedule;
}

std::optional<std::uint64_t> number_in(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failed != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

/// What `hash` takes for a number: also a negative one, by its bits.
std::optional<std::uint64_t> bits_of(const vindex_value& value) {
  if (const auto* number = std::get_if<std::int64_t>(&value)) return static_cast<std::uint64_t>(*number);
  if (const auto* number = std::get_if<std::uint64_t>(&value)) return *number;
  if (const auto* text = std::get_if<std::string_view>(&value)) return number_in(*text);
  return std::nullopt;
}

std::string text_of(const vindex_value& value) {
  if (const auto* number = std::get_if<std::int64_t>(&value)) return std::to_string(*number);
  if (const auto* number = std::get_if<std::uint64_t>(&value)) return std::to_string(*number);
  if (const auto* text = std::get_if<std::string_view>(&value)) return std::string(*text);
  return {};  // NULL
}

}  // namespace

std::string_view to_string(vindex_type type) { return type_names[static_cast<std::size_t>(type)]; }

std::optional<vindex_type> parse_vindex_type(std::string_view name) {
  const auto found = std::ranges::find(type_names, name);
  if (found == type_names.end()) return std::nullopt;
  return static_cast<vindex_type>(found - type_names.begin());
}

std::string known_vindex_types() {
  std::string all;
  for (auto name : type_names) {
    if (!all.empty()) all += ", ";
    all += name;
  }
  return all;
}

std::optional<std::string> keyspace_id_of(vindex_type type, const vindex_value& value) {
  THRONG_ASSERT(!is_lookup(type));
  if (type == vindex_type::xxhash) return to_bytes(xxhash_ksid(text_of(value)));
  if (type == vindex_type::binary) return text_of(value);
  const auto* number = std::get_if<std::int64_t>(&value);
  if (type == vindex_type::numeric && number && *number < 0) return std::nullopt;
  const auto bits = bits_of(value);
  if (!bits) return std::nullopt;
  return to_bytes(type == vindex_type::hash ? hash_ksid(*bits) : *bits);
}

ksid_t to_ksid(std::string_view keyspace_id) {
  ksid_t place = 0;
  for (std::size_t i = 0; i < sizeof place; ++i)
    place = place << 8 | (i < keyspace_id.size() ? static_cast<unsigned char>(keyspace_id[i]) : 0u);
  return place;
}

std::string to_bytes(ksid_t place) {
  std::string bytes(sizeof place, '\0');
  for (auto& byte : bytes) {
    byte = static_cast<char>(place >> 56);
    place <<= 8;
  }
  return bytes;
}

// Vitess writes the hash with its smallest byte first and compares the bytes: as a number that is a byte swap.
ksid_t xxhash_ksid(std::string_view value) { return __builtin_bswap64(XXH64(value.data(), value.size(), 0)); }

ksid_t hash_ksid(std::uint64_t value) {
  DES_cblock block;
  const auto bytes = to_bytes(value);
  std::ranges::copy(bytes, reinterpret_cast<char*>(block));
  // Not const in OpenSSL's declaration, though it is only read.
  auto& schedule = const_cast<DES_key_schedule&>(schedule_of_zeros());
  DES_ecb_encrypt(&block, &block, &schedule, DES_ENCRYPT);
  return to_ksid({reinterpret_cast<const char*>(block), sizeof block});
}

}  // namespace throng
