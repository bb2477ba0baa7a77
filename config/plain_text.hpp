// SPDX-License-Identifier: Apache-2.0
// Text that comes from outside and goes into one-line output: log lines, error messages, printed configurations.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace throng {

/// Whether it is valid UTF-8 without control characters (C0, DEL, C1), line and paragraph separators, or BOMs.
bool is_plain_text(std::string_view text);
/// The text with each byte or character that is not plain as \n, \t or \xNN; cut after `bytes_max` with "…".
std::string make_plain(std::string_view text, std::size_t bytes_max);

}  // namespace throng
