// SPDX-License-Identifier: Apache-2.0
// TABLE ROUTES: what Throng's own writes and reads need of the VSchema: for each table the function that makes its
// rows' keyspace ids. Made once at start, from a VSchema that has been checked to fit: the tables that are fenced by
// slot must use `xxhash` on the column the slot comes from, because a slot lies wholly in one shard.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "storage/model/keyspace.hpp"
#include "storage/model/records.hpp"
#include "storage/model/result.hpp"

namespace throng {

struct vschema;

class table_routes {
 public:
  /// Errors (errc::invalid_arguments) name the table and say what it must be.
  static result<table_routes> make(const vschema& schema);
  /// What config/vschema.json says.
  static table_routes standard();

  ksid_t of_app(app_id id) const { return number(app_vindex_, id.value); }
  ksid_t of_domain(std::string_view domain) const;     // where workspace_domains has it
  ksid_t of_token_hash(const token_hash& hash) const;  // where token_owners has it
  /// Rows of entities and what belongs to them: tokens of their owner, fences of their slot.
  ksid_t of_key(std::uint64_t id) const { return keyspace_id(id); }
  ksid_t of_slot(slot_id slot) const { return first_ksid_of(slot); }
  static std::uint64_t owner_of(const token_record& row) { return row.user ? row.user.value : row.app.value; }

  /// Where a write belongs. Trims of a whole store have no place: the caller sends one to each shard.
  ksid_t of(const write_op& op) const;
  friend bool operator==(const table_routes&, const table_routes&) = default;

 private:
  enum class number_vindex : std::uint8_t { xxhash, hash, numeric };
  enum class bytes_vindex : std::uint8_t { xxhash, binary };
  static ksid_t number(number_vindex how, std::uint64_t value);
  static ksid_t bytes(bytes_vindex how, std::string_view value);

  number_vindex app_vindex_ = number_vindex::xxhash;
  bytes_vindex domain_vindex_ = bytes_vindex::xxhash;
  bytes_vindex token_vindex_ = bytes_vindex::binary;
};

}  // namespace throng
