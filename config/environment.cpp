// SPDX-License-Identifier: Apache-2.0
#include "config/environment.hpp"

#include <algorithm>

#include "config/fields.hpp"
#include "config/plain_text.hpp"

namespace throng {

std::optional<config_problem> apply_environment(const char* const* environment, configuration& into,
                                                config_origins& origins) {
  if (!environment) return std::nullopt;
  auto all = fields(into);
  for (; *environment; ++environment) {
    std::string_view entry = *environment;
    if (!entry.starts_with("THRONG_")) continue;
    auto name = entry.substr(0, entry.find('='));
    auto value = entry.substr(std::min(entry.size(), name.size() + 1));
    auto setting = std::ranges::find_if(all, [&](const field& f) { return environment_name(f.key) == name; });
    if (setting == all.end()) {
      return config_problem{"environment", std::string(name),
                            "expected the name of a setting, such as THRONG_LOG_LEVEL"};
    }
    if (!assign(*setting, value)) {
      auto shown = setting->secret ? std::string("what it holds") : '"' + make_plain(value, 60) + '"';
      return config_problem{"environment", std::string(name), "expected " + expectation(*setting) + ", not " + shown};
    }
    origins[std::string(setting->key)] = "environment";
  }
  return std::nullopt;
}

}  // namespace throng
