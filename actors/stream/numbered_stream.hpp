// SPDX-License-Identifier: Apache-2.0
// NUMBERED STREAM: how a WORKSPACE and a USER announce what changes: each event gets the next position, is committed in
// one unit with the rows it speaks of, and is published after the commit, in order. Subscribers who missed some ask for
// them: the newest are in the ring, older ones in the store. Owned by one entity.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "actors/proto/event.pb.h"
#include "actors/stream/event_ring.hpp"
#include "cluster/entity.hpp"

namespace throng {

struct numbered_stream_options {
  event_ring::limits ring;
  std::size_t replay_events_max = 1'000;  // in one answer
};

class numbered_stream {
 public:
  static constexpr std::size_t moved_bytes_max = 768u << 10;  // of events, as the ring counts them

  numbered_stream(entity_context& self, const numbered_stream_options& options);

  /// Learns from the store where the stream ends. Once, and before the entity reads its own rows.
  task<result<>> load();

  /// Commits `ops` together with `events`, and publishes them. To be awaited at once, right after the entity has
  /// changed its state: what builds on the change is committed after it, and if this fails the entity ends. Either list
  /// may be empty.
  task<result<>> commit(std::vector<write_op> ops, std::vector<Event> events);
  task<result<>> commit(std::vector<write_op> ops);
  /// When all that was begun is committed: for an answer that claims what is.
  task<result<>> settled();
  /// To who listens now; has no position.
  void publish_unnumbered(Event event, delivery_class priority);

  /// What moves with it. REQUIRES: nothing is under way.
  RecentEvents handover() const { return ring_.handover(moved_bytes_max, self_.now()); }
  /// Ignores what isn't this stream's newest.
  void take_over(const RecentEvents& handed) { (void)ring_.take_over(handed, self_.now()); }
  bool has_recent() const { return ring_.count() > 0; }

  /// The last position that was published.
  seq_t end() const { return ring_.end(); }
  /// Errors: too_old (more were missed than one answer holds, or they are trimmed, or never were).
  task<result<ReplayReply>> replay(const ReplayRequest& request);

 private:
  struct numbered {
    seq_t seq = 0;
    std::size_t bytes = 0;
    std::shared_ptr<const Event> event;
  };
  void publish(seq_t seq, delivery_class priority, std::shared_ptr<const Event> event);
  void tell_settled(const result<>& outcome);

  entity_context& self_;
  numbered_stream_options options_;
  event_ring ring_;
  seq_t given_out_ = 0;
  std::uint64_t begun_ = 0, committed_ = 0;
  std::optional<error> failure_;
  std::vector<std::pair<std::uint64_t, std::function<void(result<>)>>> settling_;  // in the order of their numbers
};

}  // namespace throng
