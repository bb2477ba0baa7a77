// SPDX-License-Identifier: Apache-2.0
#include "config/load.hpp"

#include <fstream>
#include <optional>

#include "config/environment.hpp"
#include "config/load_yaml.hpp"
#include "config/validate.hpp"

namespace throng {

namespace {

/// At most one byte more than is accepted, so that /dev/zero ends too. Nothing if it can't be read.
std::optional<std::string> read_some(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text(configuration_bytes_max + 1, '\0');
  if (!file.read(text.data(), static_cast<std::streamsize>(text.size())) && !file.eof()) return std::nullopt;
  text.resize(static_cast<std::size_t>(file.gcount()));
  return text;
}

}  // namespace

std::variant<configuration, config_problem> load_configuration(const std::string& file,
                                                               const char* const* environment) {
  auto text = read_some(file);
  if (!text) return config_problem{file, "", "expected a file that can be read"};
  configuration loaded;
  config_origins origins;
  if (auto problem = load_yaml(*text, file, loaded, origins)) return *std::move(problem);
  if (auto problem = apply_environment(environment, loaded, origins)) return *std::move(problem);
  if (auto problem = validate(loaded, origins)) return *std::move(problem);
  return loaded;
}

}  // namespace throng
