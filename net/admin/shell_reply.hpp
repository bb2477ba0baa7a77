// SPDX-License-Identifier: Apache-2.0
// What a shell command answers, as JSON that throngsh turns into a table, a tree or an object:
//   {"ok":true,"columns":["key","state"],"rows":[["channel:C1","active"]],"note":"…"}
//   {"ok":true,"tree":{"name":"node n1","children":[…]}}
//   {"ok":true,"value":{…}}
//   {"ok":false,"error":"not_found","detail":"…"}
// What speaks for several nodes, of which some didn't answer, names those: "partial":["n3: no answer in 1 s"].
#pragma once

#include <cstdint>
#include <optional>
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
  /// Of a node's part of a larger table: what each row is ordered by (the larger first), and how many rows there are.
  std::vector<std::int64_t> order{};
  std::optional<std::uint64_t> total{};
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
/// The reply, with `partial` in it if there is any.
std::string with_partial(std::string reply, const std::vector<std::string>& partial);

}  // namespace throng
