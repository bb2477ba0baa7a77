// SPDX-License-Identifier: Apache-2.0
#include "storage/vschema/table_routes.hpp"

#include <algorithm>
#include <array>
#include <concepts>
#include <optional>

#include "storage/model/assert.hpp"
#include "storage/vschema/vindex.hpp"
#include "storage/vschema/vschema.hpp"
#include "storage/vschema/vschema_check.hpp"

namespace throng {

namespace {

using std::string_view;

/// A few types, as bits.
using type_set = unsigned;
constexpr type_set one_of(std::same_as<vindex_type> auto... types) {
  return (... | (1u << static_cast<unsigned>(types)));
}
constexpr bool has(type_set set, vindex_type type) { return (set >> static_cast<unsigned>(type) & 1) != 0; }

/// A lookup vindex whose rows Throng writes itself, before the rows that they lead to.
struct kept_lookup {
  string_view column;
  string_view table;
};

/// One of Throng's tables and how its rows may be placed.
struct placed_table {
  string_view name;
  string_view column;
  type_set allowed;
  string_view why;  // they, and no others
  std::optional<kept_lookup> lookup{};
};

constexpr string_view lookup_to = "keyspace_id";
constexpr string_view of_slot = "its rows are fenced by slot, and slots are cut by xxhash";
constexpr type_set fenced = one_of(vindex_type::xxhash);
constexpr type_set for_bytes = one_of(vindex_type::xxhash, vindex_type::binary);
constexpr type_set for_numbers = one_of(vindex_type::xxhash, vindex_type::hash, vindex_type::numeric);

const std::array tables{
    placed_table{"workspaces", "id", fenced, of_slot, kept_lookup{"domain", "workspace_domains"}},
    placed_table{"directory", "team", fenced, of_slot},
    placed_table{"users", "id", fenced, of_slot},
    placed_table{"memberships", "user", fenced, of_slot},
    placed_table{"channels", "id", fenced, of_slot},
    placed_table{"members", "channel", fenced, of_slot},
    placed_table{"messages", "channel", fenced, of_slot},
    placed_table{"events", "id", fenced, of_slot},
    placed_table{"trimmed_events", "id", fenced, of_slot},
    placed_table{"trimmed_messages", "channel", fenced, of_slot},
    placed_table{"tokens", "owner", fenced, "its rows are beside their owner's", kept_lookup{"hash", "token_owners"}},
    placed_table{"workspace_domains", "domain", for_bytes, "a domain is a text"},
    placed_table{"token_owners", "hash", for_bytes, "a hash is bytes"},
    placed_table{"apps", "id", for_numbers, "an id is a number"},
    placed_table{"fences", "ksid", one_of(vindex_type::numeric),
                 "a fence is in the shard of its slot's first keyspace id"},
};

/// Each server has its own rows of these. Vitess wants to be told of every table that it copies.
constexpr std::array<string_view, 3> local_tables{"shard_guard", "writers", "schema_version"};

const placed_table* find_placed(string_view name) {
  const auto found = std::ranges::find(tables, name, &placed_table::name);
  return found == tables.end() ? nullptr : &*found;
}

std::string choice_of(type_set allowed) {
  std::string all;
  for (auto type : {vindex_type::xxhash, vindex_type::hash, vindex_type::numeric, vindex_type::binary})
    if (has(allowed, type)) all += (all.empty() ? "" : " or ") + std::string(to_string(type));
  return all;
}

class fitting {
 public:
  explicit fitting(const vschema& schema) : schema_(schema), keyspace_(schema.ours()) {}

  std::optional<error> find_misfit() const {
    if (schema_.rules_line) return wrong(schema_.rules_line, "routing rules are vtgate's; Throng follows none");
    if (!keyspace_.sharded)
      return wrong(keyspace_.line, "keyspace " + shown(schema_.keyspace) +
                                       " is not sharded; expected \"sharded\": true (one shard is a range too: \"-\")");
    for (const auto& [name, table] : keyspace_.tables)
      if (auto misfit = check(name, table)) return misfit;
    for (const auto& expected : tables)
      if (!keyspace_.tables.contains(expected.name))
        return wrong(keyspace_.line,
                     "table " + std::string(expected.name) + " is missing; expected it " + placing(expected));
    return std::nullopt;
  }

  /// Of a table's first vindex. REQUIRES: no misfit.
  vindex_type type_of(string_view table) const {
    return vindex_of(keyspace_.tables.find(table)->second.column_vindexes.front()).type;
  }

 private:
  error wrong(std::size_t line, const std::string& what) const { return vschema_error(schema_, line, what); }
  const vschema_vindex& vindex_of(const vschema_column_vindex& column) const {
    return keyspace_.vindexes.find(column.vindex)->second;
  }
  static std::string placing(const placed_table& table) {
    return "by " + choice_of(table.allowed) + " on " + std::string(table.column);
  }

  std::optional<error> check(const std::string& name, const vschema_table& table) const {
    if (std::ranges::find(local_tables, name) != local_tables.end()) {
      if (table.kind == vschema_table::kind_t::reference && table.source.empty()) return std::nullopt;
      return wrong(table.line,
                   "table " + name + ": expected the type reference without a source, because every shard has one");
    }
    const auto* expected = find_placed(name);
    if (!expected) {
      std::vector<string_view> known;
      for (const auto& each : tables) known.push_back(each.name);
      return wrong(table.line, "Throng has no table " + shown(name) + did_you_mean(name, known) +
                                   "; other programs' tables belong into a keyspace of their own");
    }
    if (table.kind != vschema_table::kind_t::ordinary || !table.pinned.empty() || table.auto_increment)
      return wrong(table.line,
                   "table " + name + ": expected an ordinary table, neither pinned nor with auto_increment");
    const auto& primary = table.column_vindexes.front();
    const auto type = vindex_of(primary).type;
    if (primary.columns != std::vector{std::string(expected->column)} || !has(expected->allowed, type))
      return wrong(primary.line, "table " + name + ": expected it " + placing(*expected) + ", because " +
                                     std::string(expected->why) + "; found " + std::string(to_string(type)) + " on " +
                                     shown(primary.columns.front()));
    for (std::size_t i = 1; i < table.column_vindexes.size(); ++i)
      if (auto misfit = check_lookup(name, *expected, table.column_vindexes[i])) return misfit;
    return std::nullopt;
  }

  std::optional<error> check_lookup(const std::string& name, const placed_table& expected,
                                    const vschema_column_vindex& column) const {
    const auto& vindex = vindex_of(column);
    const auto param = [&](string_view which) -> string_view { return vindex.params.find(which)->second; };
    const auto is_kept = is_lookup(vindex.type) && is_unique(vindex.type) && expected.lookup &&
                         column.columns == std::vector{std::string(expected.lookup->column)};
    if (!is_kept)
      return wrong(column.line, "table " + name + ": Throng keeps no " + std::string(to_string(vindex.type)) + " on " +
                                    shown(column.columns.front()));
    const auto table = param("table");
    const auto& in = expected.lookup->table;
    if ((table != in && table != schema_.keyspace + "." + std::string(in)) ||
        param("from") != expected.lookup->column || param("to") != lookup_to)
      return wrong(vindex.line, "vindex " + shown(column.vindex) + ": expected the params table " + std::string(in) +
                                    ", from " + std::string(expected.lookup->column) + ", to " +
                                    std::string(lookup_to));
    if (!vindex.owner.empty())
      return wrong(vindex.line, "vindex " + shown(column.vindex) +
                                    ": expected no owner, because Throng writes the rows of " + std::string(in) +
                                    " itself");
    return std::nullopt;
  }

  const vschema& schema_;
  const vschema_keyspace& keyspace_;
};

}  // namespace

result<table_routes> table_routes::make(const vschema& schema) {
  const fitting fits(schema);
  if (auto misfit = fits.find_misfit()) return *misfit;
  const auto bytes_of = [&](string_view table) {
    return fits.type_of(table) == vindex_type::binary ? bytes_vindex::binary : bytes_vindex::xxhash;
  };
  table_routes routes;
  const auto apps = fits.type_of("apps");
  routes.app_vindex_ = apps == vindex_type::hash      ? number_vindex::hash
                       : apps == vindex_type::numeric ? number_vindex::numeric
                                                      : number_vindex::xxhash;
  routes.domain_vindex_ = bytes_of("workspace_domains");
  routes.token_vindex_ = bytes_of("token_owners");
  return routes;
}

table_routes table_routes::standard() { return {}; }

ksid_t table_routes::of_domain(string_view domain) const { return bytes(domain_vindex_, domain); }

ksid_t table_routes::of_token_hash(const token_hash& hash) const {
  return bytes(token_vindex_, {reinterpret_cast<const char*>(hash.data()), hash.size()});
}

ksid_t table_routes::of(const write_op& op) const {
  struct visitor {
    const table_routes& routes;
    ksid_t operator()(const put_workspace& op) const { return routes.of_key(op.row.id.value); }
    ksid_t operator()(const put_directory& op) const { return routes.of_key(op.row.team.value); }
    ksid_t operator()(const put_user& op) const { return routes.of_key(op.row.id.value); }
    ksid_t operator()(const put_membership& op) const { return routes.of_key(op.row.user.value); }
    ksid_t operator()(const erase_membership& op) const { return routes.of_key(op.user.value); }
    ksid_t operator()(const put_channel& op) const { return routes.of_key(op.row.id.value); }
    ksid_t operator()(const put_member& op) const { return routes.of_key(op.row.channel.value); }
    ksid_t operator()(const erase_member& op) const { return routes.of_key(op.channel.value); }
    ksid_t operator()(const insert_message& op) const { return routes.of_key(op.row.channel.value); }
    ksid_t operator()(const put_message& op) const { return routes.of_key(op.row.channel.value); }
    ksid_t operator()(const insert_event& op) const { return routes.of_key(op.row.stream.id); }
    ksid_t operator()(const put_token& op) const { return routes.of_key(owner_of(op.row)); }
    ksid_t operator()(const put_app& op) const { return routes.of_app(op.row.id); }
    ksid_t operator()(const trim_rows&) const {
      THRONG_ASSERT(!"a trim of a whole store has no place");
      return 0;
    }
  };
  return std::visit(visitor{*this}, op);
}

ksid_t table_routes::number(number_vindex how, std::uint64_t value) {
  if (how == number_vindex::hash) return hash_ksid(value);
  return how == number_vindex::numeric ? value : keyspace_id(value);
}

ksid_t table_routes::bytes(bytes_vindex how, string_view value) {
  return how == bytes_vindex::binary ? to_ksid(value) : xxhash_ksid(value);
}

}  // namespace throng
