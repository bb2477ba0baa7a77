// SPDX-License-Identifier: Apache-2.0
#include "storage/model/time.hpp"

#include <algorithm>
#include <cstdio>

namespace throng {

namespace {

constexpr std::size_t second_digits_max = 12;  // 10^12 s in microseconds still fits 63 bits
constexpr std::size_t micro_digits = 6;

bool only_digits(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

std::int64_t number(std::string_view text) {
  std::int64_t value = 0;
  for (char c : text) value = value * 10 + (c - '0');
  return value;
}

}  // namespace

std::string to_text(message_ts ts) {
  char buffer[32];
  auto length = std::snprintf(buffer, sizeof buffer, "%lld.%06lld", static_cast<long long>(ts.micros / 1'000'000),
                              static_cast<long long>(ts.micros % 1'000'000));
  return {buffer, static_cast<std::size_t>(length)};
}

std::optional<message_ts> parse_ts(std::string_view text, bool loose) {
  auto point = text.find('.');
  auto seconds = text.substr(0, point);
  if (!only_digits(seconds) || seconds.size() > second_digits_max) return std::nullopt;
  auto micros = number(seconds) * 1'000'000;
  if (point == std::string_view::npos) return loose ? std::optional(message_ts{micros}) : std::nullopt;

  auto fraction = text.substr(point + 1);
  if (!only_digits(fraction) || fraction.size() > micro_digits) return std::nullopt;
  if (fraction.size() < micro_digits && !loose) return std::nullopt;
  auto value = number(fraction);
  for (auto n = fraction.size(); n < micro_digits; ++n) value *= 10;
  return message_ts{micros + value};
}

}  // namespace throng
