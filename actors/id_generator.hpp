// SPDX-License-Identifier: Apache-2.0
// ID GENERATOR: new 64-bit ids, unique over all nodes without asking anyone. One a node. Thread-safe, lock-free.
//
//   0 | milliseconds since 2020 (41 bits) | node (10) | counter (11)
//
// The counter starts anywhere (per process) and runs over into the milliseconds, so a node may make bursts of any
// length; it never goes back when the clock does. Ids rise with time on one node, which keeps B-trees compact.
#pragma once

#include <atomic>
#include <cstdint>

#include "cluster/clock.hpp"
#include "cluster/envelope.hpp"
#include "storage/model/ids.hpp"

namespace throng {

class id_generator {
 public:
  /// REQUIRES: node < 1,024. `start` chooses where the counter begins; a process passes a random number, so that two
  /// lives of a node whose clock was set back in between hardly meet.
  id_generator(node_index node, const time_source& clock, std::uint64_t start);

  team_id next_team() { return {next(1)}; }
  user_id next_user() { return {next(1)}; }
  bot_id next_bot() { return {next(1)}; }
  app_id next_app() { return {next(1)}; }
  session_id next_session() { return {next(1)}; }
  /// Takes four numbers, as the lowest two bits say what kind of channel it is.
  channel_id next_channel() { return make_channel_id(next(4), channel_kind::channel); }

 private:
  /// The first of `count` (a power of two) numbers that are this caller's, aligned to it.
  std::uint64_t next(std::uint64_t count);

  const std::uint64_t node_bits_;
  const time_source& clock_;
  const std::uint64_t start_;
  std::atomic<std::uint64_t> used_ = 0;  // milliseconds and counter without the node's bits
};

}  // namespace throng
