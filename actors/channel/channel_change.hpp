// SPDX-License-Identifier: Apache-2.0
// CHANNEL CHANGE: what one request does to a channel: the rows that are committed together, and the numbered events
// that are published once they are. A post is its own event, stored as a message row; any other event has an event row.
// Pure. Positions are given out as it is built, so it must be handed to the commit before anything else can happen.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "actors/channel/sequence.hpp"
#include "actors/proto/event.pb.h"
#include "cluster/envelope.hpp"
#include "storage/model/records.hpp"
#include "storage/model/result.hpp"

namespace throng {

class channel_change {
 public:
  struct numbered_event {
    seq_t seq = 0;
    std::size_t bytes = 0;  // in memory, estimated
    std::shared_ptr<const Event> event;
  };

  channel_change(channel_id channel, sequence& positions, wall_time now)
      : channel_(channel), positions_(positions), now_(now) {}

  void write(write_op op) { ops_.push_back(std::move(op)); }
  /// Numbers the event's message and stores it. REQUIRES: all but channel, ts and seq is filled.
  const Message& post(std::shared_ptr<Event> event);
  /// Something that the CHANNEL says about itself, shown like a post. `data` has no subtype and no text yet.
  const Message& system_post(user_id user, std::string_view subtype, std::string text, MessageData data = {});
  /// Any other numbered event; `at` is filled in if it is 0.
  void announce(std::shared_ptr<Event> event);

  /// The request that leads to it.
  void set_path(const journey& path) { path_ = path; }
  const journey& path() const { return path_; }

  std::vector<write_op> take_ops() { return std::move(ops_); }
  const std::vector<numbered_event>& events() const { return events_; }

 private:
  channel_id channel_;
  sequence& positions_;
  wall_time now_;
  std::vector<write_op> ops_;
  std::vector<numbered_event> events_;
  journey path_{};
};

/// Not a reply, or one that was broadcast.
inline bool is_shown_in_channel(const Message& message) {
  return message.thread_ts() == 0 || message.data().is_broadcast();
}

/// A message as its row, and back. errc::internal_error for a row that this program can't read.
message_record to_row(const Message& message);
result<Message> to_message(message_record row);
/// What stays of a deleted message, so that its seq isn't a hole.
message_record to_tombstone(const Message& message);

}  // namespace throng
