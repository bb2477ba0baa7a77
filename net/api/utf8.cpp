// SPDX-License-Identifier: Apache-2.0
#include "net/api/utf8.hpp"

#include <algorithm>
#include <cstdint>

namespace throng {

namespace {

bool continues(char c) { return (static_cast<std::uint8_t>(c) & 0xC0) == 0x80; }

}  // namespace

bool is_utf8(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size()) {
    const auto first = static_cast<std::uint8_t>(text[at]);
    if (first < 0x80) {
      ++at;
      continue;
    }
    // RFC 3629 §4: the second byte's range is what excludes overlong forms, surrogates and too large numbers.
    std::size_t more = 0;
    std::uint8_t low = 0x80, high = 0xBF;
    if (first >= 0xC2 && first <= 0xDF) {
      more = 1;
    } else if (first >= 0xE0 && first <= 0xEF) {
      more = 2;
      if (first == 0xE0) low = 0xA0;
      if (first == 0xED) high = 0x9F;
    } else if (first >= 0xF0 && first <= 0xF4) {
      more = 3;
      if (first == 0xF0) low = 0x90;
      if (first == 0xF4) high = 0x8F;
    } else {
      return false;
    }
    if (text.size() - at <= more) return false;
    const auto second = static_cast<std::uint8_t>(text[at + 1]);
    if (second < low || second > high) return false;
    for (std::size_t i = 2; i <= more; ++i)
      if (!continues(text[at + i])) return false;
    at += more + 1;
  }
  return true;
}

std::size_t character_count(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) { return !continues(c); }));
}

std::string_view first_characters(std::string_view text, std::size_t count_max) {
  std::size_t count = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (continues(text[at])) continue;
    if (count++ == count_max) return text.substr(0, at);
  }
  return text;
}

}  // namespace throng
