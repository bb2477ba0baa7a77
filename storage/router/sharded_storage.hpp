// SPDX-License-Identifier: Apache-2.0
// SHARDED STORAGE: N shards behind the three doors that a node knows: a COMMIT QUEUE, a READER POOL and a STORE. It
// looks at the SHARD DIRECTORY's current map and nothing else to route; each shard has threads of its own.
//
//   commits().submit(unit) ─► shard of the unit's slot ─► lane of that slot ─► store.commit(batch)
//                                                  └ errc::wrong_owner: held, in order, until the map changes
//   reads().read(near, job) ─► shard of `near` ─► its readers ─► job(a reader that reaches every shard)
//
// Bounds: waiting units and bytes as in commit_queue::limits, per shard; waiting reads per shard, and a deadline on how
// long one may wait. A slow or dead shard fills its own queues only.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "storage/commit_queue.hpp"
#include "storage/reader_pool.hpp"
#include "storage/router/latency_histogram.hpp"
#include "storage/store.hpp"
#include "storage/topology/shard_directory.hpp"
#include "storage/vschema/table_routes.hpp"

namespace throng {

class sharded_storage {
 public:
  /// Opens the store of one shard; called on threads of this class, also at once for several shards, and later, when a
  /// reshard adds some. Each call gives a store of its own; make_reader() of one is also called beside raise_fences().
  using opener = std::function<result<std::unique_ptr<store>>(const shard_record&)>;

  struct options {
    unsigned lanes = 2;    // writers per shard; a slot always uses the same one (facts: 2 gain 27 %, 4 nothing more)
    unsigned readers = 2;  // reader threads per shard
    std::size_t reads_waiting_max = 10'000;          // per shard
    std::chrono::milliseconds read_wait_max{5'000};  // a read that waited longer is refused (errc::overloaded)
    std::size_t coalesced_max = 64;                  // waiting jobs for the same key that share one look at the rows
    commit_queue::limits commits{};
    std::chrono::milliseconds hold_max{10'000};        // how long units wait for a new map (errc::service_unavailable)
    std::chrono::milliseconds start_patience{30'000};  // how long start() waits for shards that are away
  };

  struct shard_figures {
    std::string shard;
    server_address primary;
    commit_queue::figures commits;  // of all lanes
    std::size_t held_units = 0;     // waiting for a new map
    std::size_t waiting_reads = 0;
    std::uint64_t reads = 0, coalesced_reads = 0, refused_reads = 0;  // coalesced: shared another's look at the rows
    std::uint64_t commit_micros = 0, read_micros = 0;                 // spent in the store
    latency_histogram commit_latency, read_latency;  // of a unit from submit to answer, of a read until it has run
  };

  virtual ~sharded_storage() = default;

  /// Opens all serving shards. Errors: the opener's, at once if it isn't errc::service_unavailable; a shard that
  /// doesn't answer within start_patience, by its name. `shards` must outlive it.
  static result<std::unique_ptr<sharded_storage>> start(shard_directory& shards, const table_routes& routes,
                                                        opener open, const options& how);

  virtual commit_queue& commits() = 0;
  virtual reader_pool& reads() = 0;
  /// Everything as one blocking store, for the start of a node, tools and tests. Lists over all shards are merged; a
  /// unit must lie in one shard. errc::service_unavailable if a shard that is needed is away. commit() goes through
  /// commits(), so an error of the whole is only answered if it is every unit's; raise_fences() is all or nothing for
  /// each shard, not over several.
  virtual store& whole() = 0;

  /// Runs `query` once on every shard, at the same time, each on that shard's readers; `done` gets what came within
  /// `at_most`, and the names of the shards that didn't answer (then the answer is partial, and to be marked so).
  /// Any thread; `done` is called once, on any thread.
  struct shard_answer {
    std::string shard;
    errc refused{};  // of the pool; then query didn't run
    std::shared_ptr<void> value;
  };
  using shard_query = std::function<std::shared_ptr<void>(store_reader&)>;
  virtual void scatter(
      shard_query query, std::chrono::milliseconds at_most,
      std::function<void(std::vector<shard_answer> answers, std::vector<std::string> missing)> done) = 0;

  virtual std::vector<shard_figures> figures() const = 0;  // of the serving shards, by range

  /// Commits what was submitted, runs the reads that wait, then refuses both (errc::stopping). What is held for a map
  /// is answered errc::stopping. The destructor does this too.
  virtual void stop() = 0;
};

}  // namespace throng
