// SPDX-License-Identifier: Apache-2.0
#include "storage/reshard/reshard_sql.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include "storage/model/assert.hpp"

namespace throng::reshard_sql {

namespace {

using std::string;
using std::string_view;

// Keys are noted as text. It costs the writer some bytes against a binary form, and makes one journal fit all tables.
constexpr std::array<string_view, 3> tables{
    "CREATE TABLE IF NOT EXISTS reshard_journal("
    " id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, tbl VARBINARY(64) NOT NULL, k VARBINARY(640) NOT NULL,"
    " ksid BIGINT UNSIGNED NOT NULL, bytes INT UNSIGNED NOT NULL) ENGINE=InnoDB DEFAULT CHARSET=binary",
    "CREATE TABLE IF NOT EXISTS reshard_progress("
    " source VARBINARY(80) NOT NULL, tbl VARBINARY(64) NOT NULL, chunk BIGINT UNSIGNED NOT NULL,"
    " last_key VARBINARY(640) NOT NULL, is_done TINYINT NOT NULL, rows_copied BIGINT UNSIGNED NOT NULL,"
    " PRIMARY KEY(source, tbl)) ENGINE=InnoDB DEFAULT CHARSET=binary",
    "CREATE TABLE IF NOT EXISTS reshard_owner("
    " id TINYINT NOT NULL PRIMARY KEY, runner BIGINT UNSIGNED NOT NULL) ENGINE=InnoDB DEFAULT CHARSET=binary",
};
constexpr std::array<string_view, 3> drops{"DROP TABLE IF EXISTS reshard_journal",
                                           "DROP TABLE IF EXISTS reshard_progress",
                                           "DROP TABLE IF EXISTS reshard_owner"};

constexpr std::array<string_view, 5> byte_columns{"client_msg_id", "data", "domain", "hash", "scopes"};
constexpr std::array<string_view, 3> events{"insert", "update", "delete"};

string named(string_view prefix, string_view column) { return string(prefix) + '`' + string(column) + '`'; }

/// An expression that makes the key's literals.
string key_expression(const table_layout& table, string_view prefix) {
  string parts;
  for (const auto column : table.key) {
    const auto name = named(prefix, column);
    parts += ',' + (holds_bytes(column) ? "CONCAT('x''',HEX(" + name + "),'''')" : name);
  }
  return "CONCAT_WS(','" + parts + ')';
}

string bytes_expression(const table_layout& table, string_view prefix) {
  string sum = "64";  // a guess at the rest; only what can be large matters
  for (const auto column : table.columns)
    if (holds_bytes(column)) sum += "+LENGTH(" + named(prefix, column) + ')';
  return sum;
}

string digest_expression(const table_layout& table) {
  string parts;
  for (const auto column : table.columns)
    parts += ',' + (holds_bytes(column) ? "MD5(" + named("", column) + ')' : named("", column));
  return "CONCAT_WS(','" + parts + ')';
}

string column_list(std::span<const string_view> columns) {
  string out;
  for (const auto column : columns) out += (out.empty() ? "" : ",") + named("", column);
  return out;
}

std::vector<string_view> literals_of(const table_layout& table, string_view key) {
  std::vector<string_view> parts;
  for (;;) {
    const auto comma = key.find(',');
    parts.push_back(key.substr(0, comma));
    if (comma == string_view::npos) break;
    key.remove_prefix(comma + 1);
  }
  THRONG_ASSERT(parts.size() == table.key.size());
  return parts;
}

/// Written out, since row comparisons such as (a, b) > (1, 2) can't use an index.
string beyond(const table_layout& table, string_view key, char sign, bool is_inclusive) {
  const auto literals = literals_of(table, key);
  string out, equal;
  for (std::size_t i = 0; i < literals.size(); ++i) {
    const auto name = named("", table.key[i]);
    const auto is_last = i + 1 == literals.size();
    if (i > 0) out += " OR ";
    out += '(' + equal + name + sign + (is_last && is_inclusive ? "=" : "") + string(literals[i]) + ')';
    equal += name + '=' + string(literals[i]) + " AND ";
  }
  return '(' + out + ')';
}

/// The rows with these keys, as a join from the keys to their rows. The same with OR takes the optimizer 60 ms for 100
/// keys of two columns, and IN would have it read all of a small table.
string from_keys(const table_layout& table, std::span<const string> keys) {
  THRONG_ASSERT(!keys.empty());
  string first, matches, others;
  const auto literals = literals_of(table, keys.front());
  for (std::size_t i = 0; i < literals.size(); ++i) {
    const auto name = "k" + std::to_string(i);
    first += (i ? "," : "") + string(literals[i]) + " AS " + name;
    matches += (i ? " AND t." : "t.") + named("", table.key[i]) + "=keyed." + name;
  }
  for (const auto& key : keys.subspan(1)) others += (others.empty() ? " UNION ALL VALUES (" : ",(") + key + ')';
  return " FROM (SELECT " + first + others + ") keyed STRAIGHT_JOIN " + string(table.name) +
         " t FORCE INDEX(PRIMARY) ON " + matches;
}

string within(const key_range& range) {
  string out = "ksid>=" + std::to_string(range.begin);
  if (range.end != 0) out += " AND ksid<" + std::to_string(range.end);
  return out;
}

string from_window(const table_layout& table, string condition, const key_window& window) {
  const auto add = [&](const string& term) { condition += (condition.empty() ? "" : " AND ") + term; };
  if (!window.after.empty()) add(beyond(table, window.after, '>', false));
  if (!window.upto.empty()) add(beyond(table, window.upto, '<', true));
  return " FROM " + string(table.name) + " FORCE INDEX(PRIMARY)" + (condition.empty() ? "" : " WHERE " + condition) +
         " ORDER BY " + column_list(table.key) + " LIMIT " + std::to_string(window.count_max);
}

string trigger_name(const table_layout& table, string_view event) {
  return "reshard_" + string(table.name) + '_' + string(event);
}

string note_key(const table_layout& table, string_view prefix) {
  return "INSERT INTO reshard_journal(tbl,k,ksid,bytes) VALUES('" + string(table.name) + "'," +
         key_expression(table, prefix) + ',' + named(prefix, "ksid") + ',' + bytes_expression(table, prefix) + ");";
}

/// Literals of one column: digits, perhaps with a sign, or x'hex'.
int compare_literals(string_view a, string_view b) {
  if (a.starts_with('x')) return a.substr(0, a.size() - 1).compare(b.substr(0, b.size() - 1));
  const auto a_negative = a.starts_with('-'), b_negative = b.starts_with('-');
  if (a_negative != b_negative) return a_negative ? -1 : 1;
  const auto by_size = a.size() < b.size() ? -1 : a.size() > b.size() ? 1 : a.compare(b);
  return a_negative ? -by_size : by_size;
}

}  // namespace

bool holds_bytes(string_view column) { return std::ranges::find(byte_columns, column) != byte_columns.end(); }

std::span<const string_view> own_tables() { return tables; }
std::span<const string_view> drop_own_tables() { return drops; }

std::vector<string> journal_triggers(const table_layout& table) {
  string moved;  // a key that is changed by an UPDATE: no statement of ours does that, but an operator's might
  for (const auto column : table.key)
    moved += (moved.empty() ? "" : " OR ") + named("OLD.", column) + "<>" + named("NEW.", column);
  std::vector<string> out;
  for (const auto event : events) {
    auto body = note_key(table, event == "delete" ? "OLD." : "NEW.");
    if (event == "update") body += " IF " + moved + " THEN " + note_key(table, "OLD.") + " END IF;";
    out.push_back("CREATE TRIGGER IF NOT EXISTS " + trigger_name(table, event) + " AFTER " + string(event) + " ON " +
                  string(table.name) + " FOR EACH ROW BEGIN IF @throng_feeder IS NULL THEN " + body + " END IF; END");
  }
  return out;
}

std::vector<string> drop_journal_triggers(const table_layout& table) {
  std::vector<string> out;
  for (const auto event : events) out.push_back("DROP TRIGGER IF EXISTS " + trigger_name(table, event));
  return out;
}

string key_of(const table_layout& table, const row_values& row) {
  static constexpr string_view digits = "0123456789ABCDEF";
  string key;
  for (const auto column : table.key) {
    const auto& value = row[static_cast<std::size_t>(std::ranges::find(table.columns, column) - table.columns.begin())];
    if (!key.empty()) key += ',';
    if (!holds_bytes(column)) {
      key += value;
      continue;
    }
    key += "x'";
    for (const char c : value) {
      key += digits[static_cast<unsigned char>(c) >> 4];
      key += digits[static_cast<unsigned char>(c) & 15];
    }
    key += '\'';
  }
  return key;
}

ksid_t ksid_of(const table_layout& table, const row_values& row) {
  const auto& text = row[static_cast<std::size_t>(std::ranges::find(table.columns, "ksid") - table.columns.begin())];
  ksid_t place = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), place);
  THRONG_ASSERT(failed == std::errc() && end == text.data() + text.size());
  return place;
}

bool key_less(string_view a, string_view b) {
  for (;;) {
    const auto a_end = std::min(a.find(','), a.size()), b_end = std::min(b.find(','), b.size());
    const auto order = compare_literals(a.substr(0, a_end), b.substr(0, b_end));
    if (order != 0) return order < 0;
    if (a_end == a.size() || b_end == b.size()) return false;
    a.remove_prefix(a_end + 1);
    b.remove_prefix(b_end + 1);
  }
}

string select_sizes(const table_layout& table, const key_window& window) {
  return "SELECT " + key_expression(table, "") + ',' + bytes_expression(table, "") + from_window(table, {}, window);
}

string select_rows(const table_layout& table, const key_window& window) {
  return "SELECT " + column_list(table.columns) + from_window(table, {}, window);
}

string select_rows(const table_layout& table, std::span<const string> keys) {
  return "SELECT " + column_list(table.columns) + from_keys(table, keys);
}

string select_digests(const table_layout& table, const key_range& rows, const key_window& window) {
  return "SELECT " + key_expression(table, "") + ',' + digest_expression(table) +
         from_window(table, within(rows), window);
}

string select_digests(const table_layout& table, std::span<const string> keys) {
  return "SELECT " + key_expression(table, "") + ',' + digest_expression(table) + from_keys(table, keys);
}

string select_strays(const table_layout& table, const key_range& shard, std::size_t count_max) {
  return "SELECT " + key_expression(table, "") + " FROM " + string(table.name) + " WHERE NOT (" + within(shard) +
         ") LIMIT " + std::to_string(count_max);
}

string replace_rows(const table_layout& table, std::size_t row_count) {
  string one = "(?";
  for (std::size_t i = 1; i < table.columns.size(); ++i) one += ",?";
  one += ')';
  string out = "REPLACE INTO " + string(table.name) + '(' + column_list(table.columns) + ") VALUES";
  for (std::size_t i = 0; i < row_count; ++i) out += (i ? "," : "") + one;
  return out;
}

string delete_rows(const table_layout& table, std::span<const string> keys) {
  return "DELETE t" + from_keys(table, keys);
}

}  // namespace throng::reshard_sql
