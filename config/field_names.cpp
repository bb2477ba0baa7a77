// SPDX-License-Identifier: Apache-2.0
// Finding a field by its key, and guessing which one somebody meant.
#include <algorithm>

#include "config/closest_name.hpp"
#include "config/fields.hpp"

namespace throng {

namespace {

std::string_view last_word(std::string_view key) { return key.substr(key.rfind('.') + 1); }

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
