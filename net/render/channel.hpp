// SPDX-License-Identifier: Apache-2.0
// Channels, group messages and direct messages as Slack's channel object. Pure.
#pragma once

#include <optional>
#include <string_view>

#include "storage/json/json.hpp"
#include "storage/model/ids.hpp"
#include "storage/model/time.hpp"

namespace throng {

class ChannelData;
class Message;

/// Who looks, and what is known beside the channel itself.
struct channel_view {
  user_id viewer{};
  bool is_member = false;
  std::string_view direct_name{};              // an mpim's "mpdm-ann--bob-1"; made from ids if empty
  bool is_user_deleted = false;                // im: the other person is deactivated
  std::optional<bool> is_open{};               // im, mpim
  std::optional<message_ts> last_read{};       // rendered for members
  std::optional<std::uint32_t> num_members{};  // include_num_members
  std::optional<std::uint32_t> unread_count{};
  const Message* latest = nullptr;
  bool with_locale = false;
};

void render_channel(json_writer& w, const ChannelData& channel, const channel_view& view);
/// The small object of channel_created and channel_rename: id, name, name_normalized, is_*, created, creator.
void render_channel_stub(json_writer& w, const ChannelData& channel);

/// Of an im the other one (or the viewer herself); none for other kinds.
user_id direct_partner(const ChannelData& channel, user_id viewer);

/// "channel", "group", "mpim", "im".
std::string_view channel_type_name(channel_id id, bool is_private);

}  // namespace throng
