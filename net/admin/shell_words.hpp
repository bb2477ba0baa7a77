// SPDX-License-Identifier: Apache-2.0
// A shell command line, taken apart: words, "quoted words", and --options with or without a value. Pure.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

#include "storage/model/keyspace.hpp"
#include "storage/model/result.hpp"

namespace throng {

struct shell_words {
  std::string command;
  std::vector<std::string> arguments;
  std::unordered_map<std::string, std::string> options;  // without the dashes; empty for a bare --option
};

/// At most 4 KiB and 64 words. `--name value` and `--name=value` are the same; an option takes a value if it is among
/// `valued`. Errors: invalid_arguments, with what is wrong.
result<shell_words> parse_shell_words(std::string_view line, const std::vector<std::string_view>& valued);

/// "channel:C1A2", "presence:17", or an id alone: "C1A2", "U1", "T1", "S1".
std::optional<entity_key> parse_entity_key(std::string_view text);
/// What can be placed on a node by name: a slot ("slot:17"), or one entity as above.
using movable = std::variant<slot_id, entity_key>;
std::optional<movable> parse_movable(std::string_view text);
std::string to_text(const movable& what);
std::optional<entity_kind> parse_entity_kind(std::string_view text);
/// "10s", "500ms", "2m".
std::optional<std::chrono::milliseconds> parse_shell_duration(std::string_view text);

}  // namespace throng
