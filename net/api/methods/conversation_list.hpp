// SPDX-License-Identifier: Apache-2.0
// LISTS of conversations: conversations.list, users.conversations, and what old clients call instead. Public and
// private channels come first, out of the workspace's directory; then direct messages, out of the person's list.
#pragma once

#include <string_view>

#include "net/api/methods/lookup.hpp"

namespace throng {

struct conversation_types {
  bool with_public = false, with_private = false, with_mpim = false, with_im = false;
};
/// "public_channel,im"; empty: public channels. errc::invalid_types.
result<conversation_types> parse_types(std::string_view text);

/// The token must have the scope of each type. errc::missing_scope.
result<> check_type_scopes(const conversation_types& types, std::string_view granted);

struct conversation_filter {
  conversation_types types;
  bool exclude_archived = false;
  user_id member;  // only conversations that this person is in; none: all that the caller may see
};

struct conversation_page {
  std::vector<ChannelData> channels;
  std::unordered_map<std::uint64_t, UserChannel> mine;  // the caller's list
  direct_people people;                                 // of the direct messages
  std::string next_cursor;
};

/// Errors: invalid_cursor, user_not_found.
task<result<conversation_page>> list_conversations(api_call& call, conversation_filter filter, std::uint32_t limit,
                                                   std::string cursor);

/// One channel as it is shown in a list.
void render_listed(json_writer& w, const ChannelData& channel, const conversation_page& page, user_id viewer);

}  // namespace throng
