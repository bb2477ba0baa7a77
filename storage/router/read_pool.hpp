// SPDX-License-Identifier: Apache-2.0
// READ POOL: the reader threads of one shard, and what waits for them. Jobs for the same key that wait together are run
// together, on a COALESCING READER. Bounded by their number and by how long one may wait.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <unordered_map>
#include <vector>

#include "storage/reader_pool.hpp"
#include "storage/router/latency_histogram.hpp"
#include "storage/router/shard_table.hpp"
#include "storage/vschema/table_routes.hpp"

namespace throng {

struct read_job {
  ksid_t near = 0;
  reader_pool::job work;
  bool is_local = false;  // gets the reader of this shard alone, and is not coalesced
  steady_time since{};
};

/// A job that throws would end its thread: noexcept makes that the end of the process, which nobody overlooks.
void run_read(read_job& job, store_reader* reader, errc refused) noexcept;

class read_pool {
 public:
  struct options {
    unsigned threads = 2;
    std::size_t waiting_max = 10'000;
    std::size_t coalesced_max = 64;
    std::chrono::milliseconds wait_max{5'000};
  };
  struct figures {
    std::size_t waiting = 0;
    std::uint64_t reads = 0, coalesced = 0, refused = 0;
    std::uint64_t spent_micros = 0;  // in the jobs
    latency_histogram latency;       // of a job, from its call until it has run
  };

  read_pool(std::shared_ptr<shard_link> link, const shard_tables& tables, const table_routes& routes,
            const options& how);
  ~read_pool();  // as stop()

  /// False: the range is another's now; `job` is as it was, and to be given to that one's pool.
  bool read(read_job& job);
  /// Refuses (errc::overloaded) what has waited for too long.
  void expire(steady_time now);
  /// Takes no more; what waited.
  std::vector<read_job> retire();
  void stop();  // runs what waits, then refuses
  /// Retired or stopped, and its threads have ended.
  bool is_idle() const;
  figures read_figures() const;

 private:
  struct group {  // what one thread takes at once
    ksid_t near = 0;
    bool is_local = false;
    std::vector<read_job> jobs;
  };
  using queue = std::list<group>;

  std::optional<errc> add(read_job& job);
  group take();
  void serve();

  const std::shared_ptr<shard_link> link_;
  const shard_tables& tables_;
  const table_routes& routes_;
  const options how_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  queue waiting_;                                         // by the age of their oldest job
  std::unordered_map<ksid_t, queue::iterator> joinable_;  // with room for one more
  figures figures_;
  bool is_stopping_ = false, is_retired_ = false;
  unsigned serving_ = 0;  // threads
  std::once_flag joined_;
  std::vector<std::thread> threads_;
};

}  // namespace throng
