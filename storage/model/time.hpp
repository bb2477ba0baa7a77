// SPDX-License-Identifier: Apache-2.0
// Time as the records know it. Pure code never reads a clock: it is handed one of these.
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace throng {

/// Wall clock in microseconds since 1970.
using wall_time = std::chrono::time_point<std::chrono::system_clock, std::chrono::microseconds>;
/// Monotonic clock, for deadlines and timers.
using steady_time = std::chrono::steady_clock::time_point;

/// A message's id within its channel: unique and increasing there. Text "SECONDS.MICROS" (10 + 6 digits today).
struct message_ts {
  std::int64_t micros = 0;  // 0 means "none"
  constexpr explicit operator bool() const noexcept { return micros != 0; }
  friend constexpr auto operator<=>(message_ts, message_ts) = default;
};

std::string to_text(message_ts ts);
/// Accepts 1–12 digits, a point and exactly 6 digits; with `loose` also whole seconds and fewer digits after the
/// point, as clients send for `oldest` and `latest` ("0", "1700000000", "1700000000.1").
std::optional<message_ts> parse_ts(std::string_view text, bool loose = false);

inline std::int64_t seconds_of(wall_time t) {
  return std::chrono::duration_cast<std::chrono::seconds>(t.time_since_epoch()).count();
}

}  // namespace throng
