// SPDX-License-Identifier: Apache-2.0
// CHANNEL QUERIES: what a CHANNEL reads from the store. Each is one job on a reader thread: it gets all it needs by
// value, because its channel may have ended when it runs.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "actors/proto/channel.pb.h"
#include "storage/store.hpp"

namespace throng {

/// All that an activation needs.
struct stored_channel {
  bool exists = false;
  ChannelData data;
  std::vector<user_id> members;
  store_reader::stream_end end;
  std::vector<message_record> newest;  // newest first, deleted ones and hidden replies too
};
result<stored_channel> read_channel(store_reader& reader, channel_id channel, std::size_t newest_max);
/// Where its stream ends.
result<store_reader::stream_end> read_end(store_reader& reader, channel_id channel);

/// One post with its thread's summary; errc::message_not_found if there is none or it is deleted.
result<Message> read_message(store_reader& reader, channel_id channel, message_ts ts);
/// The newest post of the channel that is shown in it; errc::message_not_found if there is none.
result<Message> read_latest(store_reader& reader, channel_id channel);

/// What a reply must know of its thread's root.
struct thread_root {
  message_ts ts;  // 0: none, it isn't a reply
  user_id author;
  std::shared_ptr<const Message> post;  // if asked for
};
/// The root that a reply to `ts` belongs to. errc::thread_not_found, errc::cannot_reply_to_message (it is deleted).
result<thread_root> read_root(store_reader& reader, channel_id channel, message_ts ts, bool with_post);

/// A page, newest first; `range.count_max` is its size.
result<HistoryReply> read_history(store_reader& reader, channel_id channel, store_reader::message_range range);
/// The root, then a page of replies. errc::thread_not_found.
result<HistoryReply> read_replies(store_reader& reader, channel_id channel, message_ts ts,
                                  store_reader::message_range range);
result<PinsReply> read_pins(store_reader& reader, channel_id channel, std::vector<Pin> pins);

/// Events after `after`, dense, at most `count_max` and at least up to `end`; errc::too_old if they are not all there.
result<ReplayReply> read_events(store_reader& reader, channel_id channel, seq_t after, seq_t end,
                                std::size_t count_max);

}  // namespace throng
