// SPDX-License-Identifier: Apache-2.0
#include "config/quantity.hpp"

#include <array>
#include <charconv>
#include <limits>
#include <span>

namespace throng {

namespace {

struct suffix {
  std::string_view text;
  std::uint64_t factor;
};

// Smallest first, as read_with() wants no order and write_with() takes the last that divides.
constexpr std::array duration_suffixes{suffix{"ms", 1}, suffix{"s", 1'000}, suffix{"m", 60'000}, suffix{"h", 3'600'000},
                                       suffix{"d", 86'400'000}};
constexpr std::array bytes_suffixes{suffix{"B", 1}, suffix{"KiB", 1ull << 10}, suffix{"MiB", 1ull << 20},
                                    suffix{"GiB", 1ull << 30}};
constexpr std::uint64_t largest = std::numeric_limits<std::int64_t>::max();

std::optional<std::uint64_t> read_with(std::span<const suffix> suffixes, std::string_view text) {
  auto digits = text.find_first_not_of("0123456789");
  if (digits == std::string_view::npos) return std::nullopt;
  auto number = parse_count(text.substr(0, digits));
  if (!number) return std::nullopt;
  for (const auto& s : suffixes) {
    if (text.substr(digits) != s.text) continue;
    if (*number > largest / s.factor) return std::nullopt;
    return *number * s.factor;
  }
  return std::nullopt;
}

std::string write_with(std::span<const suffix> suffixes, std::uint64_t value) {
  const auto* best = &suffixes.front();
  for (const auto& s : suffixes) {
    if (value != 0 && value % s.factor == 0) best = &s;
  }
  return std::to_string(value / best->factor).append(best->text);
}

}  // namespace

std::optional<std::uint64_t> parse_count(std::string_view text) {
  std::uint64_t value = 0;
  auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || failure != std::errc() || end != text.data() + text.size() || value > largest) {
    return std::nullopt;
  }
  return value;
}

std::optional<std::chrono::milliseconds> parse_duration(std::string_view text) {
  if (text == "0") return std::chrono::milliseconds(0);
  auto value = read_with(duration_suffixes, text);
  if (!value) return std::nullopt;
  return std::chrono::milliseconds(static_cast<std::int64_t>(*value));
}

std::optional<std::uint64_t> parse_bytes(std::string_view text) {
  if (auto plain = parse_count(text)) return plain;
  return read_with(bytes_suffixes, text);
}

std::string duration_text(std::chrono::milliseconds value) {
  return write_with(duration_suffixes, static_cast<std::uint64_t>(value.count()));
}

std::string bytes_text(std::uint64_t value) { return write_with(bytes_suffixes, value); }

}  // namespace throng
