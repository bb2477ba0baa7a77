// SPDX-License-Identifier: Apache-2.0
#include "net/api/cursor.hpp"

#include <algorithm>
#include <charconv>

#include "storage/base64.hpp"

namespace throng {

std::string make_cursor(std::string_view kind, std::uint64_t position) {
  auto text = base64_encode(std::string(kind) + ":" + std::to_string(position));
  // The URL-safe letters: clients that build queries by hand don't escape a plus sign.
  std::replace(text.begin(), text.end(), '+', '-');
  std::replace(text.begin(), text.end(), '/', '_');
  return text;
}

result<std::uint64_t> parse_cursor(std::string_view kind, std::string_view cursor) {
  if (cursor.empty()) return std::uint64_t{0};
  std::string text(cursor);
  std::replace(text.begin(), text.end(), '-', '+');
  std::replace(text.begin(), text.end(), '_', '/');
  const auto plain = base64_decode(text).value_or(std::string{});
  std::uint64_t position = 0;
  if (plain.size() > kind.size() + 1 && plain.starts_with(kind) && plain[kind.size()] == ':') {
    const auto* end = plain.data() + plain.size();
    auto [stopped, failure] = std::from_chars(plain.data() + kind.size() + 1, end, position);
    if (failure == std::errc{} && stopped == end && make_cursor(kind, position) == cursor) return position;
  }
  return error{errc::invalid_cursor, "is not a cursor of this method [json-pointer:/cursor]"};
}

}  // namespace throng
