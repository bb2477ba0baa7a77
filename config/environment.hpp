// SPDX-License-Identifier: Apache-2.0
// THRONG_SECTION_KEY variables, which override the file: THRONG_NODE, THRONG_LOG_LEVEL, THRONG_GATEWAY_IO_THREADS.
#pragma once

#include <optional>

#include "config/configuration.hpp"
#include "config/problem.hpp"

namespace throng {

/// Takes over every THRONG_ variable of `environment` (NAME=VALUE, ended by a null; may be null itself). One that
/// names no setting is a problem, so that a typing error doesn't go unnoticed.
std::optional<config_problem> apply_environment(const char* const* environment, configuration& into,
                                                config_origins& origins);

}  // namespace throng
