// SPDX-License-Identifier: Apache-2.0
// How much is logged. Apart from configuration.hpp, so that what only logs isn't compiled anew with each new setting.
#pragma once

#include <cstdint>

namespace throng {

enum class log_level : std::uint8_t { debug, info, warn, error, off };

}  // namespace throng
