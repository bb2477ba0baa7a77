// SPDX-License-Identifier: Apache-2.0
// How a reshard reaches shards: a connection to whoever is a shard's primary now, and the two rows that say who may
// write there: shard_guard (storage/mysql/mysql_schema.cpp) and reshard_owner, the number of the one runner that
// counts. A runner that was paused and replaced finds another number there, and nothing it does then has an effect.
//
// Everything throws mysql::failure; `superseded` where the number is another's. MariaDB only: SET STATEMENT.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "storage/mysql/mysql_connection.hpp"
#include "storage/topology/shard_directory.hpp"

namespace throng {

/// shard_guard.state
enum class guard_state : std::uint8_t { serving = 0, frozen = 1, filling = 2 };

struct superseded : std::exception {
  const char* what() const noexcept override { return "another runner has taken over this reshard"; }
};

/// What all parts of one runner share.
struct reshard_context {
  const shard_directory& shards;
  mysql::connect_options admin;  // may make triggers and end connections
  std::uint64_t runner = 0;
  /// Told each step that is about to be taken; what it throws ends the runner as a crash would. For tests.
  std::function<void(std::string_view)> at_step{};
  /// Whether the program ends: what waits gives up.
  std::function<bool()> is_ending = [] { return false; };

  void step(std::string_view name) const {
    if (at_step) at_step(name);
  }
};

/// To the primary that the topology names; writable, and of a feeder: the journal's triggers pass its writes over.
std::unique_ptr<mysql::connection> connect_primary(const reshard_context& context, const key_range& shard);

struct guard_row {
  std::string shard;
  std::uint64_t generation = 0;
  guard_state state{};
};
guard_row read_guard(mysql::connection& db);

/// Waits for commits in flight. The generation rises, at least to `generation`.
void set_guard(mysql::connection& db, std::uint64_t runner, guard_state state, std::uint64_t generation = 0);
/// Like set_guard(frozen), but never holds up the writers for longer than `attempt` at a time, but for its COMMIT, and
/// ends the connections of writers that have slept on their locks for more than a second. When the try that succeeded
/// began: since then no writer came through. Throws failure (a timeout) after `at_most`.
std::chrono::steady_clock::time_point freeze(mysql::connection& db, std::uint64_t runner,
                                             std::chrono::milliseconds attempt, std::chrono::milliseconds at_most);
/// Makes `runner` the one that counts on this server; waits for what the one before has in flight.
void take_over(mysql::connection& db, std::uint64_t runner);

/// START TRANSACTION on a shard that is being filled, and holds the two rows until it ends.
void begin_filling(mysql::connection& db, std::uint64_t runner);

}  // namespace throng
