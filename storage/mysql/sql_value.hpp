// SPDX-License-Identifier: Apache-2.0
// What stands for a question mark in a prepared statement.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <variant>

#include "storage/mysql/mysql_connection.hpp"

namespace throng::mysql {

using sql_value = std::variant<std::int64_t, std::uint64_t, std::string_view>;

/// All of the statement's question marks, in order.
inline void bind_all(statement& to, std::span<const sql_value> values) {
  int index = 0;
  for (const auto& value : values) {
    ++index;
    if (const auto* bytes = std::get_if<std::string_view>(&value))
      to.bind(index, blob{*bytes});
    else if (const auto* number = std::get_if<std::int64_t>(&value))
      to.bind(index, *number);
    else
      to.bind(index, std::get<std::uint64_t>(value));
  }
}

}  // namespace throng::mysql
