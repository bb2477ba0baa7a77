// SPDX-License-Identifier: Apache-2.0
// The one way from outside to a `configuration`: file, then environment, then cross-checks, then files of secrets.
#pragma once

#include <string>
#include <variant>

#include "config/configuration.hpp"
#include "config/problem.hpp"

namespace throng {

/// `environment` as main() gets it (NAME=VALUE, ended by a null), or null for none. Secrets are there afterwards,
/// wherever they were kept. `origins`, if given, gets where each setting came from.
std::variant<configuration, config_problem> load_configuration(const std::string& file, const char* const* environment,
                                                               config_origins* origins = nullptr);

}  // namespace throng
