// SPDX-License-Identifier: Apache-2.0
// What handlers of several families look up: people, the caller's channel list, direct messages. Everything goes
// through the caller's own workspace, so ids of another one are simply not found.
#pragma once

#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "net/api/api_call.hpp"
#include "net/render/channel.hpp"

namespace throng {

/// Those of `ids` that are people of the caller's workspace; USLACKBOT isn't among them.
task<result<std::vector<UserData>>> find_users(api_call& call, std::vector<user_id> ids);
/// errc::user_not_found unless the person is of the caller's workspace.
task<result<UserData>> find_user(api_call& call, user_id id);
/// All of `ids` are people of the caller's workspace (USLACKBOT too), or errc::user_not_found.
task<result<>> check_users(api_call& call, std::vector<user_id> ids);

/// Who of these people is active now. Those whose bucket doesn't answer count as away.
task<std::unordered_set<std::uint64_t>> active_users(api_call& call, std::vector<user_id> ids);

task<result<WorkspaceData>> find_workspace(api_call& call);

/// All conversations on a person's list, by id.
task<result<std::vector<UserChannel>>> channels_of(api_call& call, user_id user);
/// One entry of the caller's list, if the channel is on it.
task<result<std::optional<UserChannel>>> listed_channel(api_call& call, channel_id channel);

/// The rows of channels, in the order of `ids`; those that don't exist are left out. For direct messages, which no
/// directory has. The caller's right to see them is the asker's to check.
task<result<std::vector<ChannelData>>> read_channels(api_call& call, std::vector<channel_id> ids);

/// The names of people for group messages ("mpdm-ann--bob-1"), and who of them is gone.
struct direct_people {
  std::unordered_map<std::uint64_t, UserData> users;
  std::string mpim_name(const ChannelData& channel) const;
  bool is_deleted(user_id user) const;
};
task<result<direct_people>> people_of(api_call& call, const std::vector<ChannelData>& channels);

struct opened_direct {
  ChannelData channel;
  bool is_new_on_list = false;
};
/// Makes the direct message (one other person, or herself) or group message of the caller and `others`, if it isn't
/// there, and shows it on the caller's list. Errors: user_not_found, too_many_users.
task<result<opened_direct>> open_direct(api_call& call, std::vector<user_id> others);
/// Its id, without making it. `others` without repeats and without the caller; empty: the caller alone.
channel_id direct_id(team_id team, user_id self, std::vector<user_id> others);

/// What `channel` names: an id of any conversation, a person (her direct message is opened), "#name" or "name", or
/// "@handle". errc::channel_not_found.
task<result<channel_id>> resolve_channel(api_call& call, std::string text);

inline constexpr std::size_t direct_users_max = 8;  // Slack's, the caller not counted

}  // namespace throng
