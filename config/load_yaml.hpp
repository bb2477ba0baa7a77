// SPDX-License-Identifier: Apache-2.0
// Reads a configuration from YAML text, strictly: one document, a map of keys and of sections of keys, each known,
// each once, each of its type and range. Aliases, anchors, tags, deep nesting and large files are refused before they
// cost anything.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

#include "config/configuration.hpp"
#include "config/problem.hpp"

namespace throng {

/// A configuration with every key and its explanation is about 20 KiB.
inline constexpr std::size_t configuration_bytes_max = 128_KiB;

/// Overwrites in `into` what the text names, and notes the line of each key in `origins`. After a problem, `into`
/// holds what came before it. `file` is only for messages. Never throws but for lack of memory.
std::optional<config_problem> load_yaml(std::string_view text, std::string_view file, configuration& into,
                                        config_origins& origins);

}  // namespace throng
