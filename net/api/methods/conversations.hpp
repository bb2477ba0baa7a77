// SPDX-License-Identifier: Apache-2.0
// Handlers of conversations.* that old clients know by other names too (net/api/methods/legacy.cpp).
#pragma once

#include <string_view>
#include <vector>

#include "net/api/methods/lookup.hpp"

namespace throng {

inline constexpr std::string_view read_scopes = "channels:read,groups:read,im:read,mpim:read";
inline constexpr std::string_view history_scopes = "channels:history,groups:history,im:history,mpim:history";
inline constexpr std::string_view write_scopes = "channels:manage,channels:write,groups:write,im:write,mpim:write";

inline constexpr std::string_view public_write_scopes = "channels:manage,channels:write";
inline constexpr std::string_view private_write_scopes = "groups:write";

/// The token must have one of `accepted`. errc::missing_scope, and the answer says which.
result<> need_scope(api_call& call, std::string_view accepted);
/// channels:… is for public channels, groups:… for private ones, and an id doesn't say which it is. `what` is "read",
/// "history" or "write". Only tokens that lack one of the two cost a question.
task<result<>> check_privacy_scope(api_call& call, std::string_view what);

/// `limit` as asked for, within what the configuration allows.
std::uint32_t page_limit(const api_call& call, std::uint32_t otherwise);

/// Writes `"channel":{…}` as the caller sees it.
task<result<>> write_channel(api_call& call, const ChannelReply& found, bool with_members);
/// The same after a change that is committed: what can't be looked up is left at what is known, for the change stands.
task<result<>> write_changed_channel(api_call& call, const ChannelReply& changed);

std::vector<argument_spec> history_arguments();
task<result<>> conversation_info(api_call& call);
task<result<>> conversation_history(api_call& call);
task<result<>> conversation_replies(api_call& call);
task<result<>> conversation_join(api_call& call);
task<result<>> conversation_leave(api_call& call);
task<result<>> conversation_invite(api_call& call);
task<result<>> conversation_kick(api_call& call);
task<result<>> conversation_mark(api_call& call);
task<result<>> conversation_close(api_call& call);

}  // namespace throng
