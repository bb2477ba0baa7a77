// SPDX-License-Identifier: Apache-2.0
#include "tools/throngsh/plain_width.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>

namespace throng {

namespace {

struct code_range {
  char32_t first, last;
};

// The blocks of Unicode 15's zero-width marks that scripts in wide use need.
constexpr std::array no_width{
    code_range{0x0300, 0x036F}, code_range{0x0483, 0x0489},   code_range{0x0591, 0x05BD},  code_range{0x0610, 0x061A},
    code_range{0x064B, 0x065F}, code_range{0x06D6, 0x06DC},   code_range{0x093C, 0x093C},  code_range{0x0941, 0x0948},
    code_range{0x0E31, 0x0E31}, code_range{0x0E34, 0x0E3A},   code_range{0x0E47, 0x0E4E},  code_range{0x1AB0, 0x1AFF},
    code_range{0x1DC0, 0x1DFF}, code_range{0x200B, 0x200D},   code_range{0x20D0, 0x20FF},  code_range{0xFE00, 0xFE0F},
    code_range{0xFE20, 0xFE2F}, code_range{0x1F3FB, 0x1F3FF}, code_range{0xE0100, 0xE01EF}};

// East Asian wide and full-width characters, and emoji.
constexpr std::array two_wide{code_range{0x1100, 0x115F},   code_range{0x231A, 0x231B},   code_range{0x23E9, 0x23EC},
                              code_range{0x25FD, 0x25FE},   code_range{0x2614, 0x2615},   code_range{0x2648, 0x2653},
                              code_range{0x26AA, 0x26AB},   code_range{0x26BD, 0x26BE},   code_range{0x26C4, 0x26C5},
                              code_range{0x2705, 0x2705},   code_range{0x270A, 0x270B},   code_range{0x2728, 0x2728},
                              code_range{0x274C, 0x274C},   code_range{0x2753, 0x2755},   code_range{0x2795, 0x2797},
                              code_range{0x2B1B, 0x2B1C},   code_range{0x2B50, 0x2B50},   code_range{0x2E80, 0x303E},
                              code_range{0x3041, 0x33FF},   code_range{0x3400, 0x4DBF},   code_range{0x4E00, 0x9FFF},
                              code_range{0xA000, 0xA4CF},   code_range{0xA960, 0xA97F},   code_range{0xAC00, 0xD7A3},
                              code_range{0xF900, 0xFAFF},   code_range{0xFE30, 0xFE6F},   code_range{0xFF00, 0xFF60},
                              code_range{0xFFE0, 0xFFE6},   code_range{0x1F004, 0x1F004}, code_range{0x1F0CF, 0x1F0CF},
                              code_range{0x1F18E, 0x1F19A}, code_range{0x1F1E6, 0x1F3FA}, code_range{0x1F400, 0x1F64F},
                              code_range{0x1F680, 0x1F6FF}, code_range{0x1F7E0, 0x1F7EB}, code_range{0x1F90C, 0x1FAFF},
                              code_range{0x20000, 0x3FFFD}};

bool is_in(const auto& ranges, char32_t code) {
  auto found = std::ranges::lower_bound(ranges, code, {}, &code_range::last);
  return found != ranges.end() && found->first <= code;
}

struct decoded {
  char32_t code = 0;
  std::size_t bytes = 0;  // 0: not UTF-8 here
};

decoded decode(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const auto first = byte(0);
  if (first < 0x80) return {first, 1};
  const std::size_t bytes = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || text.size() < bytes) return {};
  char32_t code = first & (0xFF >> (bytes + 1));
  for (std::size_t i = 1; i < bytes; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return {};
    code = code << 6 | (byte(i) & 0x3F);
  }
  constexpr std::array<char32_t, 5> smallest{0, 0, 0x80, 0x800, 0x10000};
  if (code < smallest[bytes] || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF)) return {};
  return {code, bytes};
}

bool turns_direction(char32_t code) {
  return code == 0x061C || code == 0x200E || code == 0x200F || (code >= 0x202A && code <= 0x202E) ||
         (code >= 0x2066 && code <= 0x2069);
}

bool is_harmful(char32_t code) {
  const bool breaks_lines = code == 0x2028 || code == 0x2029;
  return code < 0x20 || (code >= 0x7F && code < 0xA0) || breaks_lines || turns_direction(code);
}

std::string escape(char32_t code) {
  if (code == '\n') return "\\n";
  if (code == '\r') return "\\r";
  if (code == '\t') return "\\t";
  char text[12];
  std::snprintf(text, sizeof text, code < 0x100 ? "\\x%02x" : "\\u%04x", static_cast<unsigned>(code));
  return text;
}

std::size_t width_of(char32_t code) { return is_in(no_width, code) ? 0 : is_in(two_wide, code) ? 2 : 1; }

}  // namespace

std::string harmless(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const auto next = decode(text);
    if (next.bytes == 0) {
      out += escape(static_cast<unsigned char>(text[0]));
      text.remove_prefix(1);
      continue;
    }
    if (is_harmful(next.code))
      out += escape(next.code);
    else
      out.append(text.substr(0, next.bytes));
    text.remove_prefix(next.bytes);
  }
  return out;
}

std::size_t display_width(std::string_view text) {
  std::size_t width = 0;
  while (!text.empty()) {
    const auto next = decode(text);
    width += next.bytes == 0 ? 1 : width_of(next.code);
    text.remove_prefix(std::max<std::size_t>(1, next.bytes));
  }
  return width;
}

std::string cut_to_width(std::string_view text, std::size_t columns) {
  if (display_width(text) <= columns) return std::string(text);
  if (columns == 0) return {};
  std::size_t width = 0, bytes = 0;
  while (bytes < text.size()) {
    const auto next = decode(text.substr(bytes));
    const auto more = next.bytes == 0 ? 1 : width_of(next.code);
    if (width + more > columns - 1) break;
    width += more;
    bytes += std::max<std::size_t>(1, next.bytes);
  }
  return std::string(text.substr(0, bytes)) + "…";
}

}  // namespace throng
