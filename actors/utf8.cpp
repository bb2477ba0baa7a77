// SPDX-License-Identifier: Apache-2.0
#include "actors/utf8.hpp"

#include <cstdint>

namespace throng {

namespace {

constexpr char32_t malformed = 0xFFFFFFFF;

/// The code point at `at`, which moves behind it.
char32_t next_code_point(std::string_view text, std::size_t& at) {
  auto lead = static_cast<std::uint8_t>(text[at++]);
  if (lead < 0x80) return lead;
  int more = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : 1;
  if (lead < 0xC2 || lead > 0xF4 || text.size() - at < static_cast<std::size_t>(more)) return malformed;
  char32_t value = lead & (0x3F >> more);
  for (int i = 0; i < more; ++i) {
    auto byte = static_cast<std::uint8_t>(text[at++]);
    if ((byte & 0xC0) != 0x80) return malformed;
    value = (value << 6) | (byte & 0x3F);
  }
  constexpr char32_t smallest[] = {0, 0x80, 0x800, 0x10000};
  bool is_surrogate = value >= 0xD800 && value <= 0xDFFF;
  return value < smallest[more] || value > 0x10FFFF || is_surrogate ? malformed : value;
}

}  // namespace

std::optional<std::u32string> decode_utf8(std::string_view text) {
  std::u32string points;
  points.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    auto point = next_code_point(text, at);
    if (point == malformed) return std::nullopt;
    points.push_back(point);
  }
  return points;
}

std::optional<std::size_t> code_point_count(std::string_view text) {
  std::size_t count = 0;
  for (std::size_t at = 0; at < text.size(); ++count)
    if (next_code_point(text, at) == malformed) return std::nullopt;
  return count;
}

}  // namespace throng
