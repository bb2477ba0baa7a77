// SPDX-License-Identifier: Apache-2.0
#include "actors/workspace/workspace_directory.hpp"

#include <algorithm>
#include <utility>

#include "actors/workspace/name_rules.hpp"
#include "storage/model/assert.hpp"

namespace throng {

namespace {

template <class Map, class Id>
auto* value_or_null(Map& map, Id id) {
  auto found = map.find(id);
  return found == map.end() ? nullptr : &found->second;
}

template <class Row>
const Row* unless_pending(const Row* row) {
  return row && !row->is_pending() ? row : nullptr;
}

/// The rows after `after` that `fits`, and whether there is one more.
template <class Id, class Row, class Predicate>
workspace_directory::page<Row> page_of(const std::map<Id, Row>& rows, Id after, std::size_t count_max, Predicate fits) {
  workspace_directory::page<Row> page;
  for (auto at = rows.upper_bound(after); at != rows.end(); ++at) {
    if (at->second.is_pending() || !fits(at->first, at->second)) continue;
    if (page.rows.size() == count_max) {
      page.has_more = true;
      break;
    }
    page.rows.push_back(&at->second);
  }
  return page;
}

template <class Index, class Id>
void erase_if_own(Index& index, std::string_view key, Id id) {
  auto found = index.find(key);
  if (found != index.end() && found->second == id) index.erase(found);
}

}  // namespace

UserData public_part(UserData user) {
  user.clear_is_manually_away();
  user.clear_dnd();
  user.clear_prefs();
  user.clear_reacted();
  user.clear_is_pending();
  user.clear_joining();
  return user;
}

ChannelData public_part(ChannelData channel) {
  channel.clear_is_pending();
  channel.clear_reserved_name();
  return channel;
}

// -- people
// ------------------------------------------------------------------------------------------------------------

void workspace_directory::put_user(UserData user) {
  user_id id{user.id()};
  THRONG_ASSERT(id && is_handle_free(user.name(), id));
  if (auto* old = value_or_null(users_, id)) forget(*old);
  handles_[user.name()] = id;
  if (auto email = folded_email(user.profile().email()); !email.empty()) emails_[std::move(email)] = id;
  pending_user_count_ += user.is_pending();
  people_count_ += !user.is_bot();
  users_updated_ = std::max(users_updated_, user.updated());
  users_[id] = std::move(user);
}

void workspace_directory::forget(const UserData& user) {
  user_id id{user.id()};
  erase_if_own(handles_, user.name(), id);
  erase_if_own(emails_, folded_email(user.profile().email()), id);
  pending_user_count_ -= user.is_pending();
  people_count_ -= !user.is_bot();
}

const UserData* workspace_directory::find_user(user_id id) const { return value_or_null(users_, id); }

const UserData* workspace_directory::user(user_id id) const { return unless_pending(find_user(id)); }

const UserData* workspace_directory::user_by_handle(std::string_view handle) const {
  auto found = handles_.find(handle);
  return found == handles_.end() ? nullptr : user(found->second);
}

const UserData* workspace_directory::find_user_by_email(std::string_view email) const {
  auto found = emails_.find(folded_email(email));
  return found == emails_.end() ? nullptr : find_user(found->second);
}

bool workspace_directory::is_handle_free(std::string_view handle, user_id for_whom) const {
  auto found = handles_.find(handle);
  return found == handles_.end() || found->second == for_whom;
}

std::string workspace_directory::free_handle(std::string_view wanted) const {
  if (is_handle_free(wanted, {})) return std::string(wanted);
  for (unsigned number = 2;; ++number)
    if (auto handle = numbered_handle(wanted, number); is_handle_free(handle, {})) return handle;
}

workspace_directory::page<UserData> workspace_directory::users(user_id after, std::size_t count_max) const {
  return page_of(users_, after, count_max, [](user_id, const UserData&) { return true; });
}

std::vector<user_id> workspace_directory::unfinished_users() const {
  std::vector<user_id> ids;
  for (const auto& [id, user] : users_)
    if (user.is_pending() || user.joining_size() != 0) ids.push_back(id);
  return ids;
}

// -- channels
// ----------------------------------------------------------------------------------------------------------

void workspace_directory::put_channel(ChannelData channel) {
  channel_id id{channel.id()};
  THRONG_ASSERT(id && is_name_free(channel.name(), id) && is_name_free(channel.reserved_name(), id));
  if (auto* old = value_or_null(channels_, id)) {
    forget(*old);
    channels_.erase(id);
  }
  if (channel.name().empty()) {
    member_counts_.erase(id);
    return;
  }
  names_[channel.name()] = id;
  if (!channel.reserved_name().empty()) names_[channel.reserved_name()] = id;
  pending_channel_count_ += channel.is_pending();
  channels_[id] = std::move(channel);
}

void workspace_directory::forget(const ChannelData& channel) {
  channel_id id{channel.id()};
  erase_if_own(names_, channel.name(), id);
  erase_if_own(names_, channel.reserved_name(), id);
  pending_channel_count_ -= channel.is_pending();
}

void workspace_directory::count_members(channel_id id, std::uint32_t member_count) {
  const auto* row = find_channel(id);
  if (!row || row->member_count() == member_count)
    member_counts_.erase(id);
  else
    member_counts_[id] = member_count;
}

ChannelData workspace_directory::shown(const ChannelData& channel) const {
  auto shown = public_part(channel);
  if (auto newer = member_counts_.find({channel.id()}); newer != member_counts_.end())
    shown.set_member_count(newer->second);
  return shown;
}

const ChannelData* workspace_directory::find_channel(channel_id id) const { return value_or_null(channels_, id); }

const ChannelData* workspace_directory::channel(channel_id id) const { return unless_pending(find_channel(id)); }

const ChannelData* workspace_directory::find_channel_by_name(std::string_view name) const {
  auto found = names_.find(name);
  return found == names_.end() ? nullptr : find_channel(found->second);
}

const ChannelData* workspace_directory::channel_by_name(std::string_view name) const {
  const auto* found = unless_pending(find_channel_by_name(name));
  return found && found->name() == name ? found : nullptr;
}

bool workspace_directory::is_name_free(std::string_view name, channel_id for_which) const {
  auto found = names_.find(name);
  return found == names_.end() || found->second == for_which;
}

workspace_directory::page<ChannelData> workspace_directory::channels(channel_id after, std::size_t count_max,
                                                                     const channel_filter& filter) const {
  return page_of(channels_, after, count_max, [&](channel_id id, const ChannelData& channel) {
    if (channel.is_archived() && filter.exclude_archived) return false;
    return channel.is_private() ? filter.with_private && filter.member_of.contains(id) : filter.with_public;
  });
}

std::vector<channel_id> workspace_directory::unfinished_channels() const {
  std::vector<channel_id> ids;
  for (const auto& [id, channel] : channels_)
    if (channel.is_pending() || !channel.reserved_name().empty()) ids.push_back(id);
  return ids;
}

// -- apps
// --------------------------------------------------------------------------------------------------------------

void workspace_directory::put_app(InstalledApp app) {
  app_id id{app.app()};
  if (auto* old = value_or_null(apps_, id)) bots_.erase({old->bot()});
  bots_[{app.bot()}] = id;
  apps_[id] = std::move(app);
}

const InstalledApp* workspace_directory::app(app_id id) const { return value_or_null(apps_, id); }

const InstalledApp* workspace_directory::app_of_bot(bot_id bot) const {
  auto found = bots_.find(bot);
  return found == bots_.end() ? nullptr : app(found->second);
}

}  // namespace throng
