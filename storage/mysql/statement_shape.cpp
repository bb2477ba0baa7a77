// SPDX-License-Identifier: Apache-2.0
#include "storage/mysql/statement_shape.hpp"

#include <cctype>

namespace throng::mysql {

namespace {

bool is_of_name(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '$' || c == '@'; }
bool is_digit(char c) { return std::isdigit(static_cast<unsigned char>(c)); }

/// Past the literal that starts with the quote at `from`; a doubled or escaped quote is inside.
std::size_t end_of_quoted(std::string_view sql, std::size_t from) {
  auto quote = sql[from];
  auto at = from + 1;
  while (at < sql.size()) {
    if (sql[at] == '\\') {
      at += 2;
    } else if (sql[at] != quote) {
      ++at;
    } else if (at + 1 < sql.size() && sql[at + 1] == quote) {
      at += 2;
    } else {
      return at + 1;
    }
  }
  return sql.size();
}

std::size_t end_of_number(std::string_view sql, std::size_t from) {
  auto at = from;
  while (at < sql.size() && (is_of_name(sql[at]) || sql[at] == '.')) ++at;
  return at;
}

}  // namespace

std::string shape_of(std::string_view sql) {
  std::string shape;
  shape.reserve(sql.size() < shape_bytes_max ? sql.size() : shape_bytes_max + 4);
  std::size_t at = 0;
  while (at < sql.size()) {
    if (shape.size() >= shape_bytes_max) return shape += " …";
    auto c = sql[at];
    if (c == '\'' || c == '"') {
      at = end_of_quoted(sql, at);
      shape += '?';
    } else if (is_digit(c) && (at == 0 || !is_of_name(sql[at - 1]))) {
      at = end_of_number(sql, at);
      shape += '?';
    } else {
      shape += c;
      ++at;
    }
  }
  return shape;
}

}  // namespace throng::mysql
