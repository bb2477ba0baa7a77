// SPDX-License-Identifier: Apache-2.0
#include "storage/model/ids.hpp"

#include <array>

namespace throng {

namespace {

constexpr std::string_view digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
constexpr std::size_t digits_max = 13;  // 36^13 > 2^64

std::string with_letter(char letter, std::uint64_t value) {
  std::array<char, digits_max + 1> buffer;
  auto at = buffer.size();
  do {
    buffer[--at] = digits[value % 36];
    value /= 36;
  } while (value != 0);
  buffer[--at] = letter;
  return {buffer.data() + at, buffer.size() - at};
}

std::optional<std::uint64_t> digit_of(char c) {
  if (c >= '0' && c <= '9') return static_cast<std::uint64_t>(c - '0');
  if (c >= 'A' && c <= 'Z') return static_cast<std::uint64_t>(c - 'A') + 10;
  return std::nullopt;
}

/// The number after the letter. Padding is refused so that an id has one text only; so is 0, which means "none".
std::optional<std::uint64_t> number_after_letter(std::string_view text) {
  if (text.size() < 2 || text.size() > digits_max + 1 || text[1] == '0') return std::nullopt;
  std::uint64_t value = 0;
  for (char c : text.substr(1)) {
    auto digit = digit_of(c);
    if (!digit || __builtin_mul_overflow(value, std::uint64_t{36}, &value) ||
        __builtin_add_overflow(value, *digit, &value))
      return std::nullopt;
  }
  return value;
}

template <class Id>
std::optional<Id> parse_with(std::string_view letters, std::string_view text) {
  if (text.empty() || letters.find(text[0]) == std::string_view::npos) return std::nullopt;
  auto value = number_after_letter(text);
  if (!value) return std::nullopt;
  return Id{*value};
}

/// 'X' for the kind that doesn't exist: a log can print the id, and nothing parses it.
char letter_of(channel_kind kind) {
  switch (kind) {
    case channel_kind::channel:
      return 'C';
    case channel_kind::mpim:
      return 'G';
    case channel_kind::im:
      return 'D';
  }
  return 'X';
}

}  // namespace

std::string to_text(team_id id) { return with_letter('T', id.value); }
std::string to_text(user_id id) { return with_letter('U', id.value); }
std::string to_text(channel_id id) { return with_letter(letter_of(kind_of(id)), id.value); }
std::string to_text(bot_id id) { return with_letter('B', id.value); }
std::string to_text(app_id id) { return with_letter('A', id.value); }
std::string to_text(session_id id) { return with_letter('S', id.value); }

template <>
std::optional<team_id> parse_id(std::string_view text) {
  return parse_with<team_id>("T", text);
}
template <>
std::optional<user_id> parse_id(std::string_view text) {
  return parse_with<user_id>("UW", text);
}
template <>
std::optional<channel_id> parse_id(std::string_view text) {
  auto id = parse_with<channel_id>("CGD", text);
  if (!id || letter_of(kind_of(*id)) != text[0]) return std::nullopt;
  return id;
}
template <>
std::optional<bot_id> parse_id(std::string_view text) {
  return parse_with<bot_id>("B", text);
}
template <>
std::optional<app_id> parse_id(std::string_view text) {
  return parse_with<app_id>("A", text);
}
template <>
std::optional<session_id> parse_id(std::string_view text) {
  return parse_with<session_id>("S", text);
}

}  // namespace throng
