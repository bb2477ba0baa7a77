// SPDX-License-Identifier: Apache-2.0
#include "tools/throngsh/render.hpp"

#include <algorithm>
#include <vector>

#include "tools/throngsh/plain_width.hpp"

namespace throng {

namespace {

constexpr std::size_t gap = 2;        // between columns
constexpr std::size_t narrowest = 8;  // a column isn't cut below this
constexpr std::string_view nothing = "-";

/// A scalar as it is shown; what is nested stays JSON.
std::string scalar(json_value value) {
  if (value.is_missing() || value.is_null()) return std::string(nothing);
  if (auto text = value.as_string()) return harmless(*text);
  return harmless(value.raw());
}

void add_line(std::string& out, std::string line, std::size_t columns_max) {
  while (line.ends_with(' ')) line.pop_back();
  out += columns_max == 0 ? line : cut_to_width(line, columns_max);
  out += '\n';
}

struct column {
  std::size_t width = 0;
  bool is_number = true;  // every cell is
};

/// Takes from the widest columns until all fit, or none can give any more.
void shrink(std::vector<column>& columns, std::size_t columns_max) {
  auto total = [&] {
    std::size_t sum = 0;
    for (const auto& each : columns) sum += each.width + gap;
    return sum - gap;
  };
  while (total() > columns_max) {
    auto widest = columns.end();
    for (auto each = columns.begin(); each != columns.end(); ++each) {
      const bool can_give = !each->is_number && each->width > narrowest;
      if (can_give && (widest == columns.end() || each->width > widest->width)) widest = each;
    }
    if (widest == columns.end()) return;
    --widest->width;
  }
}

void add_children(std::string& out, json_value tree, const std::string& indent, std::size_t columns_max) {
  const auto children = tree.find("children");
  std::size_t left = children.size();
  children.for_each_element([&](json_value child) {
    const bool is_last = --left == 0;
    add_line(out, indent + (is_last ? "└─ " : "├─ ") + scalar(child.find("name")), columns_max);
    add_children(out, child, indent + (is_last ? "   " : "│  "), columns_max);
  });
}

bool is_nested(json_value value) { return (value.is_object() || value.is_array()) && value.size() > 0; }

/// An empty container as it is, so that it isn't taken for nothing.
std::string flat(json_value value) {
  if (value.is_object()) return "{}";
  if (value.is_array()) return "[]";
  return scalar(value);
}

/// The lines of `value`; `lead` stands before the first of them instead of `indent`.
void add_value(std::string& out, json_value value, const std::string& indent, std::string lead,
               std::size_t columns_max) {
  if (!is_nested(value)) return add_line(out, lead + flat(value), columns_max);
  if (value.is_array()) {
    value.for_each_element(
        [&](json_value each) { add_value(out, each, indent + "  ", std::exchange(lead, indent) + "- ", columns_max); });
    return;
  }
  value.for_each_member([&](std::string_view name, json_value each) {
    const auto start = std::exchange(lead, indent) + harmless(name) + ":";
    if (!is_nested(each)) return add_line(out, start + " " + flat(each), columns_max);
    add_line(out, start, columns_max);
    add_value(out, each, indent + "  ", indent + "  ", columns_max);
  });
}

shell_text failure(const std::string& line) { return {false, line + "\n"}; }

/// Whose part is missing: nobody may take the rest for all.
void add_partial(std::string& out, json_value reply) {
  reply.find("partial").for_each_element([&](json_value each) { out += "PARTIAL: " + scalar(each) + "\n"; });
}

}  // namespace

json_limits reply_limits() { return {.bytes_max = 64u << 20, .depth_max = 128, .values_max = 4'000'000}; }

std::string render_table(json_value columns, json_value rows, std::size_t columns_max) {
  std::vector<std::string> names;
  columns.for_each_element([&](json_value each) { names.push_back(scalar(each)); });
  std::vector<std::vector<std::string>> cells;
  std::vector<column> shape(names.size());
  for (std::size_t i = 0; i < names.size(); ++i) shape[i].width = display_width(names[i]);
  rows.for_each_element([&](json_value row) {
    auto& line = cells.emplace_back();
    row.for_each_element([&](json_value cell) {
      if (line.size() == names.size()) return;
      auto& at = shape[line.size()];
      line.push_back(scalar(cell));
      at.width = std::max(at.width, display_width(line.back()));
      at.is_number &= cell.is_number() || cell.is_null();
    });
    line.resize(names.size(), std::string(nothing));
  });
  if (names.empty()) return {};
  if (columns_max > 0) shrink(shape, columns_max);

  std::string out;
  auto add_row = [&](const std::vector<std::string>& row) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      const auto cell = columns_max > 0 ? cut_to_width(row[i], shape[i].width) : row[i];
      const std::string padding(shape[i].width - std::min(shape[i].width, display_width(cell)), ' ');
      const bool is_right = shape[i].is_number && !cells.empty();
      line += is_right ? padding + cell : cell + padding;
      if (i + 1 < row.size()) line.append(gap, ' ');
    }
    add_line(out, std::move(line), columns_max);
  };
  add_row(names);
  for (const auto& row : cells) add_row(row);
  return out;
}

std::string render_tree(json_value tree, std::size_t columns_max) {
  std::string out;
  add_line(out, scalar(tree.find("name")), columns_max);
  add_children(out, tree, "", columns_max);
  return out;
}

std::string render_value(json_value value, std::size_t columns_max) {
  std::string out;
  add_value(out, value, "", "", columns_max);
  return out;
}

shell_text render_reply(std::string_view json, std::size_t columns_max) {
  const auto document = parse_json(json, reply_limits());
  if (!document) return failure("the answer is not JSON: " + harmless(json.substr(0, 200)));
  const auto root = document->root();
  const auto ok = root.find("ok").as_bool();
  if (!ok) return failure("not an answer of a Throng node: " + harmless(json.substr(0, 200)));
  if (!*ok) {
    const auto code = scalar(root.find("error"));
    const auto detail = root.find("detail").as_string();
    auto shown = failure(detail && !detail->empty() ? code + ": " + harmless(*detail) : code);
    add_partial(shown.text, root);
    return shown;
  }
  shell_text shown{true, {}};
  if (const auto columns = root.find("columns")) {
    shown.text += render_table(columns, root.find("rows"), columns_max);
  } else if (const auto tree = root.find("tree")) {
    shown.text += render_tree(tree, columns_max);
  } else if (const auto value = root.find("value")) {
    shown.text += render_value(value, columns_max);
  }
  if (const auto note = root.find("note").as_string()) add_line(shown.text, harmless(*note), columns_max);
  add_partial(shown.text, root);
  return shown;
}

}  // namespace throng
