// SPDX-License-Identifier: Apache-2.0
// From JSON to the structs of vschema.hpp: form only; vschema_check.cpp says whether it makes sense. Names of fields
// are Vitess's, in snake_case or camelCase, because its tools write either; null is as good as nothing there.
#include <algorithm>
#include <array>
#include <charconv>
#include <fstream>
#include <set>

#include "storage/json/json.hpp"
#include "storage/vschema/vschema.hpp"
#include "storage/vschema/vschema_check.hpp"

namespace throng {

namespace {

using std::string_view;
template <std::size_t Count>
using names = std::array<string_view, Count>;

constexpr names<4> srv_fields{"keyspaces", "routing_rules", "shard_routing_rules", "keyspace_routing_rules"};
constexpr names<6> keyspace_fields{"sharded",          "vindexes",         "tables", "require_explicit_routing",
                                   "foreign_key_mode", "multi_tenant_spec"};
constexpr names<2> tenant_fields{"tenant_id_column_name", "tenant_id_column_type"};
constexpr names<3> vindex_fields{"type", "params", "owner"};
constexpr names<7> table_fields{"type",   "column_vindexes",           "auto_increment", "columns",
                                "pinned", "column_list_authoritative", "source"};
constexpr names<3> column_vindex_fields{"column", "name", "columns"};
constexpr names<2> auto_increment_fields{"column", "sequence"};
constexpr names<9> column_fields{"name", "type",  "invisible", "default", "collation_name",
                                 "size", "scale", "nullable",  "values"};
constexpr names<1> rules_fields{"rules"};
constexpr names<2> rule_fields{"from_table", "to_tables"};
constexpr names<3> shard_rule_fields{"from_keyspace", "to_keyspace", "shard"};
constexpr names<2> keyspace_rule_fields{"from_keyspace", "to_keyspace"};
constexpr names<4> foreign_key_modes{"unspecified", "disallow", "unmanaged", "managed"};

constexpr json_limits limits{.bytes_max = vschema_bytes_max, .depth_max = 16, .values_max = 500'000};

/// "columnVindexes" → "column_vindexes".
std::string snake_case(string_view name) {
  std::string out;
  for (char c : name) {
    if (c >= 'A' && c <= 'Z') {
      out += '_';
      c = static_cast<char>(c - 'A' + 'a');
    }
    out += c;
  }
  return out;
}

std::string lower_case(std::string text) {
  for (auto& c : text)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return text;
}

std::string listed(std::span<const string_view> words) {
  std::string all;
  for (auto word : words) all += (all.empty() ? "" : ", ") + std::string(word);
  return all;
}

/// Reads one file. Each step returns at once when there is a problem already; the first one is kept.
class vschema_reader {
 public:
  vschema_reader(string_view text, string_view file, string_view keyspace) : text_(text) {
    schema_.file = file;
    schema_.keyspace = keyspace;
    for (std::size_t at = text.find('\n'); at != string_view::npos; at = text.find('\n', at + 1))
      line_ends_.push_back(at);
  }

  result<vschema> read() {
    const auto document = parse_json(text_, limits);
    if (!document) return not_json(document.failure());
    const auto root = document->root();
    if (root.is_object() && root.find("keyspaces"))
      read_all(root);
    else
      read_only(root);
    if (problem_) return *problem_;
    if (!schema_.keyspaces.contains(schema_.keyspace))
      return at(line_of(root), "keyspaces: expected " + shown(schema_.keyspace) + ", where Throng's tables are");
    if (auto mistake = find_mistake(schema_)) return *mistake;
    return std::move(schema_);
  }

 private:
  // -- where and what is wrong ---------------------------------------------------------------------------------------

  error at(std::size_t line, const std::string& what) const { return vschema_error(schema_, line, what); }
  std::size_t line_at(std::size_t byte) const {
    return 1 + static_cast<std::size_t>(std::ranges::lower_bound(line_ends_, byte) - line_ends_.begin());
  }
  std::size_t line_of(json_value value) const {
    return line_at(static_cast<std::size_t>(value.raw().data() - text_.data()));
  }
  void fail(json_value value, const std::string& what) {
    if (!problem_) problem_ = at(line_of(value), what);
  }
  void expect(json_value value, const std::string& path, const std::string& what) {
    auto found = std::string(value.raw().substr(0, 40));
    if (value.raw().size() > 40 || value.is_object() || value.is_array())
      found = value.is_object() ? "an object" : value.is_array() ? "a list" : "a longer value";
    fail(value, path + ": expected " + what + ", found " + found);
  }

  error not_json(const error& failure) const {
    // The parser names the byte; people look for the line.
    constexpr string_view prefix = "not JSON at byte ";
    string_view detail = failure.detail;
    std::size_t byte = 0;
    if (detail.starts_with(prefix)) {
      const auto [end, failed] = std::from_chars(detail.data() + prefix.size(), detail.data() + detail.size(), byte);
      if (failed == std::errc()) return at(line_at(byte), "not JSON" + std::string(end, detail.data() + detail.size()));
    }
    return at(1, failure.detail);
  }

  // -- the forms that values have ------------------------------------------------------------------------------------

  /// An object with these fields: `take(field, value)` for each that is there.
  template <class Take>
  void fields(json_value object, const std::string& path, std::span<const string_view> known, Take take) {
    if (!object.is_object()) return expect(object, path, "an object");
    std::vector<bool> seen(known.size());
    object.for_each_member([&](string_view written, json_value value) {
      if (problem_) return;
      const auto name = snake_case(written);
      const auto found = std::ranges::find(known, name);
      if (found == known.end())
        return fail(value, path + ": " + shown(written) + " is no field of it" + did_you_mean(name, known) +
                               "; expected " + listed(known));
      const auto index = static_cast<std::size_t>(found - known.begin());
      if (seen[index]) return fail(value, path + ": " + name + " is there twice");
      seen[index] = true;
      if (!value.is_null()) take(*found, value);
    });
  }

  /// An object whose names are free: `take(name, value, its path)`.
  template <class Take>
  void map(json_value object, const std::string& path, Take take) {
    if (!object.is_object()) return expect(object, path, "an object");
    std::set<std::string, std::less<>> seen;
    object.for_each_member([&](string_view name, json_value value) {
      if (problem_) return;
      if (name.empty()) return fail(value, path + ": a name is empty");
      const auto below = path + "." + shown(name);
      if (!seen.emplace(name).second) return fail(value, below + " is there twice");
      take(name, value, below);
    });
  }

  template <class Take>
  void list(json_value array, const std::string& path, Take take) {
    if (!array.is_array()) return expect(array, path, "a list");
    std::size_t index = 0;
    array.for_each_element([&](json_value value) {
      const auto below = path + "[" + std::to_string(index++) + "]";
      if (!problem_) take(value, below);
    });
  }

  std::string text(json_value value, const std::string& path) {
    const auto text = value.as_string();
    if (!text) expect(value, path, "a text");
    return std::string(text.value_or(""));
  }
  bool flag(json_value value, const std::string& path) {
    const auto flag = value.as_bool();
    if (!flag) expect(value, path, "true or false");
    return flag.value_or(false);
  }
  void number(json_value value, const std::string& path) {
    if (!value.as_int()) expect(value, path, "a whole number");
  }
  std::vector<std::string> texts(json_value value, const std::string& path) {
    std::vector<std::string> all;
    list(value, path, [&](json_value each, const std::string& below) { all.push_back(text(each, below)); });
    return all;
  }

  // -- what a VSchema consists of ------------------------------------------------------------------------------------

  void read_only(json_value root) {
    schema_.is_one_keyspace = true;
    read_keyspace(root, "keyspace", schema_.keyspaces[schema_.keyspace]);
  }

  void read_all(json_value root) {
    fields(root, "vschema", srv_fields, [&](string_view field, json_value value) {
      if (field == "keyspaces") {
        map(value, "keyspaces", [&](string_view name, json_value each, const std::string& path) {
          read_keyspace(each, path, schema_.keyspaces[std::string(name)]);
        });
      } else if (field == "routing_rules") {
        read_rules(value, "routing_rules", rule_fields);
      } else if (field == "shard_routing_rules") {
        read_rules(value, "shard_routing_rules", shard_rule_fields);
      } else {
        read_rules(value, "keyspace_routing_rules", keyspace_rule_fields);
      }
    });
  }

  void read_rules(json_value rules, const std::string& path, std::span<const string_view> known) {
    fields(rules, path, rules_fields, [&](string_view, json_value value) {
      list(value, path + ".rules", [&](json_value rule, const std::string& below) {
        if (schema_.rules_line == 0) schema_.rules_line = line_of(rule);
        fields(rule, below, known, [&](string_view field, json_value part) {
          const auto part_path = below + "." + std::string(field);
          if (field == "to_tables")
            texts(part, part_path);
          else
            text(part, part_path);
        });
      });
    });
  }

  void read_keyspace(json_value value, const std::string& path, vschema_keyspace& keyspace) {
    keyspace.line = line_of(value);
    fields(value, path, keyspace_fields, [&](string_view field, json_value part) {
      // The only keyspace of a file needs no name in front of everything.
      const auto below = schema_.is_one_keyspace ? std::string(field) : path + "." + std::string(field);
      if (field == "sharded") {
        keyspace.sharded = flag(part, below);
      } else if (field == "vindexes") {
        map(part, below, [&](string_view name, json_value each, const std::string& each_path) {
          read_vindex(each, each_path, keyspace.vindexes[std::string(name)]);
        });
      } else if (field == "tables") {
        map(part, below, [&](string_view name, json_value each, const std::string& each_path) {
          read_table(each, each_path, keyspace.tables[std::string(name)]);
        });
      } else if (field == "require_explicit_routing") {
        keyspace.require_explicit_routing = flag(part, below);
      } else if (field == "foreign_key_mode") {
        if (const auto mode = text(part, below); std::ranges::find(foreign_key_modes, mode) == foreign_key_modes.end())
          expect(part, below, "one of " + listed(foreign_key_modes));
      } else {
        fields(part, below, tenant_fields,
               [&](string_view name, json_value each) { text(each, below + "." + std::string(name)); });
      }
    });
  }

  void read_vindex(json_value value, const std::string& path, vschema_vindex& vindex) {
    vindex.line = line_of(value);
    bool has_type = false;
    fields(value, path, vindex_fields, [&](string_view field, json_value part) {
      const auto below = path + "." + std::string(field);
      if (field == "type") {
        has_type = true;
        const auto name = text(part, below);
        if (const auto type = parse_vindex_type(name))
          vindex.type = *type;
        else
          fail(part, below + ": no vindex " + shown(name) + " here; expected one of " + known_vindex_types());
      } else if (field == "params") {
        map(part, below, [&](string_view name, json_value each, const std::string& each_path) {
          vindex.params.emplace(name, text(each, each_path));
        });
      } else {
        vindex.owner = text(part, below);
      }
    });
    if (!has_type) fail(value, path + ": expected a type, one of " + known_vindex_types());
  }

  void read_table(json_value value, const std::string& path, vschema_table& table) {
    table.line = line_of(value);
    fields(value, path, table_fields, [&](string_view field, json_value part) {
      const auto below = path + "." + std::string(field);
      if (field == "type")
        read_kind(part, below, table);
      else if (field == "column_vindexes")
        list(part, below, [&](json_value each, const std::string& each_path) {
          read_column_vindex(each, each_path, table.column_vindexes.emplace_back());
        });
      else if (field == "auto_increment")
        read_auto_increment(part, below, table.auto_increment.emplace());
      else if (field == "columns")
        list(part, below, [&](json_value each, const std::string& each_path) { read_column(each, each_path, table); });
      else if (field == "pinned")
        read_pinned(part, below, table);
      else if (field == "source")
        table.source = text(part, below);
      else
        flag(part, below);  // column_list_authoritative
    });
  }

  void read_kind(json_value value, const std::string& path, vschema_table& table) {
    const auto kind = text(value, path);
    if (kind == "sequence")
      table.kind = vschema_table::kind_t::sequence;
    else if (kind == "reference")
      table.kind = vschema_table::kind_t::reference;
    else if (!kind.empty())
      expect(value, path, "\"sequence\", \"reference\" or nothing");
  }

  void read_pinned(json_value value, const std::string& path, vschema_table& table) {
    const auto digits = text(value, path);
    const auto is_hex = [](char c) {
      return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
    };
    if (digits.size() % 2 != 0 || digits.size() > 64 || !std::ranges::all_of(digits, is_hex))
      return expect(value, path, "a keyspace id: hex digits in pairs, at most 64");
    for (std::size_t i = 0; i + 2 <= digits.size(); i += 2) {
      unsigned byte = 0;
      std::from_chars(digits.data() + i, digits.data() + i + 2, byte, 16);
      table.pinned.push_back(static_cast<char>(byte));
    }
  }

  void read_column_vindex(json_value value, const std::string& path, vschema_column_vindex& made) {
    made.line = line_of(value);
    std::string column;
    fields(value, path, column_vindex_fields, [&](string_view field, json_value part) {
      const auto below = path + "." + std::string(field);
      if (field == "column")
        column = lower_case(text(part, below));
      else if (field == "name")
        made.vindex = text(part, below);
      else
        for (auto& each : texts(part, below)) made.columns.push_back(lower_case(std::move(each)));
    });
    if (!column.empty() && !made.columns.empty()) return fail(value, path + ": expected column or columns, not both");
    if (!column.empty()) made.columns.push_back(std::move(column));
    if (made.columns.empty() || std::ranges::count(made.columns, std::string()) != 0)
      fail(value, path + ": expected the name of a column");
    if (made.vindex.empty()) fail(value, path + ": expected name, the vindex's");
  }

  void read_auto_increment(json_value value, const std::string& path, vschema_auto_increment& made) {
    made.line = line_of(value);
    fields(value, path, auto_increment_fields, [&](string_view field, json_value part) {
      const auto below = path + "." + std::string(field);
      (field == "column" ? made.column : made.sequence) = text(part, below);
    });
    if (made.column.empty()) fail(value, path + ": expected column");
    if (made.sequence.empty()) fail(value, path + ": expected sequence, a table's name");
  }

  void read_column(json_value value, const std::string& path, vschema_table& table) {
    std::string name;
    fields(value, path, column_fields, [&](string_view field, json_value part) {
      const auto below = path + "." + std::string(field);
      if (field == "name")
        name = lower_case(text(part, below));
      else if (field == "invisible" || field == "nullable")
        flag(part, below);
      else if (field == "size" || field == "scale")
        number(part, below);
      else if (field == "values")
        texts(part, below);
      else
        text(part, below);
    });
    if (name.empty()) return fail(value, path + ": expected name");
    if (std::ranges::find(table.columns, name) != table.columns.end())
      return fail(value, path + ": column " + shown(name) + " is there twice");
    table.columns.push_back(std::move(name));
  }

  const string_view text_;
  std::vector<std::size_t> line_ends_;
  vschema schema_;
  std::optional<error> problem_;
};

}  // namespace

result<vschema> parse_vschema(string_view text, string_view file, string_view keyspace) {
  return vschema_reader(text, file, keyspace).read();
}

result<vschema> load_vschema(const std::filesystem::path& file, string_view keyspace) {
  std::ifstream in(file, std::ios::binary);
  std::string text(vschema_bytes_max + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (!in.is_open() || in.bad())
    return error{errc::invalid_arguments,
                 file.string() + ": can't be read; expected a VSchema, such as config/vschema.json"};
  text.resize(static_cast<std::size_t>(in.gcount()));
  return parse_vschema(text, file.string(), keyspace);
}

}  // namespace throng
