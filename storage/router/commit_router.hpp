// SPDX-License-Identifier: Apache-2.0
// COMMIT ROUTER: the commit queue of all shards. The LANE BOOK says what goes where, this gives each lane a thread and
// a store of its own, sends units that other shards must hear of through their LOOKUP STEPS, and trims to every shard.
//
//   submit() ─┬─────────────────────────────────────────────► lane ─► store.commit(batch) ─► callbacks
//             └► a domain or token to register? its steps ──►┘
//                  and what follows in the slot waits behind it
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <unordered_map>
#include <vector>

#include "storage/commit_queue.hpp"
#include "storage/router/confirmed_domains.hpp"
#include "storage/router/lane_book.hpp"
#include "storage/router/lookup_steps.hpp"
#include "storage/router/shard_table.hpp"

namespace throng {

class commit_router final : public commit_queue, private shard_doors {
 public:
  using local_read = std::function<void(ksid_t place, reader_pool::job work)>;

  /// `reads` is shard_doors::read_at(). Nothing can be submitted before the first apply().
  commit_router(const table_routes& routes, unsigned lanes, const limits& bounds, std::chrono::milliseconds hold_max,
                local_read reads);
  ~commit_router() override;

  /// From now on units go where the table says. Threads for new ranges are started, those of old ones end by
  /// themselves. One thread at a time.
  void apply(const shard_table& table);
  /// Ends the threads of ranges that are gone and idle. The thread of apply().
  void reap();
  /// Blocks until every lane has its store. The first error that waiting doesn't help against, or
  /// errc::service_unavailable with the name of a shard that didn't answer until `deadline`.
  result<> wait_until_open(steady_time deadline);

  void submit(commit_unit unit, callback done) override;
  struct figures read_figures() const override;
  void stop() override;

  struct shard_figures {
    struct figures commits;
    std::size_t held_units = 0;
    std::uint64_t spent_micros = 0;
    latency_histogram latency;
  };
  /// Of the serving range; zeros if there is none.
  shard_figures figures_of(const key_range& range) const;

 private:
  struct lane_runner;  // a lane with its thread
  struct gated_unit;   // on its way through its lookup steps

  void run_at(slot_id slot, lane_task task, callback done) override;
  void read_at(ksid_t place, reader_pool::job work) override { reads_(place, std::move(work)); }

  void serve(lane_runner& runner);
  bool open(lane_runner& runner, std::unique_lock<std::mutex>& lock);
  void commit(commit_lane& lane, lane_batch& batch, std::unique_lock<std::mutex>& lock, store& rows);
  void refuse(commit_lane& lane, lane_batch& batch, std::unique_lock<std::mutex>& lock, const error& why);
  void settled(const commit_lane& lane);
  void look_for_the_end();  // of a stop
  void wake_all();

  bool needs_lookups(const commit_unit& unit);
  void trim_everywhere(pending_unit one, const trim_rows& what);
  void begin(pending_unit one);
  void continue_with(const std::shared_ptr<gated_unit>& one, result<> registered);
  void conclude(const std::shared_ptr<gated_unit>& one, result<> outcome);
  void release(slot_id slot);

  const table_routes& routes_;
  const unsigned lanes_;
  const local_read reads_;

  mutable std::mutex mutex_;
  lane_book book_;
  confirmed_domains confirmed_;
  std::unordered_map<std::uint16_t, std::deque<pending_unit>> gates_;  // slots in lookup steps; who waits behind
  bool has_lookups_ = false;                                           // a single SQLite file has none, and needs none
  std::condition_variable opened_, settled_;
  std::list<lane_runner> runners_;
  std::vector<std::pair<std::shared_ptr<shard_link>, std::shared_ptr<commit_shard>>> shards_;  // retired ones too
  struct figures gone_;  // of shards that are no more
  std::once_flag joined_;
};

}  // namespace throng
