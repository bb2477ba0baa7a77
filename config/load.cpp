// SPDX-License-Identifier: Apache-2.0
#include "config/load.hpp"

#include <algorithm>
#include <fstream>
#include <optional>

#include "config/environment.hpp"
#include "config/load_yaml.hpp"
#include "config/validate.hpp"

namespace throng {

namespace {

constexpr std::size_t secret_bytes_max = 256;

/// At most one byte more than is accepted, so that /dev/zero ends too. Nothing if it can't be read.
std::optional<std::string> read_some(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text(configuration_bytes_max + 1, '\0');
  if (!file.read(text.data(), static_cast<std::streamsize>(text.size())) && !file.eof()) return std::nullopt;
  text.resize(static_cast<std::size_t>(file.gcount()));
  return text;
}

/// The first line of a file that holds nothing else.
std::optional<std::string> read_secret(const std::string& path) {
  auto text = read_some(path);
  if (!text) return std::nullopt;
  const auto end = text->find_first_of("\r\n");
  if (end != std::string::npos && text->find_first_not_of("\r\n", end) != std::string::npos) return std::nullopt;
  text->resize(std::min(end, text->size()));
  if (text->empty() || text->size() > secret_bytes_max) return std::nullopt;
  return text;
}

/// What came with the environment goes before what is in a file.
std::optional<config_problem> read_secrets(configuration& into, const config_origins& origins) {
  if (into.storage.kind != storage_kind::mysql) return std::nullopt;
  auto& mysql = into.storage.mysql;
  struct secret {
    std::string_view key;
    const std::string& path;
    std::string& value;
  };
  for (const auto& each :
       {secret{"storage.mysql.password_file", mysql.password_file, mysql.password},
        secret{"storage.mysql.admin_password_file", mysql.admin_password_file, mysql.admin_password}}) {
    if (each.path.empty() || !each.value.empty()) continue;
    auto text = read_secret(each.path);
    if (!text)
      return config_problem{origins.at(std::string(each.key)), std::string(each.key),
                            "expected a file that can be read, of one line of at most 256 characters"};
    each.value = std::move(*text);
  }
  return std::nullopt;
}

}  // namespace

std::variant<configuration, config_problem> load_configuration(const std::string& file, const char* const* environment,
                                                               config_origins* origins_out) {
  auto text = read_some(file);
  if (!text) return config_problem{file, "", "expected a file that can be read"};
  configuration loaded;
  config_origins origins;
  if (auto problem = load_yaml(*text, file, loaded, origins)) return *std::move(problem);
  if (auto problem = apply_environment(environment, loaded, origins)) return *std::move(problem);
  if (auto problem = validate(loaded, origins)) return *std::move(problem);
  if (auto problem = read_secrets(loaded, origins)) return *std::move(problem);
  if (origins_out) *origins_out = std::move(origins);
  return loaded;
}

}  // namespace throng
