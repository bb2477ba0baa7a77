// SPDX-License-Identifier: Apache-2.0
// Base64 (RFC 4648) as cursors, HTTP Basic and Consul use it. Strict: padding is required, and unused bits must be
// zero, so that a text has one spelling.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace throng {

std::string base64_encode(std::string_view bytes);
std::optional<std::string> base64_decode(std::string_view text);

}  // namespace throng
