// SPDX-License-Identifier: Apache-2.0
// RTM EVENT: one frame of a node's websocket as a client reads it, reduced to what this program looks at. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tools/throngverify/history.hpp"

namespace throng::verify {

struct rtm_event {
  std::string type, subtype;
  std::string stream;  // empty: not numbered
  std::uint64_t epoch = 0, seq = 0;
  channel_id channel{};
  message_ts ts{};  // of the message it is about; else its event_ts
  op_id op{};       // that the message's text names
  user_id user{};
  bool is_edited = false;

  std::optional<std::int64_t> reply_to;  // the answer to what the client sent
  bool is_ok = false;
  std::string error;

  std::string session;  // hello
  bool is_resumed = false;

  std::vector<user_id> users;  // presence_change
  bool is_active = false;
};

/// Nothing if it is no JSON object.
std::optional<rtm_event> parse_rtm_event(std::string_view frame);

}  // namespace throng::verify
