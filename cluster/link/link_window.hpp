// SPDX-License-Identifier: Apache-2.0
// LINK WINDOW: one end of the link between two nodes, without its socket: what waits to be sent, what was sent and
// isn't acknowledged, and what has come. Pure; one thread at a time.
//
//   post(parcel) ─► waiting ─► next_frame(): up to 100 parcels or 64 KiB, numbered ─► sent, kept until acknowledged
//   a cut        ─► resume(the last number the other end has): the rest goes again, in order
//   receive(frame) ─► new: deliver · seen before: drop · a gap: the connection is broken, reconnect
//
// So parcels arrive once and in order as long as both incarnations live. Bounded: past `waiting_*` post() refuses; no
// more than the window is in flight, so a receiver that stops costs the sender this much and the receiver nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

namespace throng {

/// Position of a frame in one direction of a link between two incarnations, starting at 1.
using frame_number = std::uint64_t;

struct link_frame {
  frame_number number = 0;        // 0: nothing in it but the acknowledgement
  frame_number acknowledged = 0;  // the last frame that this end has handled
  std::vector<std::string> parcels;
};

class link_window {
 public:
  struct limits {
    std::size_t frame_parcels_max = 100;      // facts: 17 times cheaper than one each, more gains little
    std::size_t frame_bytes_max = 64u << 10;  // …but a single parcel may be larger
    std::size_t window_bytes_max = 4u << 20;  // in flight
    std::size_t window_frames_max = 1'000;
    std::size_t waiting_bytes_max = 64u << 20;
    std::size_t waiting_parcels_max = 200'000;
    frame_number acknowledge_every = 16;  // frames; the rest is acknowledged by the tick
  };
  struct figures {
    std::uint64_t parcels_sent = 0, frames_sent = 0, frames_again = 0, bytes_sent = 0, refused = 0;
    std::uint64_t parcels_received = 0, frames_received = 0, frames_dropped = 0;
    std::size_t waiting_parcels = 0, waiting_bytes = 0, in_flight_frames = 0, in_flight_bytes = 0;
  };

  explicit link_window(const limits& bounds) : limits_(bounds) {}

  // -- sending -----------------------------------------------------------------------------------------------------

  /// False if too much waits: the parcel is not taken.
  bool post(std::string parcel);
  /// The next frame to put on the wire, while the window has room; with an acknowledgement.
  std::optional<link_frame> next_frame();
  /// The same without copying parcels: calls `visit(number, acknowledged, parcels, bytes)`, or returns false.
  template <class Visit>
  bool send_next(Visit visit) {
    const auto* sent = advance();
    if (sent != nullptr) visit(sent->number, told_, sent->parcels, sent->bytes);
    return sent != nullptr;
  }
  /// A frame without parcels, if something is to be acknowledged.
  std::optional<link_frame> acknowledgement();
  bool wants_to_send() const { return !again_.empty() || (!waiting_.empty() && has_room()); }
  bool has_nothing_in_flight() const { return in_flight_.empty(); }
  /// More parcels wouldn't make the next frame larger, or not by much.
  bool has_full_frame() const {
    return !again_.empty() || waiting_.size() >= limits_.frame_parcels_max || waiting_bytes_ >= limits_.frame_bytes_max;
  }

  // -- receiving ---------------------------------------------------------------------------------------------------

  enum class verdict : std::uint8_t { deliver, duplicate, broken };
  /// Takes note of a frame that has come. `deliver`: hand its parcels on now. `broken`: the other end skipped a number
  /// or acknowledged what wasn't sent; nothing of it counts, and the connection must go.
  verdict receive(const link_frame& frame);
  verdict receive(frame_number number, frame_number acknowledged, std::size_t parcels, std::size_t bytes);
  bool should_acknowledge() const {
    return received_ - told_ >= limits_.acknowledge_every || untold_bytes_ >= limits_.window_bytes_max / 4;
  }

  // -- a new connection between the same two incarnations
  // ------------------------------------------------------------

  /// What this end tells the other when they meet again.
  frame_number received() const { return received_; }
  /// `other_has` is what the other end told: what it lacks is sent again. False if that can't be (it has less than it
  /// acknowledged, or more than was sent): the link must start anew, as with another incarnation.
  bool resume(frame_number other_has);
  /// The other incarnation is gone: what waits and what is in flight, in order, for their senders to be told.
  std::vector<std::string> give_up();

  figures read_figures() const;

 private:
  bool has_room() const {
    return in_flight_.size() < limits_.window_frames_max && in_flight_bytes_ < limits_.window_bytes_max;
  }
  struct sent_frame {
    frame_number number;
    std::vector<std::string> parcels;
    std::size_t bytes;
  };
  const sent_frame* advance();
  bool acknowledge(frame_number up_to);
  void tell() {
    told_ = received_;
    untold_bytes_ = 0;
  }

  limits limits_;
  std::deque<std::string> waiting_;
  std::size_t waiting_bytes_ = 0;
  std::deque<sent_frame> in_flight_;  // numbers without gaps
  std::size_t in_flight_bytes_ = 0;
  std::deque<frame_number> again_;  // of those, what a new connection still has to send
  frame_number sent_ = 0;
  frame_number received_ = 0;
  frame_number told_ = 0;  // the last acknowledgement that went out
  std::size_t untold_bytes_ = 0;
  figures figures_;
};

}  // namespace throng
