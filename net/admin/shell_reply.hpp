// SPDX-License-Identifier: Apache-2.0
// What a shell command answers, as JSON that throngsh turns into a table, a tree or an object:
//   {"ok":true,"columns":["key","state"],"rows":[["channel:C1","active"]],"note":"…"}
//   {"ok":true,"tree":{"name":"node n1","children":[…]}}
//   {"ok":true,"value":{…}}
//   {"ok":false,"error":"not_found","detail":"…"}
#pragma once

#include <string>
#include <vector>

#include "storage/json/json.hpp"
#include "storage/model/result.hpp"

namespace throng {

/// One cell: text, or a number that is aligned to the right and sorted as one.
struct shell_cell {
  shell_cell(std::string words) : text(std::move(words)) {}
  shell_cell(const char* words) : text(words) {}
  template <std::integral Number>
  shell_cell(Number value) : text(std::to_string(value)), is_number(true) {}
  std::string text;
  bool is_number = false;
};

struct shell_table {
  std::vector<std::string> columns;
  std::vector<std::vector<shell_cell>> rows;
  std::string note;
};

struct shell_tree {
  std::string name;
  std::vector<shell_tree> children;
};

std::string table_reply(const shell_table& table);
std::string tree_reply(const shell_tree& tree);
/// `json` is one value.
std::string value_reply(std::string_view json);
std::string failure_reply(const error& failure);
std::string done_reply(std::string_view note);

}  // namespace throng
