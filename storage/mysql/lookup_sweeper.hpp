// SPDX-License-Identifier: Apache-2.0
// LOOKUP SWEEPER: takes away lookup rows that lead to nothing, over all shards of our own servers: domains that were
// reserved a day ago for a workspace that never took them, and owners of tokens that aren't there (an issue that was
// cut off, a token that retention took). It has a thread and connections of its own, reads a page of keys at a time and
// pauses after each. In doubt (a shard away or being resharded, shards that changed meanwhile) it ends the sweep.
//
// A token's lookup row doesn't say how old it is: it goes only if its token was missing in an earlier sweep too.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "storage/model/result.hpp"
#include "storage/model/time.hpp"
#include "storage/mysql/mysql_connection.hpp"
#include "storage/topology/shard_directory.hpp"
#include "storage/vschema/table_routes.hpp"

namespace throng {

class lookup_sweeper {
 public:
  struct options {
    mysql::connect_options connect;  // the application's account
    table_routes routes = table_routes::standard();
    std::chrono::hours reservations_kept{24};
    std::chrono::minutes missing_for{60};  // between the two sweeps that miss a token
    std::chrono::minutes pause{6 * 60};    // between sweeps; ±25 %
    std::size_t page_rows = 200;
    std::chrono::milliseconds page_pause{50};
    std::size_t suspects_max = 10'000;  // remembered; more of them wait for a later sweep
  };
  struct figures {
    std::uint64_t domains = 0, token_owners = 0, failures = 0;
    wall_time last_through{};  // epoch 0: not yet
  };

  lookup_sweeper(const shard_directory& shards, options how);
  ~lookup_sweeper();

  /// Sweeps from time to time, on a thread of its own, until the end.
  void start(std::uint64_t seed);
  /// Waits for the statement that is under way.
  void stop();

  /// All rows once. Blocks; one caller at a time, and not after start(). Errors: what made it end early.
  result<> sweep(wall_time now, const std::stop_token& stopped = {});
  figures read_figures() const;

 private:
  class round;
  using token_row = std::pair<std::string, std::uint64_t>;  // hash, owner

  void run(std::uint64_t seed, const std::stop_token& stopped);

  const shard_directory& shards_;
  const options options_;
  std::map<token_row, wall_time> suspects_;  // and since when
  std::atomic<std::uint64_t> domains_{0}, token_owners_{0}, failures_{0};
  std::atomic<wall_time::rep> last_through_{0};
  std::jthread thread_;
};

}  // namespace throng
