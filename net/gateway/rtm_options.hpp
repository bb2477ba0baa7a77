// SPDX-License-Identifier: Apache-2.0
// Bounds and deadlines of RTM connections, in one plain struct.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>

namespace throng {

struct rtm_options {
  std::string public_url;            // "https://chat.example.com"; empty: from each request's Host header
  unsigned frames_per_second = 20;   // what a client may send for ever; raising it costs CPU per misbehaving client
  unsigned frames_burst = 100;       // and at once; beyond it frames are answered with an error
  unsigned excess_frames_max = 200;  // so many refused, before the burst is half full again, close it
  unsigned posts_in_flight_max = 32;
  std::size_t boot_bytes_max = 256 * 1024;  // events held until hello
  std::chrono::milliseconds ask_timeout{10'000};
  std::chrono::milliseconds boot_timeout{15'000};     // from the upgrade to hello
  std::chrono::milliseconds resync_interval{30'000};  // a second overflow sooner than this closes the connection
  std::chrono::milliseconds active_interval{60'000};  // at most so often is the SESSION told of activity
  std::chrono::milliseconds retry_delay{200};         // of what the SESSION must hear; doubled up to six times
  unsigned detach_tries_max = 16;                     // about two minutes; then its node's end tells
  std::chrono::milliseconds part_timeout{2'000};      // a client that is to go waits so long for its address
  std::chrono::milliseconds reconnect_jitter_max{250};
  std::chrono::seconds announce_interval{300};  // each socket, to find out what was lost
  unsigned announcements_per_turn = 50;         // of 10 ms, per loop
};

}  // namespace throng
