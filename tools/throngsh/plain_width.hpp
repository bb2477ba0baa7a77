// SPDX-License-Identifier: Apache-2.0
// Text on a terminal: how many columns it takes, and what must not reach it. People choose names and post texts, so
// whatever the server says is made harmless before it is shown. Pure, UTF-8, independent of the locale.
#pragma once

#include <string>
#include <string_view>

namespace throng {

/// Control characters, marks that turn the writing direction, and bytes that are no UTF-8 as visible escapes (\n,
/// \x1b, \u202e), so that no text can move the cursor or pose as another.
std::string harmless(std::string_view text);

/// Columns of a harmless text: 2 for wide characters, 0 for combining ones.
std::size_t display_width(std::string_view text);

/// At most `columns` columns of a harmless text; where it was cut it ends in "…".
std::string cut_to_width(std::string_view text, std::size_t columns);

}  // namespace throng
