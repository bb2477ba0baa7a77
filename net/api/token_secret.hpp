// SPDX-License-Identifier: Apache-2.0
// TOKENS as secrets: made from the system's random generator, known to the store by their SHA-256 only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "storage/model/records.hpp"

namespace throng {

/// "xoxp-", "xoxb-" or "xapp-" and 43 letters and digits: 256 random bits.
std::string make_token(token_type type);
/// The type that a token's first letters claim; none for what can't be a token.
std::optional<token_type> claimed_type(std::string_view token);

token_hash hash_token(std::string_view token);

/// `length` random letters and digits (5.95 bits each).
std::string random_text(std::size_t length);
/// Lower-case hex digits.
std::string random_hex(std::size_t length);
/// Never 0, which is no id.
std::uint64_t random_id();

/// Compares in a time that doesn't tell where they differ.
bool same_secret(std::string_view a, std::string_view b);

}  // namespace throng
