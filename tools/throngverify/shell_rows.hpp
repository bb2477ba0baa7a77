// SPDX-License-Identifier: Apache-2.0
// SHELL ROWS: the table that a node's shell has answered with, read by the names of its columns. Pure.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "storage/json/json.hpp"

namespace throng::verify {

class shell_row {
 public:
  shell_row(const std::vector<std::string>& columns, std::vector<json_value> cells)
      : columns_(columns), cells_(std::move(cells)) {}
  /// Empty where there is no such column, or no text in it.
  std::string text(std::string_view column) const;
  std::optional<std::int64_t> number(std::string_view column) const;

 private:
  std::optional<json_value> cell(std::string_view column) const;

  const std::vector<std::string>& columns_;
  std::vector<json_value> cells_;
};

/// Calls `each` for all rows. False if that is no table.
bool for_each_row(const std::string& answer, const std::function<void(const shell_row&)>& each);

}  // namespace throng::verify
