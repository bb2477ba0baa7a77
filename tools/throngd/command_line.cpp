// SPDX-License-Identifier: Apache-2.0
#include "tools/throngd/command_line.hpp"

namespace throng {

result<command_line> parse_command_line(const std::vector<std::string>& arguments) {
  command_line parsed;
  using action_t = command_line::action_t;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const auto& word = arguments[i];
    if (word == "--config") {
      if (++i >= arguments.size()) return error{errc::invalid_arguments, "--config wants a file"};
      parsed.configuration_file = arguments[i];
    } else if (word.starts_with("--config=")) {
      parsed.configuration_file = word.substr(9);
    } else if (word == "--check") {
      parsed.action = action_t::check;
    } else if (word == "--print-config") {
      parsed.action = action_t::print_configuration;
    } else if (word == "--version") {
      parsed.action = action_t::version;
    } else if (word == "--help" || word == "-h") {
      parsed.action = action_t::help;
    } else {
      return error{errc::invalid_arguments, "unknown argument " + word};
    }
  }
  const bool needs_file = parsed.action != action_t::version && parsed.action != action_t::help;
  if (needs_file && parsed.configuration_file.empty())
    return error{errc::invalid_arguments, "--config FILE is missing"};
  return parsed;
}

}  // namespace throng
