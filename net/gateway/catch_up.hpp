// SPDX-License-Identifier: Apache-2.0
// CATCH_UP: takes one reader of a stream from the position it has to the live events, each exactly once and in order,
// or says that there is a gap. Pure: whoever owns it asks the stream for the pages and passes on what comes out.
//
//   subscribed ── ask Replay(after()) ──► on_page() ─┬─ more: ask again
//        └─ live events meanwhile ► take() holds      ├─ reached the held ones: they follow, settled
//                                                     └─ on_lost(): a gap, then the held ones, settled
//
// Bound: `held_bytes_max`. At the bound the held events are forgotten and asked for again. What has no number and no
// frame (a sign-out) can't be asked for again, so it is never held.
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

  /// Of an unknown position, the first page tells (begin_at).
  explicit catch_up(stream_position after, const catch_up_limits& limits = {}) : after_(after), limits_(limits) {}

  /// What was asked for by time begins behind `at`. No effect on a position that is known.
  void begin_at(stream_position at) {
    if (!after_.is_known()) after_ = at;
  }
  /// Everything up to here has come out.
  stream_position after() const { return after_; }
  bool is_settled() const { return is_settled_; }
  /// Behind a gap of unknown end: there is nothing to ask for, the next event tells.
  bool is_adrift() const { return is_adrift_; }

  /// A live event of the stream. Appends to `out` what is due: nothing before it has settled. Missing events are
  /// noticed
  /// (`ask`), repeated ones left out. `lost`: call on_lost().
  next take(arrival event, std::vector<arrival>& out);

  /// The answer to a Replay after after(): its events in order, and the stream's position when it answered. `lost`:
  /// call on_lost().
  next on_page(epoch_t epoch, seq_t end_seq, std::span<const arrival> events, std::vector<arrival>& out);

  /// The stream can't tell what is missing. Returns the position behind the gap; in `out` is what follows it.
  /// `reached`: all up to there has been published for sure, if the owner knows. If nothing tells where the gap ends,
  /// the position is unknown, and the next event brings a second gap (take() returns `lost`): the client may have read
  /// the history before events that were lost after the first.
  stream_position on_lost(std::vector<arrival>& out, stream_position reached = {});

  std::size_t held_bytes() const { return held_bytes_; }

 private:
  next release_held(std::vector<arrival>& out);
  void hold(arrival event);
  void forget_held();

  stream_position after_;
  stream_position newest_;  // of all live events that came
  catch_up_limits limits_;
  std::vector<arrival> held_;
  std::size_t held_bytes_ = 0;
  unsigned idle_rounds_ = 0;
  bool is_settled_ = false;
  bool is_adrift_ = false;  // behind a gap of unknown end
};

}  // namespace throng
