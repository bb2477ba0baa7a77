// SPDX-License-Identifier: Apache-2.0
// Why a configuration was refused: one line for a person, which names where, which key, and what was expected.
#pragma once

#include <map>
#include <string>
#include <string_view>

namespace throng {

struct config_problem {
  std::string where;  // "throng.yaml:12", "environment"
  std::string key;    // may be empty, when no key is to blame
  std::string expected;
};

/// "WHERE: KEY: EXPECTED", always one line of printable text, whatever the file held.
std::string to_text(const config_problem& problem);

/// Where each key that isn't at its default got its value, so that a cross-check can point at it.
using config_origins = std::map<std::string, std::string, std::less<>>;

}  // namespace throng
