// SPDX-License-Identifier: Apache-2.0
// LOOKUPS: the rows that say where another row is (Vitess's lookup vindexes): who has a domain, whose a token is. They
// lie in the shard of the domain or of the hash, and what they point at in the shard of its owner.
//
//   one shard has both      its store keeps the lookup rows in the transaction of the rows that they serve
//   two shards              the router writes the lookup row first, through this, then commits the unit; what is left
//                           over when it dies in between is a reservation that nobody stands behind
//
// A shard's store is a lookup_writer, its readers are lookup_readers, whose own workspace_by_domain() and token() find
// only what lies in the shard as a whole.
#pragma once

#include <chrono>
#include <cstdint>
#include <string_view>

#include "storage/store.hpp"

namespace throng {

/// A lookup row that is there although its workspace isn't may be given to another team after reservation_lasts. Who
/// reserved doesn't commit the workspace later than commit_after_reservation_max after it: far enough apart for clocks.
inline constexpr std::chrono::seconds reservation_lasts{60};
inline constexpr std::chrono::seconds commit_after_reservation_max{30};

struct domain_reservation {
  team_id team;
  wall_time reserved{};
  friend bool operator==(const domain_reservation&, const domain_reservation&) = default;
};

/// One thread at a time, like the reader that it is. errc::not_found without a row.
class lookup_reader {
 public:
  virtual ~lookup_reader() = default;
  virtual result<domain_reservation> domain_owner(std::string_view domain) = 0;
  virtual result<std::uint64_t> token_owner(const token_hash& hash) = 0;  // table_routes::owner_of(its token)
  /// The token's own row, in the shard of its owner.
  virtual result<token_record> token_at(std::uint64_t owner, const token_hash& hash) = 0;
};

/// Any thread; doesn't wait for commit(). All of them may be repeated. Errors: errc::wrong_owner as commit() has it,
/// and errc::service_unavailable, after which the write may have happened or not: repeat it.
class lookup_writer {
 public:
  virtual ~lookup_writer() = default;
  /// Makes `team` the owner of the domain if nobody is, if it is already (`reserved` is renewed), or in the place of
  /// exactly `instead_of`, of whom the caller knows that its workspace doesn't have the domain. Else
  /// errc::domain_taken.
  virtual result<> reserve_domain(std::string_view domain, team_id team, wall_time now,
                                  const domain_reservation* instead_of) = 0;
  /// Nothing happens if another team has it by now. After a rename, and when a reservation is given up.
  virtual result<> forget_domain(std::string_view domain, team_id team) = 0;
  virtual result<> put_token_owner(const token_hash& hash, std::uint64_t owner) = 0;
  /// The row of a token that belongs to somebody else now.
  virtual result<> erase_token(std::uint64_t owner, const token_hash& hash) = 0;
};

/// Null if the store isn't a shard's.
lookup_writer* lookups_of(store& shard);
lookup_reader* lookups_of(store_reader& reader);

}  // namespace throng
