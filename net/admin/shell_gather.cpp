// SPDX-License-Identifier: Apache-2.0
#include "net/admin/shell_gather.hpp"

#include <algorithm>
#include <numeric>
#include <set>

namespace throng {

namespace {

constexpr json_limits part_limits{.bytes_max = 16u << 20, .depth_max = 128, .values_max = 1'000'000};

shell_cell cell_of(json_value value) {
  if (const auto text = value.as_string()) return std::string(*text);
  shell_cell cell{std::string(value.raw())};
  cell.is_number = value.is_number();
  return cell;
}

}  // namespace

parsed_part::parsed_part(const shell_part& from) : from_(from) {
  if (auto document = parse_json(from.text, part_limits))
    document_ = std::make_unique<const json_document>(std::move(*document));
}

std::string parsed_part::failure() const {
  if (!document_) return from_.node + ": its answer can't be understood";
  std::string text = from_.node + ": " + std::string(root().find("error").as_string().value_or("it failed"));
  if (const auto detail = root().find("detail").as_string()) text += ": " + std::string(*detail);
  return text;
}

parsed_parts parsed(const shell_parts& all) {
  parsed_parts out;
  out.partial = all.partial;
  for (const auto& each : all.answered) {
    parsed_part part(each);
    if (part.is_ok()) {
      out.good.push_back(std::move(part));
    } else {
      out.partial.push_back(part.failure());
      if (out.first_failure.empty()) out.first_failure = each.text;
    }
  }
  if (out.first_failure.empty() && out.good.empty())
    out.first_failure = failure_reply({errc::unavailable, out.partial.empty() ? "no node was asked" : out.partial[0]});
  return out;
}

shell_table table_of(json_value reply) {
  shell_table table;
  reply.find("columns").for_each_element(
      [&](json_value each) { table.columns.emplace_back(each.as_string().value_or("")); });
  reply.find("rows").for_each_element([&](json_value row) {
    auto& cells = table.rows.emplace_back();
    row.for_each_element([&](json_value cell) { cells.push_back(cell_of(cell)); });
    cells.resize(table.columns.size(), shell_cell(""));
  });
  reply.find("order").for_each_element([&](json_value each) { table.order.push_back(each.as_int().value_or(0)); });
  table.note = reply.find("note").as_string().value_or("");
  if (const auto total = reply.find("total").as_int()) table.total = static_cast<std::uint64_t>(*total);
  return table;
}

shell_table merged_table(const std::vector<parsed_part>& parts, std::size_t limit, std::string_view what) {
  shell_table all;
  std::set<std::string> notes;
  for (const auto& part : parts) {
    auto table = table_of(part.root());
    if (all.columns.empty()) {
      all.columns = table.columns;
      if (std::ranges::find(all.columns, "NODE") == all.columns.end()) all.columns.emplace_back("NODE");
    }
    if (table.total) all.total = all.total.value_or(0) + *table.total;
    if (!table.note.empty() && notes.insert(table.note).second) all.note += (all.note.empty() ? "" : "; ") + table.note;
    for (std::size_t i = 0; i < table.rows.size(); ++i) {
      auto& row = all.rows.emplace_back();
      for (const auto& column : all.columns) {  // by name: the nodes may be of different versions
        const auto found = std::ranges::find(table.columns, column) - table.columns.begin();
        if (static_cast<std::size_t>(found) < table.columns.size())
          row.push_back(std::move(table.rows[i][static_cast<std::size_t>(found)]));
        else
          row.emplace_back(column == "NODE" ? part.node() : std::string());
      }
      all.order.push_back(i < table.order.size() ? table.order[i] : 0);
    }
  }
  std::vector<std::size_t> places(all.rows.size());
  std::iota(places.begin(), places.end(), 0);
  std::stable_sort(places.begin(), places.end(), [&](auto a, auto b) { return all.order[a] > all.order[b]; });
  places.resize(std::min(places.size(), limit));
  std::vector<std::vector<shell_cell>> rows;
  for (const auto place : places) rows.push_back(std::move(all.rows[place]));
  all.rows = std::move(rows);
  all.order.clear();
  if (all.total)
    all.note = std::to_string(all.rows.size()) + " of " + std::to_string(*all.total) + " " + std::string(what) +
               (all.note.empty() ? "" : "; " + all.note);
  return all;
}

std::string merged_reply(const shell_parts& all, std::size_t limit, std::string_view what) {
  const auto parts = parsed(all);
  if (parts.good.empty()) return with_partial(parts.first_failure, all.partial);
  return with_partial(table_reply(merged_table(parts.good, limit, what)), parts.partial);
}

}  // namespace throng
