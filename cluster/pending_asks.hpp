// SPDX-License-Identifier: Apache-2.0
// PENDING ASKS: who waits for which answer, and until when. Each callback is called exactly once: with the answer, with
// errc::deadline_exceeded by expire(), or with errc::stopping by stop(). Thread-safe: 16 shards, each with a lock that
// is held for a look-up only, never during a callback.
// It also knows to which other node an ask was sent first: what was there when that died is answered at once, or given
// back to be sent again, behind what was asked since. Where it went on from there, PASSED ASKS know on that node, which
// says so when it leaves.
#pragma once

#include <array>
#include <atomic>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <vector>

#include "cluster/envelope.hpp"
#include "cluster/node_identity.hpp"

namespace throng {

class pending_asks {
 public:
  /// What it takes to send an ask again; without a request it must not be.
  struct repetition {
    entity_key from, to;
    message_ptr request;
    wall_time asked;
  };

  /// Before the first ask: the ids begin there. Those of an earlier start of the same node must not come again, for a
  /// late answer to one of them would be taken for the answer to another.
  void begin_at(std::uint64_t first) { next_.store(first); }
  /// The correlation id of a new ask.
  std::uint64_t add(steady_time deadline, answer_callback done, repetition again = {});
  /// False if nobody waits for it (any more).
  bool resolve(std::uint64_t correlation, result<message_ptr> outcome);
  /// Of an ask that somebody still waits for.
  std::optional<steady_time> deadline_of(std::uint64_t correlation);
  /// Answers everything whose deadline is not after `now`; how many.
  std::size_t expire(steady_time now);
  void stop();

  /// It goes to another node now, as far as is known to that incarnation. To be called before it does. {}: it waits
  /// here again.
  void sent(std::uint64_t correlation, node_start to);
  /// Who leaves says where it went on to. It counts if that was the last place that is known here.
  void went_on(std::uint64_t correlation, node_index from, node_start to);
  struct lost_ask {
    std::uint64_t correlation = 0;
    steady_time deadline{};
    repetition again;
  };
  /// That node is gone: answers `why` to what was sent to that incarnation or one before, but for what may be sent
  /// again. Those still wait, and are returned in the order in which they were asked.
  std::vector<lost_ask> lose(node_start gone, const error& why);

  std::size_t waiting() const noexcept { return waiting_.load(std::memory_order_relaxed); }

 private:
  struct entry {
    steady_time deadline;
    answer_callback done;
    node_start at;  // another node; 0: on none, as far as is known
    repetition again;
  };
  struct shard {
    std::mutex mutex;
    std::unordered_map<std::uint64_t, entry> asks;
    steady_time next_deadline = steady_time::max();  // no ask of this shard is due before
  };
  shard& shard_of(std::uint64_t correlation) { return shards_[correlation % shards_.size()]; }
  template <class Predicate>
  std::size_t finish_if(errc code, Predicate is_due);

  std::array<shard, 16> shards_;
  std::atomic<std::uint64_t> next_{1};
  std::atomic<std::size_t> waiting_{0};
};

}  // namespace throng
