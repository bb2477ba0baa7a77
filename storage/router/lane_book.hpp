// SPDX-License-Identifier: Apache-2.0
// LANE BOOK: where each waiting unit stands, and which may be committed now. The router's rules without its threads:
// a pure class, guarded by the COMMIT ROUTER's mutex; time comes in as an argument.
//
//   a unit ─► shard of its slot ─► lane slot % lanes ─► waiting ─► in flight ─► answered
//                                      ▲                   └ errc::wrong_owner: back to the front, tried again
//                                      └ a new map: what waits moves on, in order, to the lanes of the new ranges
//
// What keeps a slot's units in order through a reshard: a lane of a new range takes nothing until the lanes of the same
// number that had parts of its range before have answered, or handed back, what they had in flight. What they hand back
// goes to the front. So at any time one lane at most has units of a slot in flight, and all others of the slot are
// behind it.
#pragma once

#include <array>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "storage/commit_queue.hpp"
#include "storage/model/key_range.hpp"
#include "storage/model/time.hpp"
#include "storage/router/latency_histogram.hpp"
#include "storage/vschema/table_routes.hpp"

namespace throng {

struct commit_shard;

/// Work on a shard's store that keeps its place among the units of a lane: a row of a lookup.
using lane_task = std::function<result<>(store&)>;

/// A unit, or a task, on its way; without its writes, so that these can stand side by side for the store.
struct unit_claim {
  commit_queue::callback done;
  std::size_t bytes = 0;
  slot_id slot;
  steady_time since{};                         // when it was submitted
  steady_time not_after = steady_time::max();  // of its commit: then its lookup rows don't stand for it any longer
  std::shared_ptr<commit_shard> charged;       // whose bounds it counts for; null for a task
  std::unique_ptr<lane_task> task;             // instead of writes
};
struct pending_unit {
  commit_unit unit;
  unit_claim claim;
};

/// What a lane has in flight. A task is alone.
struct lane_batch {
  std::vector<commit_unit> units;
  std::vector<unit_claim> claims;
  std::size_t bytes = 0;
  bool empty() const { return claims.empty(); }
  bool is_task() const { return claims.size() == 1 && claims.front().task; }
  void add(pending_unit&& one);
  pending_unit take_back(std::size_t i) { return {std::move(units[i]), std::move(claims[i])}; }
  void clear();
};

/// One writer of a shard: what waits for it. Its thread and store are the router's.
struct commit_lane {
  commit_shard* shard = nullptr;
  unsigned number = 0;
  std::deque<pending_unit> waiting;
  std::vector<std::shared_ptr<commit_lane>> after;  // lanes of former shards that are not to be overtaken
  bool is_open = false;                             // has a store
  bool is_in_flight = false;                        // until the last callback of the batch has returned
  std::size_t in_flight_units = 0;
  bool is_held = false;                    // the store said errc::wrong_owner
  bool is_retired = false;                 // its range is another's now
  std::optional<steady_time> stuck_since;  // it has units and can't commit them
  steady_time next_try{};                  // of a held lane
  std::chrono::milliseconds pause{0};      // between tries

  // The thread's.
  std::condition_variable changed;
  bool is_idle = false;  // spares a system call for each unit that arrives while a commit is in flight
};

struct commit_shard : std::enable_shared_from_this<commit_shard> {
  std::string name;
  key_range range;
  std::vector<std::shared_ptr<commit_lane>> lanes;
  commit_queue::figures figures;
  latency_histogram latency;          // of units, from submit to answer
  std::chrono::microseconds spent{};  // in the store
  std::size_t held_units() const;
};

class lane_book {
 public:
  using shard_list = std::vector<std::shared_ptr<commit_shard>>;

  lane_book(const table_routes& routes, const commit_queue::limits& limits, std::chrono::milliseconds hold_max)
      : routes_(routes), limits_(limits), hold_max_(hold_max) {}

  static std::shared_ptr<commit_shard> make_shard(const key_range& range, unsigned lanes);

  /// The slot that a unit is ordered by: its guard's, or its first row's. REQUIRES: it is no trim.
  slot_id slot_of(const commit_unit& unit) const;
  const std::shared_ptr<commit_shard>& shard_of(slot_id slot) const { return by_slot_[slot.value]; }
  bool has_many_shards() const { return serving_.size() > 1; }

  /// Counts the unit against its shard's bounds, or says why not: errc::overloaded, errc::stopping,
  /// errc::internal_error for rows of several shards.
  std::optional<error> admit(pending_unit& one);
  /// Puts an admitted unit, or a task, at the end of its lane.
  const std::shared_ptr<commit_lane>& place(pending_unit&& one);
  /// An admitted unit that is not placed, but answered.
  void forget(unit_claim& claim);
  /// Keeps the lanes going while something is under way that will place or answer more.
  void begin_work() { ++unsettled_; }
  void end_work() { --unsettled_; }

  enum class next_step : std::uint8_t {
    idle,    // nothing to do until something is placed here
    wait,    // nothing to do until `until`, or until something changes
    commit,  // `batch` is in flight now: settle() or hand_back()
    refuse,  // `batch` is to be answered with `why`: settle()
    leave,   // never again: the thread may end
  };
  struct step {
    next_step what{};
    steady_time until{};
    error why{};
  };
  /// REQUIRES: nothing of the lane is in flight; `batch` is empty.
  step next(commit_lane& lane, steady_time now, lane_batch& batch);
  /// The batch was answered.
  struct outcome {
    bool was_tried = false;  // by the store, and not only refused here
    bool is_store_error = false;
    std::size_t failed = 0;
    std::chrono::microseconds spent{};
  };
  void settle(commit_lane& lane, lane_batch& batch, const outcome& came_to, steady_time now);
  /// Nothing of it was written: it waits again, in front, here or in the lanes that have its slots now.
  void hand_back(commit_lane& lane, lane_batch& batch, steady_time now);

  /// From now on `serving` (by range, without gaps) takes what comes and what waits. Shards that are in the list as
  /// they were stay as they are; held lanes try again. A unit whose rows are no longer in one shard is left in
  /// `torn`, to be answered with errc::internal_error.
  void apply(shard_list serving, steady_time now, std::vector<pending_unit>& torn);
  const shard_list& serving() const { return serving_; }

  void stop() { is_stopping_ = true; }
  bool is_stopping() const { return is_stopping_; }
  /// Admitted, and not answered.
  std::size_t unsettled() const { return unsettled_; }

 private:
  std::optional<error> check(const commit_shard& shard, std::size_t bytes) const;
  bool is_in_one_shard(const commit_unit& unit, slot_id slot) const;
  void charge(unit_claim& claim, const std::shared_ptr<commit_shard>& shard);
  const std::shared_ptr<commit_lane>& lane_of(slot_id slot) const;
  steady_time expiry_of(const commit_lane& lane, const pending_unit& one) const;

  const table_routes& routes_;
  const commit_queue::limits limits_;
  const std::chrono::milliseconds hold_max_;
  shard_list serving_;
  std::array<std::shared_ptr<commit_shard>, slot_count> by_slot_;
  std::size_t unsettled_ = 0;
  bool is_stopping_ = false;
};

}  // namespace throng
