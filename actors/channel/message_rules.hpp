// SPDX-License-Identifier: Apache-2.0
// MESSAGE RULES: what a post may contain, who may change it, and how reactions add up. Pure functions.
#pragma once

#include <cstddef>
#include <string_view>

#include "actors/channel/channel_options.hpp"
#include "actors/proto/records.pb.h"
#include "storage/model/ids.hpp"
#include "storage/model/result.hpp"

namespace throng {

/// Counts characters as the sender wrote them, not bytes (UTF-8): &amp; &lt; &gt; are one each.
bool is_longer_than(std::string_view text, std::size_t chars_max);

/// errc::no_text if it has no text, no blocks and no attachments; errc::msg_too_long.
result<> check_content(const MessageData& data, const channel_limits& limits);

/// A message that the CHANNEL wrote about itself: somebody came, the topic changed.
bool is_system_message(const MessageData& data);

/// errc::cant_update_message: only its author may, a bot by its bot id, and nobody a system message.
result<> may_update(const Message& message, const Caller& caller);
/// errc::cant_delete_message: its author, and admins.
result<> may_delete(const Message& message, const Caller& caller);

/// errc::invalid_name, errc::already_reacted, errc::too_many_emoji (different ones on the message),
/// errc::too_many_reactions (of this person, or in all).
result<> add_reaction(MessageData& data, user_id user, std::string_view name, const channel_limits& limits);
/// errc::no_reaction.
result<> remove_reaction(MessageData& data, user_id user, std::string_view name);

/// What a post must not bring along: the marks that only the CHANNEL sets.
void clear_channel_marks(MessageData& data);

}  // namespace throng
