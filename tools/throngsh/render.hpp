// SPDX-License-Identifier: Apache-2.0
// What a shell command answered (net/admin/shell_reply.hpp), as text for a person: tables with numbers to the right,
// trees with lines, objects as indented `name: value`. Pure. Lines are cut to `columns_max` only if it isn't 0.
#pragma once

#include <string>
#include <string_view>

#include "storage/json/json.hpp"

namespace throng {

struct shell_text {
  bool is_ok = false;
  std::string text;  // for standard output; of a failure one line for standard error. Ends in a newline.
};

/// Anything that is not an answer of a shell command is a failure that says so.
shell_text render_reply(std::string_view json, std::size_t columns_max);

std::string render_table(json_value columns, json_value rows, std::size_t columns_max);
std::string render_tree(json_value tree, std::size_t columns_max);
std::string render_value(json_value value, std::size_t columns_max);

/// The limits that replies are parsed with: `tree --limit 10000` is larger than what clients may send to the server.
json_limits reply_limits();

}  // namespace throng
