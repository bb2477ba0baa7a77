// SPDX-License-Identifier: Apache-2.0
// GTID LIST: MariaDB's positions and states, "0-1-100,3-7-2": replication domain, server that wrote, sequence number.
// A position (gtid_binlog_pos, gtid_slave_pos, Gtid_IO_Pos) has the last transaction of each domain; a state
// (gtid_binlog_state) has the last of each server in each domain. With gtid_strict_mode, which the supervisor demands,
// the numbers of a domain rise, whoever writes, so "has everything up to" is a comparison of numbers. Pure values.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace throng::failover {

struct gtid {
  std::uint32_t domain = 0;
  std::uint32_t server = 0;
  std::uint64_t number = 0;
  friend auto operator<=>(const gtid&, const gtid&) = default;
};
std::string to_text(const gtid& one);

class gtid_list {
 public:
  gtid_list() = default;
  /// In any order; blanks between are fine, as MariaDB prints them. Nullopt for what is no such list, or has a server
  /// twice in a domain.
  static std::optional<gtid_list> parse(std::string_view text);

  bool empty() const { return all_.empty(); }
  const std::vector<gtid>& all() const { return all_; }  // by domain, then server
  /// The highest number of a domain, whoever wrote it; 0: none.
  std::uint64_t last_of(std::uint32_t domain) const;
  /// The highest number that `server` wrote in `domain`; 0: none.
  std::uint64_t last_of(std::uint32_t domain, std::uint32_t server) const;

  /// A server at this position has everything that one at `other` has.
  bool covers(const gtid_list& other) const;
  /// How many transactions a server at this position lacks of `other`.
  std::uint64_t behind(const gtid_list& other) const;

  friend bool operator==(const gtid_list&, const gtid_list&) = default;

 private:
  friend gtid_list later_of(const gtid_list& a, const gtid_list& b);
  std::vector<gtid> all_;
};

std::string to_text(const gtid_list& list);
/// Of two positions of one server (applied, received) the later one in each domain.
gtid_list later_of(const gtid_list& a, const gtid_list& b);

/// What one server has, and who it is.
struct gtid_history {
  std::uint32_t server_id = 0;
  gtid_list binlog_pos, binlog_state, slave_pos;
};
/// The transactions that `replica` has and `primary` never had: written on the replica itself, or the unacknowledged
/// tail of a former primary. `primary` must have been read after `replica`.
std::vector<gtid> errant_transactions(const gtid_history& replica, const gtid_history& primary);

}  // namespace throng::failover
