// SPDX-License-Identifier: Apache-2.0
// UTF-8 as the API checks and counts it: strict (no surrogates, no overlong forms, nothing above U+10FFFF).
#pragma once

#include <cstddef>
#include <string_view>

namespace throng {

bool is_utf8(std::string_view text);

/// Characters (code points) of valid UTF-8; of anything else, an upper bound that is at most its bytes.
std::size_t character_count(std::string_view text);

/// The longest prefix of at most `count_max` characters.
std::string_view first_characters(std::string_view text, std::size_t count_max);

}  // namespace throng
