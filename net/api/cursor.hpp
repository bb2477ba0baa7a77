// SPDX-License-Identifier: Apache-2.0
// CURSOR: where the next page begins, as clients hand it back: base64 of "user:12345", like Slack's. It carries no
// right: a made-up one only begins elsewhere in what the caller may see anyway. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "storage/model/result.hpp"

namespace throng {

/// `kind` says what the position counts ("user", "channel", "next_ts"), so that a cursor fits one method only.
std::string make_cursor(std::string_view kind, std::uint64_t position);

/// 0 for an empty cursor: the beginning. errc::invalid_cursor for what make_cursor() doesn't make of this kind.
result<std::uint64_t> parse_cursor(std::string_view kind, std::string_view cursor);

}  // namespace throng
