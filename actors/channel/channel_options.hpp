// SPDX-License-Identifier: Apache-2.0
// What a CHANNEL is told from the configuration. Plain values, copied into each channel's factory.
#pragma once

#include <chrono>
#include <cstddef>

#include "actors/channel/recent_posts.hpp"
#include "actors/stream/event_ring.hpp"

namespace throng {

struct channel_limits {
  std::size_t message_chars_max = 40'000;
  std::size_t topic_chars_max = 250;  // Slack's
  std::size_t members_max = 100'000;
  std::size_t reaction_names_max = 50;      // different emoji on one message
  std::size_t reactions_per_user_max = 23;  // Slack's, on one message
  std::size_t reactions_max = 10'000;       // people times emoji on one message: its row is rewritten with each
  std::size_t pins_max = 100;
  std::size_t previous_names_max = 20;
};

struct channel_options {
  channel_limits limits;
  event_ring::limits ring;
  recent_posts::limits recent;
  std::size_t posts_loaded_max = 256;  // read on activation, for their client_msg_ids
  std::size_t page_default = 100;
  std::size_t page_max = 999;  // Slack's
  std::size_t members_page_max = 1'000;
  std::size_t invited_max = 1'000;  // people in one request
  std::size_t asks_at_once = 32;    // to USERs, by one request
  std::size_t roots_cached_max = 64;
  std::size_t turns_waiting_max = 1'000;
  std::size_t announcements_max = 256;  // threads whose new summary is being read
  std::chrono::steady_clock::duration ask_timeout = std::chrono::seconds(2);
  std::chrono::steady_clock::duration directory_delay = std::chrono::seconds(2);  // gathers joins and leaves
  // Whose list of channels isn't right is told again: first, at last, and after an activation for how long.
  std::chrono::steady_clock::duration retell_delay = std::chrono::seconds(1);
  std::chrono::steady_clock::duration retell_delay_max = std::chrono::seconds(30);
  std::chrono::minutes retell_window{10};
};

}  // namespace throng
