// SPDX-License-Identifier: Apache-2.0
#include "net/admin/shell_storage.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <map>
#include <set>

namespace throng {

namespace {

std::string fixed(double value, int digits) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.*f", digits, value);
  return text.data();
}

/// A cell that is a number, with digits behind the point.
shell_cell decimal(double value, int digits) {
  shell_cell cell(fixed(value, digits));
  cell.is_number = true;
  return cell;
}

shell_cell ms_of(std::chrono::microseconds time) { return decimal(static_cast<double>(time.count()) / 1e3, 2); }

std::string counted(std::uint64_t count, std::string_view what) {
  return std::to_string(count) + " " + std::string(what) + (count == 1 ? "" : "s");
}

std::string lag_text(const server_view& server) {
  return server.is_primary || !server.lag ? "" : std::to_string(server.lag->count()) + " ms";
}

}  // namespace

shell_table shards_table(const std::vector<shard_view>& shards) {
  shell_table table{
      {"KEYSPACE", "SHARD", "SERVES", "PRIMARY", "TERM", "IN SYNC", "QUEUE", "COMMITS/S", "P99 MS", "DIAGNOSIS"},
      {},
      {}};
  for (const auto& each : shards)
    table.rows.push_back(
        {each.keyspace, each.range, each.is_serving ? "yes" : "no", each.primary.empty() ? "none" : each.primary,
         each.term, std::to_string(each.in_sync) + " of " + std::to_string(each.servers.size()), each.waiting_units,
         decimal(each.commits_per_second, 1), ms_of(each.commit_p99), each.diagnosis});
  return table;
}

shell_table servers_table(const std::vector<shard_view>& shards) {
  shell_table table{{"SHARD", "SERVER", "ROLE", "LAG", "STATE"}, {}, {}};
  for (const auto& shard : shards)
    for (const auto& each : shard.servers)
      table.rows.push_back(
          {shard.range, each.address, each.is_primary ? "primary" : "replica", lag_text(each), each.state});
  return table;
}

std::string partial_note(const std::vector<std::string>& missing) {
  std::string note;
  for (const auto& shard : missing) note += (note.empty() ? "partial: shard " : ", shard ") + shard + " is away";
  return note;
}

shell_table rows_table(const storage_admin::row_counts& counts) {
  std::set<std::string> shards;
  std::map<std::string, std::map<std::string, const table_rows*>> by_table;
  bool has_estimates = false;
  for (const auto& each : counts.tables) {
    shards.insert(each.shard);
    by_table[each.table][each.shard] = &each;
    has_estimates |= each.is_estimate;
  }
  shell_table table{{"TABLE"}, {}, partial_note(counts.missing)};
  table.columns.insert(table.columns.end(), shards.begin(), shards.end());
  if (shards.size() != 1) table.columns.emplace_back("ALL");
  for (const auto& [name, cells] : by_table) {
    auto& row = table.rows.emplace_back(std::vector<shell_cell>{name});
    std::uint64_t sum = 0;
    bool is_estimate = false;
    auto cell = [](std::uint64_t rows, bool guessed) {
      return guessed ? shell_cell("~" + std::to_string(rows)) : shell_cell(rows);
    };
    for (const auto& shard : shards) {
      const auto found = cells.find(shard);
      if (found == cells.end()) {
        row.emplace_back("-");
        continue;
      }
      sum += found->second->rows;
      is_estimate |= found->second->is_estimate;
      row.push_back(cell(found->second->rows, found->second->is_estimate));
    }
    if (shards.size() != 1) row.push_back(cell(sum, is_estimate));
  }
  if (has_estimates) table.note += (table.note.empty() ? "" : "; ") + std::string("~: estimates; rows --exact counts");
  return table;
}

shell_table explain_table(const explained_call& call) {
  shell_table table{{"SHARD", "STATEMENT", "TIMES", "ROWS", "MS"}, {}, {}};
  struct line {
    const statement_tap::seen* first;
    std::uint64_t times = 0, rows = 0;
    std::chrono::microseconds took{0};
  };
  std::vector<line> lines;
  std::set<std::string_view> shards;
  std::uint64_t rows = 0;
  std::chrono::microseconds took{0};
  for (const auto& each : call.statements) {
    shards.insert(each.shard);
    rows += each.rows;
    took += each.took;
    if (lines.empty() || lines.back().first->shard != each.shard || lines.back().first->statement != each.statement)
      lines.push_back({&each});
    auto& last = lines.back();
    ++last.times;
    last.rows += each.rows;
    last.took += each.took;
  }
  for (const auto& each : lines)
    table.rows.push_back({each.first->shard.empty() ? "-" : each.first->shard, each.first->statement, each.times,
                          each.rows, ms_of(each.took)});
  table.note = call.method + ": " + call.outcome + " in " + fixed(static_cast<double>(call.took.count()) / 1e3, 2) +
               " ms; " + counted(call.statements.size(), "statement") + " on " + counted(shards.size(), "shard") +
               ", " + counted(rows, "row") + ", " + fixed(static_cast<double>(took.count()) / 1e3, 2) +
               " ms in the database";
  if (call.is_cut) table.note += "; the rest isn't shown";
  table.note += call.other_calls == 0 ? "; no other API call ran meanwhile"
                                      : "; " + counted(call.other_calls, "other API call") +
                                            " ran meanwhile, whose statements are mixed in";
  return table;
}

std::string without_tokens(std::string_view line) {
  std::string text(line);
  for (std::size_t at = text.find("token="); at != std::string::npos; at = text.find("token=", at)) {
    at += 6;
    const auto end = std::min(text.find_first_of(" \t\"'\r\n", at), text.size());
    text.replace(at, end - at, "***");
  }
  return text;
}

result<std::string> form_of(const std::vector<std::string>& arguments, std::size_t begin) {
  std::string form;
  auto append = [&](std::string_view text) {
    constexpr std::string_view digits = "0123456789ABCDEF";
    for (const char c : text) {
      const auto byte = static_cast<unsigned char>(c);
      if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_' ||
          c == '.') {
        form += c;
      } else {
        form += '%';
        form += digits[byte >> 4];
        form += digits[byte & 15];
      }
    }
  };
  for (auto i = begin; i < arguments.size(); ++i) {
    const std::string_view word = arguments[i];
    const auto equals = word.find('=');
    if (equals == std::string_view::npos || equals == 0)
      return error{errc::invalid_arguments, "an argument is NAME=VALUE, not " + std::string(word)};
    if (!form.empty()) form += '&';
    append(word.substr(0, equals));
    form += '=';
    append(word.substr(equals + 1));
  }
  return form;
}

}  // namespace throng
