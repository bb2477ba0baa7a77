// SPDX-License-Identifier: Apache-2.0
// Arguments of a Web API call as a form's text. Pure.
#pragma once

#include <cctype>
#include <string>
#include <string_view>

namespace throng {

/// Of pairs of texts: "a=1&b=x%20y".
template <class Pairs>
std::string form_text(const Pairs& fields) {
  std::string out;
  const auto append = [&out](std::string_view text) {
    constexpr std::string_view digits = "0123456789ABCDEF";
    for (const char c : text) {
      const auto byte = static_cast<unsigned char>(c);
      if (std::isalnum(byte) || c == '-' || c == '_' || c == '.') {
        out += c;
      } else {
        out += '%';
        out += digits[byte >> 4];
        out += digits[byte & 15];
      }
    }
  };
  for (const auto& [name, value] : fields) {
    if (!out.empty()) out += '&';
    append(name);
    out += '=';
    append(value);
  }
  return out;
}

}  // namespace throng
