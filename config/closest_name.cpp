// SPDX-License-Identifier: Apache-2.0
#include "config/closest_name.hpp"

#include <algorithm>
#include <numeric>
#include <utility>
#include <vector>

namespace throng {

// One row of the table at a time.
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

std::string_view closest_name(std::string_view name, std::span<const std::string_view> known) {
  std::string_view best;
  std::size_t best_distance = 3;
  if (name.size() > 64) return best;
  for (auto candidate : known)
    if (auto distance = edit_distance(candidate, name); distance < best_distance)
      best = candidate, best_distance = distance;
  return best;
}

}  // namespace throng
