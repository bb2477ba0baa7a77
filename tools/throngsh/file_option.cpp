// SPDX-License-Identifier: Apache-2.0
#include "tools/throngsh/file_option.hpp"

namespace throng {

result<asked_line> take_file_option(std::string_view line) {
  constexpr std::string_view option = " --file";
  const auto at = line.find(option);
  if (at == line.npos) return asked_line{std::string(line), {}};
  auto rest = line.substr(at + option.size());
  if (rest.empty() || (rest[0] != ' ' && rest[0] != '=')) return error{errc::invalid_arguments, "--file wants a name"};
  rest.remove_prefix(std::min(rest.size(), rest.find_first_not_of(rest[0] == '=' ? "=" : " ")));
  const auto name = rest.substr(0, rest.find(' '));
  if (name.empty()) return error{errc::invalid_arguments, "--file wants a name"};
  return asked_line{std::string(line.substr(0, at)) + std::string(rest.substr(name.size())), std::string(name)};
}

}  // namespace throng
