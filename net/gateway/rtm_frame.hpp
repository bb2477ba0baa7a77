// SPDX-License-Identifier: Apache-2.0
// What a client may send over RTM, decoded from the text of one websocket message. Pure; fuzzed by tests/fuzz.
// A message is at most 16 KiB and holds one JSON object, or several on lines of their own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "storage/model/ids.hpp"
#include "storage/model/result.hpp"
#include "storage/model/time.hpp"

namespace throng {

inline constexpr std::size_t rtm_frame_bytes_max = 16 * 1024;
inline constexpr std::size_t rtm_objects_max = 64;  // in one frame
inline constexpr std::size_t rtm_ids_max = 1'000;   // of presence_sub and presence_query

enum class rtm_kind : std::uint8_t { message, ping, typing, presence_sub, presence_query, tickle };

struct rtm_command {
  rtm_kind kind{};
  std::string id;  // as JSON, for reply_to; empty if there was none
  channel_id channel;
  std::string text;
  message_ts thread_ts;
  bool is_broadcast = false;
  std::vector<user_id> users;  // sorted, without repeats; what isn't a user's id is left out
  std::string pong;            // ping: the whole answer
};

/// What is wrong with one object, and the id that it had.
struct rtm_problem {
  error what;
  std::string id;
};

/// Calls one of the two for each object in order; stops at the first text that isn't JSON.
void decode_rtm_frame(std::string_view text, const std::function<void(rtm_command)>& on_command,
                      const std::function<void(rtm_problem)>& on_problem);

/// {"ok":false,"reply_to":…,"error":{"code":…,"msg":…}}, or {"type":"error",…} if there was no id.
std::string render_rtm_error(std::string_view id, const error& what);
/// {"ok":true,"reply_to":…,"ts":…,"text":…}
std::string render_rtm_ack(std::string_view id, std::string_view ts, std::string_view text);

}  // namespace throng
