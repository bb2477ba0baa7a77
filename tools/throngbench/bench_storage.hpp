// SPDX-License-Identifier: Apache-2.0
// BENCH STORAGE: an empty store for a round of a benchmark, behind the doors that a node has: a SQLite file, or one
// shard on a MariaDB server, private (storage/mysql/local_server.hpp) or given. All waits for the disk, as a node's
// does.
#pragma once

#include <algorithm>
#include <array>
#include <memory>
#include <string>

#include "storage/commit_queue.hpp"
#include "storage/mysql/mysql_connection.hpp"
#include "storage/reader_pool.hpp"
#include "storage/store.hpp"
#include "tools/common/command_line.hpp"
#include "tools/throngbench/report.hpp"
#include "tools/throngbench/served_node.hpp"

namespace throng {

/// What is common to the benchmarks that have a store.
inline constexpr std::array storage_options{
    option_spec{"--store", "NAME", "sqlite or mysql", "sqlite"},
    option_spec{"--folder", "PATH", "where the files are made; empty: the temporary folder"},
    option_spec{"--mysql", "ADDRESS",
                "with --store mysql, this server instead of a private MariaDB; its databases throng_bench and "
                "throng_bench_bare are dropped"},
    option_spec{"--mysql-user", "NAME", "its account; THRONG_MYSQL_PASSWORD has the password", "root"},
    option_spec{"--lanes", "N", "with --store mysql, connections that write", "1"},
};

template <std::size_t First, std::size_t Second>
constexpr auto join(const std::array<option_spec, First>& first, const std::array<option_spec, Second>& second) {
  std::array<option_spec, First + Second> all{};
  std::copy(second.begin(), second.end(), std::copy(first.begin(), first.end(), all.begin()));
  return all;
}

class bench_storage {
 public:
  static constexpr unsigned readers = 2;

  /// Makes the store, and takes all slots for epoch 1. Errors: invalid_arguments for a wrong option.
  static result<std::unique_ptr<bench_storage>> make(const command_line& line);
  virtual ~bench_storage() = default;

  /// From open() to close(), on what the store holds.
  virtual result<> open() = 0;
  virtual commit_queue& commits() = 0;
  virtual reader_pool& reads() = 0;
  virtual store& whole() = 0;
  virtual void close() = 0;

  // While it is closed:
  virtual result<> empty() = 0;
  /// Forgets what the database and the system have of it in memory; false if that isn't possible here.
  virtual result<bool> chill() = 0;

  /// The server's, for the yardstick; null for SQLite.
  struct server {
    std::string address;
    mysql::connect_options as;  // without a database
    unsigned lanes = 1;
  };
  virtual const server* where() const { return nullptr; }
  virtual std::string file() const { return {}; }  // SQLite's
  /// CPU time of a private server so far, in nanoseconds; 0 if it isn't known or there is none.
  virtual std::int64_t database_cpu_ns() const { return 0; }
};

/// What this process, the statement tap and the database have used since their start.
struct usage_so_far {
  explicit usage_so_far(const bench_storage& storage);
  std::int64_t at, cpu, database_cpu;
  std::uint64_t round_trips;

  /// Notes what was used since `before` for each of `count` things: "<thing>s_per_s", "cpu_us_per_<thing>",
  /// "database_cpu_us_per_<thing>" if it is known, and "round_trips_per_<thing>". How many there were a second.
  double note(const usage_so_far& before, std::uint64_t count, const std::string& thing, figures& to) const;
};

}  // namespace throng
