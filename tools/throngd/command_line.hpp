// SPDX-License-Identifier: Apache-2.0
// throngd's command line. Pure.
#pragma once

#include <string>
#include <vector>

#include "storage/model/result.hpp"

namespace throng {

struct command_line {
  enum class action_t { run, check, print_configuration, version, help } action = action_t::run;
  std::string configuration_file;
};

/// Errors: invalid_arguments, with one line that says what is wrong.
result<command_line> parse_command_line(const std::vector<std::string>& arguments);

inline constexpr const char* usage_text =
    "usage: throngd --config FILE [--check | --print-config]\n"
    "       throngd --version | --help\n"
    "Starts one node. --check validates the configuration and exits; --print-config prints what is in effect, with\n"
    "secrets masked. THRONG_SECTION_KEY in the environment overrides the file.\n";

}  // namespace throng
