// SPDX-License-Identifier: Apache-2.0
#include "tools/throngverify/shell_rows.hpp"

#include <algorithm>

namespace throng::verify {

std::optional<json_value> shell_row::cell(std::string_view column) const {
  const auto at = static_cast<std::size_t>(std::ranges::find(columns_, column) - columns_.begin());
  if (at >= cells_.size()) return std::nullopt;
  return cells_[at];
}

std::string shell_row::text(std::string_view column) const {
  const auto found = cell(column);
  return std::string(found ? found->as_string().value_or("") : "");
}

std::optional<std::int64_t> shell_row::number(std::string_view column) const {
  const auto found = cell(column);
  return found ? found->as_int() : std::nullopt;
}

bool for_each_row(const std::string& answer, const std::function<void(const shell_row&)>& each) {
  const auto document = parse_json(answer, {.bytes_max = 16u << 20, .values_max = 1'000'000});
  if (!document || !document->root().find("columns").is_array()) return false;
  std::vector<std::string> columns;
  document->root().find("columns").for_each_element(
      [&](json_value name) { columns.emplace_back(name.as_string().value_or("")); });
  document->root().find("rows").for_each_element([&](json_value row) {
    std::vector<json_value> cells;
    row.for_each_element([&](json_value cell) { cells.push_back(cell); });
    each(shell_row(columns, std::move(cells)));
  });
  return true;
}

}  // namespace throng::verify
