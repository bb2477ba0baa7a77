// SPDX-License-Identifier: Apache-2.0
// LINK GREETING: what the two ends of a new connection say to each other before anything else, and before CAF sees a
// byte of it. Pure.
//
//   dialer ─► "throngL1" size version cluster from incarnation to ─► listener
//   dialer ◄─ "throngL1" size why not (empty: welcome)            ◄─ listener
//
// Fixed head and bounded body, so that whoever reads it knows how much to read, and garbage shows in 10 bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "cluster/envelope.hpp"

namespace throng {

/// Of what the LINKs say to each other; ends with different ones refuse each other.
inline constexpr std::uint16_t link_protocol_version = 1;
inline constexpr std::size_t greeting_head_bytes = 10;
inline constexpr std::size_t greeting_body_bytes_max = 512;

struct link_greeting {
  std::uint16_t version = link_protocol_version;
  std::string cluster;  // its name, at most 255 bytes
  node_index from{};
  std::uint64_t incarnation = 0;  // from's
  node_index to{};
  friend bool operator==(const link_greeting&, const link_greeting&) = default;
};

std::string encode(const link_greeting& greeting);
/// Cut to what fits.
std::string encode_reply(std::string_view why_not);
/// The size of the body; nothing if that is no greeting.
std::optional<std::size_t> greeting_body_bytes(std::string_view head);
/// Nothing if that is none. A version we don't know ends after the version: only that is to be trusted then.
std::optional<link_greeting> decode_greeting(std::string_view body);

}  // namespace throng
