// SPDX-License-Identifier: Apache-2.0
// UTF-8 as far as rules about names and lengths need it.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace throng {

/// The code points of well-formed UTF-8 (no overlong forms, no surrogates, nothing past U+10FFFF).
std::optional<std::u32string> decode_utf8(std::string_view text);

/// How many there are; nullopt if it isn't well-formed.
std::optional<std::size_t> code_point_count(std::string_view text);

}  // namespace throng
