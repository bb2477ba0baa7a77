// SPDX-License-Identifier: Apache-2.0
// CATCH_UP: takes one reader of a stream from the position it has to the live events, each exactly once and in order,
// or says that there is a gap. Pure: whoever owns it asks the stream for the pages and passes on what comes out.
//
//   subscribed ── ask Replay(after()) ──► on_page() ─┬─ more: ask again
//        └─ live events meanwhile ► take() holds      ├─ reached the held ones: they follow, settled
//                                                     └─ on_lost(): a gap, then the held ones, settled
//
// Bound: `held_bytes_max`. At the bound the held events are forgotten and asked for again.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "net/gateway/arrival.hpp"

namespace throng {

struct catch_up_limits {
  std::size_t held_bytes_max = 64 * 1024;
  unsigned idle_rounds_max = 8;  // pages in a row that brought nothing new, before it is given up as a gap
};

class catch_up {
 public:
  enum class next { ask, settled, lost };

  explicit catch_up(stream_position after, const catch_up_limits& limits = {}) : after_(after), limits_(limits) {}

  /// Everything up to here has come out.
  stream_position after() const { return after_; }
  bool is_settled() const { return is_settled_; }

  /// A live event of the stream. Appends to `out` what is due: nothing before it has settled. Lost events are noticed
  /// (`next::ask`), repeated ones left out.
  next take(arrival event, std::vector<arrival>& out);

  /// The answer to a Replay after after(): its events in order, and the stream's position when it answered. `lost`:
  /// call on_lost().
  next on_page(epoch_t epoch, seq_t end_seq, std::span<const arrival> events, std::vector<arrival>& out);

  /// The stream can't tell what is missing. Returns the position behind the gap, unknown if nothing tells; after the
  /// gap come the events in `out`.
  stream_position on_lost(std::vector<arrival>& out);

  std::size_t held_bytes() const { return held_bytes_; }

 private:
  next release_held(std::vector<arrival>& out);
  void hold(arrival event);
  void forget_held();

  stream_position after_;
  stream_position newest_;  // of all live events seen
  catch_up_limits limits_;
  std::vector<arrival> held_;
  std::size_t held_bytes_ = 0;
  unsigned idle_rounds_ = 0;
  bool is_settled_ = false;
};

}  // namespace throng
