// SPDX-License-Identifier: Apache-2.0
// FEEDER: brings the rows of one serving shard to the shards that are being filled with them, with a thread of its own
// that alternates between replaying the journal and copying a chunk:
//
//   journal entries ─► the rows as they are now ─► REPLACE or DELETE on the targets ─► entries deleted, each by its id
//   next rows by key ────────────────────────────► REPLACE + progress on the targets
//
// One thread does both because a chunk that was read before a deletion and written after its replay would bring the row
// back. Entries are never deleted as "up to id": numbers are given out in another order than transactions commit.
// A lost connection, a failover or a refused statement: from the start, with backoff; everything here may be repeated.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "storage/reshard/row_sink.hpp"

namespace throng {

struct feeder_limits {
  std::size_t entries_max = 500;             // of the journal, at once
  std::size_t bytes_max = 4u << 20;          // of rows in memory, unless one row is larger
  std::size_t chunk_rows_max = 4096;         // of the copy
  std::chrono::milliseconds chunk_time{50};  // no statement of the copy should take longer
  std::chrono::milliseconds poll{10};        // of an empty journal
  std::uint64_t rows_per_second = 0;         // of the copy; 0: as fast as it goes
};

struct feeder_figures {
  key_range from;
  std::vector<key_range> to;
  bool is_copied = false;  // all tables
  std::string table;       // that is being copied
  std::uint64_t rows_copied = 0, entries_replayed = 0;
  std::uint64_t entries_waiting = 0;  // at the last look
  std::string trouble;                // why it doesn't go on; empty: it does
};

/// Any thread.
class shard_feeder {
 public:
  /// With `copies`, rows are copied from where the targets' progress says; without, they are there already.
  shard_feeder(const reshard_context& context, key_range from, std::vector<key_range> to, bool copies,
               const feeder_limits& limits);
  ~shard_feeder();

  feeder_figures read_figures() const;
  /// Waits until everything that was in the journal when this was called is on the targets. False after `at_most`, or
  /// when the feeder has ended.
  bool wait_drained(std::chrono::milliseconds at_most);
  /// It ended: superseded, or by a test's crash.
  bool has_ended() const;
  /// Asks it to stop; who waits for it is told.
  void end();
  /// end(), and returns when the thread is gone. By one thread.
  void stop();

 private:
  struct work;
  struct entry {
    std::uint64_t id;
    std::string table, key;
    ksid_t ksid;
    std::uint64_t bytes;
  };
  void run();
  void feed();
  bool replay(work& now);
  void replay_table(work& now, const mysql::table_layout& table, std::span<const entry* const> entries);
  void copy_chunk(work& now);
  void finish_table(work& now);
  void pace(std::size_t rows, std::chrono::steady_clock::duration slowest);
  bool pause_for(std::chrono::milliseconds time, bool until_hurried);  // false: stop

  const reshard_context& context_;
  const key_range from_;
  const std::vector<key_range> to_;
  const bool copies_;
  const feeder_limits limits_;
  std::size_t chunk_rows_ = 256;                        // adapts
  std::chrono::steady_clock::time_point next_chunk_{};  // not before, because of the rate

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  feeder_figures figures_;
  bool is_stopping_ = false, has_ended_ = false;
  std::uint64_t drain_asked_ = 0, drain_answered_ = 0;
  std::thread thread_;
};

}  // namespace throng
