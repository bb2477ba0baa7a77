// SPDX-License-Identifier: Apache-2.0
// SEQUENCE: gives out a channel's positions (seq, dense) and message ids (ts, the wall clock in microseconds, strictly
// increasing also over a restart and when the clock steps back). Pure; owned by one CHANNEL.
#pragma once

#include <algorithm>

#include "storage/model/keyspace.hpp"
#include "storage/model/time.hpp"

namespace throng {

class sequence {
 public:
  sequence() = default;
  /// Goes on after what the store has.
  sequence(seq_t last_seq, message_ts last_ts) : seq_(last_seq), ts_(last_ts) {}

  seq_t next_seq() { return ++seq_; }
  message_ts next_ts(wall_time now) {
    ts_.micros = std::max<std::int64_t>(now.time_since_epoch().count(), ts_.micros + 1);
    return ts_;
  }

  seq_t last_seq() const { return seq_; }
  message_ts last_ts() const { return ts_; }

 private:
  seq_t seq_ = 0;
  message_ts ts_;
};

}  // namespace throng
