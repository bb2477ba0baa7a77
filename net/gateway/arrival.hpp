// SPDX-License-Identifier: Apache-2.0
// One event on its way to one io loop's subscribers, encoded already, and positions in streams.
#pragma once

#include "cluster/envelope.hpp"
#include "net/transport/frame.hpp"
#include "storage/model/time.hpp"

namespace throng {

/// How far somebody is in a stream. Epoch 0: nobody knows.
struct stream_position {
  epoch_t epoch = 0;
  seq_t seq = 0;
  bool is_known() const { return epoch != 0; }
  friend bool operator==(const stream_position&, const stream_position&) = default;
};

struct arrival {
  publication_ptr source;
  shared_frame frame;  // null: not for clients as it is (presence, sign-outs)
  message_ts post{};   // its ts, if it is a post

  stream_position position() const { return {source->epoch, source->seq}; }
  bool is_numbered() const { return source->seq != 0; }
  std::size_t bytes() const { return frame ? frame->size() : 0; }
};

}  // namespace throng
