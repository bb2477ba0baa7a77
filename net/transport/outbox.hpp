// SPDX-License-Identifier: Apache-2.0
// OUTBOX: what one connection still has to send, as a queue of whole frames. Every byte of a socket passes through
// it, the shared frames of the fan-out and the control frames of the websocket layer alike, so frames can't interleave.
// Pure: it neither writes nor waits. Owned by one connection, on its io thread.
//
// Bound: shared frames are refused once `bytes_max` are queued. Control frames are always taken: the websocket layer
// has at most one of them under way.
#pragma once

#include <cstddef>
#include <cstdint>
#include <sys/uio.h>
#include <vector>

#include "net/transport/frame.hpp"

namespace throng {

class outbox {
 public:
  explicit outbox(std::size_t bytes_max) : bytes_max_(static_cast<std::uint32_t>(bytes_max)) {}

  /// Whether a frame of `bytes` would be within the bound. An empty outbox takes a frame of any size.
  bool has_room(std::size_t bytes) const { return empty() || bytes_ + bytes <= bytes_max_; }

  /// Queues a shared frame. False if it has no room or the outbox is closed.
  bool push(shared_frame frame, delivery kind);
  /// Queues whatever must go out, beyond the bound: a control frame (`is_control`: consume() reports when it has
  /// left) or an HTTP answer. False if the outbox is closed.
  bool push_own(shared_frame bytes, bool is_control);

  /// Refuses everything from now on: a close frame is queued (RFC 6455 §5.5.1: nothing follows it).
  void close() { is_closed_ = true; }
  bool is_closed() const { return is_closed_; }

  /// Fills `out` with what comes next, at most `count` pieces; returns how many.
  std::size_t gather(iovec* out, std::size_t count) const;
  /// `bytes` have left. Returns whether a control frame was among them to its end.
  bool consume(std::size_t bytes);

  /// The first `bytes` are spoken for (OpenSSL has encrypted them): discard() and drop() leave their frames alone.
  void pin(std::size_t bytes) { pinned_bytes_ = static_cast<std::uint32_t>(bytes); }

  /// Removes all frames of that kind that nobody has seen a byte of; returns how many.
  std::size_t drop(delivery kind);
  /// Removes all shared frames that nobody has seen a byte of; returns how many.
  std::size_t discard();

  bool empty() const { return head_ == entries_.size(); }
  std::size_t bytes() const { return bytes_; }
  std::size_t frame_count() const { return entries_.size() - head_; }

 private:
  enum class kind_t : std::uint8_t { message, presence, typing, own, control };
  struct entry {
    shared_frame frame;
    kind_t kind;
  };

  template <class Predicate>
  std::size_t remove_if(Predicate goes);
  void append(shared_frame frame, kind_t kind);
  void compact();

  std::vector<entry> entries_;  // [head_, size) are queued; a deque would cost 576 bytes while empty
  std::uint32_t head_ = 0;
  std::uint32_t head_sent_ = 0;  // bytes of entries_[head_] that have left
  std::uint32_t bytes_ = 0;      // queued, without head_sent_
  std::uint32_t pinned_bytes_ = 0;
  std::uint32_t bytes_max_;
  bool is_closed_ = false;
};

}  // namespace throng
