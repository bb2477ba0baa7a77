// SPDX-License-Identifier: Apache-2.0
// Writes a configuration as YAML that loads to the same configuration again, but for secrets, which are only hinted at.
#pragma once

#include <string>

#include "config/configuration.hpp"

namespace throng {

/// Every key with its value; a secret that is set is a comment with asterisks.
std::string print_configuration(const configuration& printed);
/// config/throng.example.yaml: every key with its default, its range and its explanation.
std::string print_example();

}  // namespace throng
