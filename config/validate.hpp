// SPDX-License-Identifier: Apache-2.0
// Cross-checks: what no single value shows. Ranges of single values are in fields.cpp.
#pragma once

#include <optional>

#include "config/configuration.hpp"
#include "config/problem.hpp"

namespace throng {

/// The first contradiction, if there is one. Looks whether the TLS files can be read; touches nothing else.
std::optional<config_problem> validate(const configuration& checked, const config_origins& origins);

}  // namespace throng
