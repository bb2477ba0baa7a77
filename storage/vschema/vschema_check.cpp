// SPDX-License-Identifier: Apache-2.0
#include "storage/vschema/vschema_check.hpp"

#include <algorithm>
#include <array>

#include "config/closest_name.hpp"
#include "storage/json/json.hpp"

namespace throng {

namespace {

using std::string_view;
using mistake = std::optional<error>;

constexpr std::size_t shown_bytes_max = 64;

constexpr std::array<string_view, 10> lookup_params{
    "table",        "from",         "to",        "autocommit", "multi_shard_autocommit",
    "ignore_nulls", "batch_lookup", "read_lock", "write_only", "no_verify"};
constexpr std::array<string_view, 3> read_locks{"exclusive", "shared", "none"};

/// A table's name, with its keyspace in front or without.
struct qualified_name {
  string_view keyspace;  // empty: not said
  string_view table;
};
qualified_name split(string_view name) {
  const auto dot = name.find('.');
  if (dot == string_view::npos) return {{}, name};
  return {name.substr(0, dot), name.substr(dot + 1)};
}

class checker {
 public:
  explicit checker(const vschema& schema) : schema_(schema) {}

  mistake find() {
    for (const auto& [name, keyspace] : schema_.keyspaces) {
      for (const auto& [vindex_name, vindex] : keyspace.vindexes)
        if (auto found = check_vindex(keyspace, vindex_name, vindex)) return found;
      for (const auto& [table_name, table] : keyspace.tables)
        if (auto found = check_table(name, keyspace, table_name, table)) return found;
    }
    return std::nullopt;
  }

 private:
  error wrong(std::size_t line, const std::string& what) const { return vschema_error(schema_, line, what); }

  enum class search : std::uint8_t { found, missing, elsewhere, ambiguous };
  struct found_table {
    search how = search::missing;
    const vschema_table* table = nullptr;
  };
  /// As vtgate looks: without a keyspace's name, in all that don't ask for it.
  found_table find_table(string_view name) const {
    const auto [keyspace, table] = split(name);
    found_table found;
    for (const auto& [each_name, each] : schema_.keyspaces) {
      if (keyspace.empty() ? each.require_explicit_routing && !schema_.is_one_keyspace : each_name != keyspace)
        continue;
      const auto at = each.tables.find(table);
      if (at == each.tables.end()) continue;
      if (found.table) return {search::ambiguous, nullptr};
      found = {search::found, &at->second};
    }
    if (!found.table && schema_.is_one_keyspace && !keyspace.empty() && keyspace != schema_.keyspace)
      found.how = search::elsewhere;
    return found;
  }
  std::string why_not(const found_table& found, string_view name) const {
    return found.how == search::ambiguous ? shown(name) + " is in several keyspaces; expected KEYSPACE.TABLE"
                                          : "there is no table " + shown(name);
  }

  mistake check_vindex(const vschema_keyspace& keyspace, const std::string& name, const vschema_vindex& vindex) const {
    const auto path = "vindex " + shown(name);
    if (!is_lookup(vindex.type)) {
      if (!vindex.params.empty())
        return wrong(vindex.line, path + ": " + std::string(to_string(vindex.type)) + " takes no params");
      if (!vindex.owner.empty()) return wrong(vindex.line, path + ": only a lookup has an owner");
      return std::nullopt;
    }
    for (auto required : {"table", "from", "to"})
      if (const auto param = vindex.params.find(required); param == vindex.params.end() || param->second.empty())
        return wrong(vindex.line, path + ": expected the param " + required + "; a lookup needs table, from and to");
    for (const auto& [param, value] : vindex.params) {
      const auto known = std::ranges::find(lookup_params, param);
      if (known == lookup_params.end())
        return wrong(vindex.line, path + ": unknown param " + shown(param) + did_you_mean(param, lookup_params));
      if (param == "read_lock") {
        if (std::ranges::find(read_locks, value) == read_locks.end())
          return wrong(vindex.line, path + ": expected read_lock exclusive, shared or none, found " + shown(value));
      } else if (param != "table" && param != "from" && param != "to" && value != "true" && value != "false") {
        return wrong(vindex.line, path + ": expected " + param + " \"true\" or \"false\", found " + shown(value));
      }
    }
    const auto& table = vindex.params.find("table")->second;
    if (const auto found = find_table(table); found.how == search::missing || found.how == search::ambiguous)
      return wrong(vindex.line, path + ": " + why_not(found, table));
    if (vindex.owner.empty()) return std::nullopt;
    const auto owner = keyspace.tables.find(vindex.owner);
    if (owner == keyspace.tables.end())
      return wrong(vindex.line, path + ": its owner " + shown(vindex.owner) + " is no table of the keyspace");
    if (std::ranges::find(owner->second.column_vindexes, name, &vschema_column_vindex::vindex) ==
        owner->second.column_vindexes.end())
      return wrong(vindex.line, path + ": its owner " + shown(vindex.owner) + " has no column with it");
    return std::nullopt;
  }

  mistake check_table(const std::string& keyspace_name, const vschema_keyspace& keyspace, const std::string& name,
                      const vschema_table& table) const {
    const auto path = "table " + shown(name);
    using kind_t = vschema_table::kind_t;
    if (table.kind == kind_t::sequence && keyspace.sharded && table.pinned.empty())
      return wrong(table.line, path + ": a sequence must be in an unsharded keyspace, or pinned");
    if (keyspace.sharded && table.kind != kind_t::reference && table.pinned.empty() && table.column_vindexes.empty())
      return wrong(table.line, path + ": expected column_vindexes, the first of which places the rows");
    for (std::size_t i = 0; i < table.column_vindexes.size(); ++i)
      if (auto found = check_column_vindex(keyspace, name, table.column_vindexes[i], i == 0)) return found;
    if (table.auto_increment) {
      const auto& sequence = table.auto_increment->sequence;
      const auto found = find_table(sequence);
      if (found.how == search::missing || found.how == search::ambiguous)
        return wrong(table.auto_increment->line, path + ": its sequence: " + why_not(found, sequence));
      if (found.table && found.table->kind != kind_t::sequence)
        return wrong(table.auto_increment->line,
                     path + ": its sequence: the table " + shown(sequence) + " is not of type sequence");
    }
    if (!table.source.empty()) {
      const auto source = split(table.source);
      if (table.kind != kind_t::reference) return wrong(table.line, path + ": only a reference table has a source");
      if (source.keyspace.empty() || source.table.empty() || source.keyspace == keyspace_name)
        return wrong(table.line,
                     path + ": expected source KEYSPACE.TABLE of another keyspace, found " + shown(table.source));
    }
    return std::nullopt;
  }

  mistake check_column_vindex(const vschema_keyspace& keyspace, const std::string& table_name,
                              const vschema_column_vindex& column, bool is_primary) const {
    const auto path = "table " + shown(table_name);
    const auto found = keyspace.vindexes.find(column.vindex);
    if (found == keyspace.vindexes.end()) {
      std::vector<string_view> known;
      for (const auto& [name, vindex] : keyspace.vindexes) known.push_back(name);
      return wrong(column.line,
                   path + ": there is no vindex " + shown(column.vindex) + did_you_mean(column.vindex, known));
    }
    const auto& vindex = found->second;
    if (is_primary && !is_unique(vindex.type))
      return wrong(column.line, path + ": its first vindex must be unique, and " + shown(column.vindex) + " is a " +
                                    std::string(to_string(vindex.type)));
    if (is_primary && is_lookup(vindex.type) && vindex.owner == table_name)
      return wrong(column.line, path + ": its first vindex can't be one that it owns");
    const auto takes = is_lookup(vindex.type) ? 1 + std::ranges::count(vindex.params.find("from")->second, ',') : 1;
    if (takes != std::ssize(column.columns))
      return wrong(column.line, path + ": vindex " + shown(column.vindex) + " takes " + std::to_string(takes) +
                                    (takes == 1 ? " column, not " : " columns, not ") +
                                    std::to_string(column.columns.size()));
    return std::nullopt;
  }

  const vschema& schema_;
};

bool is_plain(string_view name) {
  return !name.empty() && name.size() <= shown_bytes_max && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '$' ||
           c == '.' || c == '-';
  });
}

}  // namespace

error vschema_error(const vschema& schema, std::size_t line, const std::string& what) {
  return {errc::invalid_arguments, schema.file + ":" + std::to_string(line) + ": " + what};
}

std::string shown(string_view name) {
  if (is_plain(name)) return std::string(name);
  std::string out;
  append_json_string(out, name.substr(0, shown_bytes_max));
  if (name.size() > shown_bytes_max) out += "…";
  return out;
}

std::string did_you_mean(string_view name, std::span<const string_view> known) {
  const auto best = closest_name(name, known);
  return best.empty() ? std::string() : " (did you mean " + shown(best) + "?)";
}

std::optional<error> find_mistake(const vschema& schema) { return checker(schema).find(); }

}  // namespace throng
