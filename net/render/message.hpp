// SPDX-License-Identifier: Apache-2.0
// Posts as Slack's message object: the same in history, in replies of chat.*, and inside events. Pure.
#pragma once

#include <string_view>

#include "net/render/bots.hpp"
#include "storage/json/json.hpp"

namespace throng {

class Message;
class Pin;

struct message_view {
  team_id team{};                       // of the author
  const bot_directory* bots = nullptr;  // null: no bot_profile
  bool with_channel = false;            // history leaves it out, events and chat.* have it
  bool is_ephemeral = false;
  std::string_view event_ts{};  // added if not empty
};

/// A post that was deleted is a tombstone.
void render_message(json_writer& w, const Message& message, const message_view& view);
/// The same without braces, behind what the caller has already written into the object.
void render_message_members(json_writer& w, const Message& message, const message_view& view);
/// An item of pins.list: {type, created, created_by, channel, message}.
void render_pin_item(json_writer& w, const Pin& pin, const Message& message, const message_view& view);

}  // namespace throng
