// SPDX-License-Identifier: Apache-2.0
#include "storage/model/key_range.hpp"

#include <algorithm>

namespace throng {

namespace {

constexpr int ksid_bits = 64;
constexpr ksid_t ids_per_slot = ksid_t{1} << (ksid_bits - 12);
static_assert(slot_count == 1u << 12);
constexpr std::uint32_t slots_per_byte = slot_count / 256;

// Slots are counted from 0 to slot_count here, so that an open end is a number like any other.
std::uint32_t first_slot(const key_range& range) { return static_cast<std::uint32_t>(range.begin / ids_per_slot); }
std::uint32_t end_slot(const key_range& range) {
  return range.end == 0 ? slot_count : static_cast<std::uint32_t>(range.end / ids_per_slot);
}
ksid_t ksid_of_slot(std::uint32_t slot) { return slot == slot_count ? 0 : slot * ids_per_slot; }

void append_bytes(std::string& out, ksid_t place) {
  constexpr char digits[] = "0123456789abcdef";
  for (; place != 0; place <<= 8) {
    out.push_back(digits[place >> 60]);
    out.push_back(digits[place >> 56 & 15]);
  }
}

/// The first bytes of a keyspace id; nothing for what is no whole bytes, or too many, or lies inside of a slot.
std::optional<ksid_t> parse_bytes(std::string_view text) {
  if (text.size() > 16 || text.size() % 2 != 0) return std::nullopt;
  ksid_t place = 0;
  int shift = ksid_bits;
  for (const char c : text) {
    ksid_t digit = 0;
    if (c >= '0' && c <= '9')
      digit = static_cast<ksid_t>(c - '0');
    else if (c >= 'a' && c <= 'f')
      digit = static_cast<ksid_t>(c - 'a' + 10);
    else if (c >= 'A' && c <= 'F')
      digit = static_cast<ksid_t>(c - 'A' + 10);
    else
      return std::nullopt;
    place |= digit << (shift -= 4);
  }
  if (place % ids_per_slot != 0) return std::nullopt;
  return place;
}

/// Sorted and joined where they touch; nothing if two overlap.
std::optional<std::vector<key_range>> joined(std::vector<key_range> ranges) {
  std::ranges::sort(ranges);
  std::vector<key_range> out;
  for (const auto& range : ranges) {
    if (!out.empty() && out.back().overlaps(range)) return std::nullopt;
    if (!out.empty() && out.back().end == range.begin)
      out.back().end = range.end;
    else
      out.push_back(range);
  }
  return out;
}

}  // namespace

std::string to_text(const key_range& range) {
  std::string text;
  append_bytes(text, range.begin);
  text.push_back('-');
  append_bytes(text, range.end);
  return text;
}

std::optional<key_range> parse_key_range(std::string_view text) {
  if (text == "0") return key_range{};
  const auto dash = text.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  const auto begin = parse_bytes(text.substr(0, dash));
  const auto end_text = text.substr(dash + 1);
  const auto end = parse_bytes(end_text);
  if (!begin || !end) return std::nullopt;
  // "80-00" and "-00" end where everything begins: nothing is in them.
  if (!end_text.empty() && *end <= *begin) return std::nullopt;
  return key_range{*begin, *end};
}

std::uint32_t slot_count_of(const key_range& range) { return end_slot(range) - first_slot(range); }

std::vector<key_range> even_split(const key_range& range, std::size_t count) {
  const std::uint64_t first = first_slot(range), slots = slot_count_of(range);
  if (count == 0 || count > slots) return {};
  // Short names are easier to read: between bytes as long as every part has one, as Vitess splits.
  const auto is_bytes = first % slots_per_byte == 0 && slots % slots_per_byte == 0 && count <= slots / slots_per_byte;
  const std::uint64_t step = is_bytes ? slots_per_byte : 1;
  const auto cut = [&](std::size_t index) {
    return ksid_of_slot(static_cast<std::uint32_t>(first + slots / step * index / count * step));
  };
  std::vector<key_range> parts;
  parts.reserve(count);
  for (std::size_t i = 0; i < count; ++i) parts.push_back({i == 0 ? range.begin : cut(i), cut(i + 1)});
  return parts;
}

bool covers_exactly(std::span<const key_range> sources, std::span<const key_range> targets) {
  const auto before = joined({sources.begin(), sources.end()});
  const auto after = joined({targets.begin(), targets.end()});
  return before && after && !before->empty() && *before == *after;
}

}  // namespace throng
