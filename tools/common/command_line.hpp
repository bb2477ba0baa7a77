// SPDX-License-Identifier: Apache-2.0
// COMMAND LINE: what the programs are told, taken apart by a list of what they know. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "storage/model/result.hpp"

namespace throng {

struct option_spec {
  std::string_view name;   // with its dashes: "--url", "-c"
  std::string_view value;  // what its value is called; empty: a switch
  std::string_view help;
  std::string_view fallback = {};  // shown in the help, and the value if it isn't given
};

class command_line {
 public:
  std::vector<std::string> words;  // what is not an option

  bool has(std::string_view name) const { return given_.contains(name); }
  /// The value, or the fallback of its spec. REQUIRES: the option is known.
  const std::string& text(std::string_view name) const;
  /// The same as a whole number. Errors: invalid_arguments, with a sentence.
  result<std::uint64_t> number(std::string_view name, std::uint64_t smallest, std::uint64_t largest) const;

 private:
  friend result<command_line> parse_command_line(std::span<char* const> arguments, std::span<const option_spec> known);
  std::map<std::string, std::string, std::less<>> given_, fallbacks_;
};

/// `--name value` and `--name=value` are the same; behind `--` everything is a word. `arguments` is without the
/// program's name. Errors: invalid_arguments, with a sentence.
result<command_line> parse_command_line(std::span<char* const> arguments, std::span<const option_spec> known);

/// One line an option, aligned.
std::string describe(std::span<const option_spec> known);

}  // namespace throng
