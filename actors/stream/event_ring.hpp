// SPDX-License-Identifier: Apache-2.0
// EVENT RING: the newest numbered events of one stream (a channel, workspace or user), so that whoever lost its
// connection for a moment catches up without the store. Positions are dense; older ones are in the store.
// Pure; owned by one entity. Bounded by count, bytes and age: the oldest go first, and the newest stays unless it is
// larger than all the bytes. An idle ring allocates nothing.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "storage/model/keyspace.hpp"
#include "storage/model/result.hpp"
#include "storage/model/time.hpp"

namespace throng {

class Event;
class RecentEvents;
class ReplayReply;

class event_ring {
 public:
  struct limits {
    std::size_t events_max = 1'000;
    std::size_t bytes_max = 1u << 20;
    std::chrono::steady_clock::duration window = std::chrono::minutes(5);
  };
  /// `end` is the stream's last position so far, whose events the ring doesn't have.
  explicit event_ring(limits bounds, seq_t end = 0) : limits_(bounds), end_(end) {}

  /// REQUIRES: seq == end() + 1. `bytes` is an estimate of what the event holds in memory.
  void append(seq_t seq, std::shared_ptr<const Event> event, std::size_t bytes, steady_time now);

  /// Adds the events after `seq`, oldest first. Errors: errc::too_old, and nothing is added, if some of them have left
  /// the ring, if `seq` is beyond the end, or if one that was taken over can't be read.
  result<> replay(seq_t after, ReplayReply& into) const;

  /// Those that are not too old yet, the newest of them that fit into `bytes_max`.
  RecentEvents handover(std::size_t bytes_max, steady_time now) const;
  /// False, and nothing is changed, if that is of a stream that ends elsewhere. The events are kept as they came: a
  /// stream that moves often is asked for few of them.
  bool take_over(const RecentEvents& handed, steady_time now);

  seq_t end() const { return end_; }
  std::size_t count() const { return entries_.size() - first_; }
  std::size_t bytes() const { return bytes_; }

 private:
  struct entry {
    seq_t seq = 0;
    std::size_t bytes = 0;
    steady_time at{};
    std::variant<std::shared_ptr<const Event>, std::string> event;  // the latter serialized
  };
  void trim(steady_time now);

  limits limits_;
  seq_t end_;
  std::vector<entry> entries_;  // those before first_ are gone; moved together when they are half of it
  std::size_t first_ = 0;
  std::size_t bytes_ = 0;
};

}  // namespace throng
