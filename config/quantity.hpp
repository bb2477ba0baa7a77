// SPDX-License-Identifier: Apache-2.0
// QUANTITIES: durations and sizes as people write them in a configuration. Pure functions; overflow is an error.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace throng {

/// Digits only.
std::optional<std::uint64_t> parse_count(std::string_view text);
/// A whole number and one of ms, s, m, h, d. A bare number is refused, since nobody could say what it meant; but 0 is
/// 0.
std::optional<std::chrono::milliseconds> parse_duration(std::string_view text);
/// A whole number and one of B, KiB, MiB, GiB; a bare number is bytes. KB and MB are refused: they mean two things.
std::optional<std::uint64_t> parse_bytes(std::string_view text);

/// The shortest text that parses to the same value: "5m", "1500ms", "256KiB".
std::string duration_text(std::chrono::milliseconds value);
std::string bytes_text(std::uint64_t value);

}  // namespace throng
