// SPDX-License-Identifier: Apache-2.0
// VSCHEMA: which column of each table decides where a row belongs, and how, in Vitess's own JSON: one keyspace as
// `vtctldclient ApplyVSchema` takes it, or all of them ({"keyspaces": {...}}, Vitess's SrvVSchema). Plain values that
// have been checked: whatever names something names something that is there.
//
// What doesn't concern routing by keyspace id (foreign_key_mode, multi_tenant_spec, columns' details, …) is checked for
// its form and not kept.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "storage/model/result.hpp"
#include "storage/vschema/vindex.hpp"

namespace throng {

// `line` is where something stands in the file, for errors that are found later.

struct vschema_vindex {
  vindex_type type{};
  std::map<std::string, std::string, std::less<>> params;
  std::string owner;  // of a lookup: whose rows make the lookup's rows when vtgate writes; empty: somebody else does
  std::size_t line = 0;
};

struct vschema_column_vindex {
  std::vector<std::string> columns;  // in lower case: MySQL's columns have no other
  std::string vindex;
  std::size_t line = 0;
};

struct vschema_auto_increment {
  std::string column;
  std::string sequence;  // "table" or "keyspace.table"
  std::size_t line = 0;
};

struct vschema_table {
  enum class kind_t : std::uint8_t { ordinary, sequence, reference };
  kind_t kind = kind_t::ordinary;
  std::vector<vschema_column_vindex> column_vindexes;  // the first places the row
  std::optional<vschema_auto_increment> auto_increment;
  std::vector<std::string> columns;  // those that it lists, which needn't be all
  std::string pinned;                // bytes of a keyspace id: all rows are there
  std::string source;                // of a reference table
  std::size_t line = 0;
};

struct vschema_keyspace {
  bool sharded = false;
  bool require_explicit_routing = false;  // its tables aren't found without the keyspace's name
  std::map<std::string, vschema_vindex, std::less<>> vindexes;
  std::map<std::string, vschema_table, std::less<>> tables;
  std::size_t line = 0;
};

struct vschema {
  std::string file;      // for errors
  std::string keyspace;  // the one of Throng's tables
  std::map<std::string, vschema_keyspace, std::less<>> keyspaces;
  bool is_one_keyspace = false;  // the file knows no other: their names can't be checked
  std::size_t rules_line = 0;    // of the first routing rule; 0: none

  const vschema_keyspace& ours() const { return keyspaces.find(keyspace)->second; }
};

inline constexpr std::size_t vschema_bytes_max = 4u << 20;

/// `file` is the name for errors, each of which is one line, "FILE:LINE: what is wrong and what was expected"
/// (errc::invalid_arguments). `keyspace`: the name of a file's only keyspace, or which of several has our tables.
result<vschema> parse_vschema(std::string_view text, std::string_view file, std::string_view keyspace);
result<vschema> load_vschema(const std::filesystem::path& file, std::string_view keyspace);

}  // namespace throng
