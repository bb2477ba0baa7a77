// SPDX-License-Identifier: Apache-2.0
// LOOP_INBOX: what scheduler threads have for one io loop. All that came since the last turn is taken at once.
// Thread-safe. Bound: bytes of frames. Towards the bound typing is left out (at half), then presence (at three
// quarters); at the bound the event's stream is noted as gapped, and the loop asks the stream for what it missed.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <unordered_set>
#include <vector>

#include "net/gateway/arrival.hpp"

namespace throng {

class loop_inbox {
 public:
  explicit loop_inbox(std::size_t bytes_max) : bytes_max_(bytes_max) {}

  enum class outcome { queued, queued_first, dropped };
  /// `queued_first`: the loop has to be woken, nobody has done so since it last took.
  outcome push(arrival event);
  /// A stream whose events this loop has missed, without an event to tell. True: wake the loop.
  bool push_gap(entity_key stream);

  /// Swaps what there is into the empty `events` and `gapped`.
  void take(std::vector<arrival>& events, std::vector<entity_key>& gapped);

  std::size_t bytes() const;
  /// By delivery_class; messages count as dropped here when their stream was noted as gapped.
  std::array<std::uint64_t, 3> dropped() const;

 private:
  std::size_t bound_of(delivery_class priority) const;

  const std::size_t bytes_max_;
  mutable std::mutex mutex_;
  std::vector<arrival> events_;
  std::unordered_set<entity_key> gapped_;
  std::size_t bytes_ = 0;
  bool is_woken_ = false;
  std::array<std::uint64_t, 3> dropped_{};
};

}  // namespace throng
