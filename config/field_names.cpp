// SPDX-License-Identifier: Apache-2.0
// Finding a field by its key, and guessing which one somebody meant.
#include <algorithm>
#include <numeric>
#include <utility>

#include "config/fields.hpp"

namespace throng {

namespace {

std::string_view last_word(std::string_view key) { return key.substr(key.rfind('.') + 1); }

/// Levenshtein's distance, one row at a time.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    auto diagonal = std::exchange(row[0], i + 1);
    for (std::size_t j = 0; j < b.size(); ++j) {
      auto replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = std::exchange(row[j + 1], std::min({replaced, row[j] + 1, row[j + 1] + 1}));
    }
  }
  return row.back();
}

}  // namespace

field* find_field(std::vector<field>& all, std::string_view key) {
  auto found = std::ranges::find(all, key, &field::key);
  return found == all.end() ? nullptr : &*found;
}

std::string suggestion(const std::vector<field>& all, std::string_view key) {
  if (key.size() > 64) return {};
  const field* best = nullptr;
  std::size_t best_distance = 3;  // two typing errors; more is a different word
  for (const auto& candidate : all) {
    auto distance = edit_distance(candidate.key, key);
    if (last_word(candidate.key) == last_word(key)) distance = std::min<std::size_t>(distance, 2);  // another section's
    if (distance < best_distance) best = &candidate, best_distance = distance;
  }
  return best ? " (did you mean " + std::string(best->key) + "?)" : std::string();
}

std::string environment_name(std::string_view key) {
  std::string name = "THRONG_";
  for (char c : key) name += c == '.' ? '_' : static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
  return name;
}

}  // namespace throng
