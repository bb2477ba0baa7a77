// SPDX-License-Identifier: Apache-2.0
// What the API is told by the configuration, and its default where nobody says anything.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>

#include "net/api/rate_limiter.hpp"

namespace throng {

struct api_options {
  std::string public_url;  // "https://chat.example.com"; empty: from the request's Host header
  std::chrono::milliseconds request_timeout{20'000};  // all of a call
  std::chrono::milliseconds ask_timeout{10'000};      // one question to an entity
  std::chrono::milliseconds ticket_ttl{30'000};       // of a websocket's address
  std::size_t body_bytes_max = 1024 * 1024;
  std::size_t json_depth_max = 64;
  std::size_t page_items_max = 1'000;
  std::size_t message_chars_max = 40'000;
  std::size_t blocks_max = 50;
  std::size_t blocks_bytes_max = 256 * 1024;
  std::size_t attachments_max = 100;
  std::size_t attachments_bytes_max = 256 * 1024;
  std::size_t metadata_bytes_max = 8 * 1024;
  std::size_t boot_items_max = 1'000;  // people or channels in rtm.start; more: it answers as rtm.connect
  std::size_t asks_at_once = 32;       // to entities, by one call
  rate_limiter_options rates;
};

}  // namespace throng
