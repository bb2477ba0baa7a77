// SPDX-License-Identifier: Apache-2.0
// What a topology store takes: the same rules for each implementation, so that what works with one works with all.
// Pure.
#pragma once

#include <cstddef>
#include <string_view>

#include "storage/model/result.hpp"

namespace throng {

inline constexpr std::size_t topology_key_bytes_max = 255;
inline constexpr std::size_t topology_value_bytes_max = 512 * 1024;  // Consul's own default
inline constexpr std::size_t held_topology_value_bytes_max = 64 * 1024;

/// 1–255 of a-z A-Z 0-9 - _ . : in segments divided by single slashes; no segment is "." or "..", which a web server
/// on the way would take away. Errors: errc::invalid_arguments, naming the key and what is wrong with it.
result<> check_topology_key(std::string_view key);
/// What a key can start with; empty is every key.
result<> check_topology_prefix(std::string_view prefix);
result<> check_topology_value(std::string_view key, std::string_view value);
result<> check_held_topology_value(std::string_view key, std::string_view value);

}  // namespace throng
