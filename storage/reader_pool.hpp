// SPDX-License-Identifier: Apache-2.0
// READER POOL: blocking reads on threads of their own, so that no actor and no io thread ever waits for the store.
// Bounded: past the bound read() refuses, and the job is told so.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>

#include "storage/model/keyspace.hpp"
#include "storage/store.hpp"

namespace throng {

class reader_pool {
 public:
  /// Called once with a reader, on a reader thread; with nullptr and the reason (errc::overloaded, errc::stopping,
  /// errc::service_unavailable) if it can't be, on any thread, also the caller's within read(). Must not throw.
  using job = std::function<void(store_reader* reader, errc refused)>;

  virtual ~reader_pool() = default;
  /// Any thread. `near` is the keyspace id of the rows that are mostly read: with several shards the job runs on that
  /// one's threads, so that a slow shard keeps only its own readers waiting. Reading others' rows works all the same.
  virtual void read(ksid_t near, job work) = 0;
  virtual std::size_t waiting() const = 0;
  virtual void stop() = 0;  // runs what waits, then refuses
};

std::unique_ptr<reader_pool> make_reader_pool(store& source, std::size_t threads, std::size_t waiting_max);

/// For tests on a virtual clock: pump() runs one waiting job on the caller's thread and says whether there was one.
class manual_reader_pool : public reader_pool {
 public:
  virtual bool pump() = 0;
};
std::unique_ptr<manual_reader_pool> make_manual_reader_pool(store& source, std::size_t waiting_max);

}  // namespace throng
