// SPDX-License-Identifier: Apache-2.0
// WORKSPACE DIRECTORY: who and what is in a workspace: people, channels and apps by id, name and e-mail. Pure data of
// one WORKSPACE, not thread-safe. What is pending (the entity behind it hasn't confirmed yet) holds its name, but is
// in no page and found by nobody but the WORKSPACE itself.
// Bounded by its owner, which asks for the counts before it adds.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "actors/proto/records.pb.h"
#include "storage/model/ids.hpp"

namespace throng {

/// What everyone may see of a person: without dnd, preferences, and what is known to one entity only.
UserData public_part(UserData user);
ChannelData public_part(ChannelData channel);

class workspace_directory {
 public:
  template <class Row>
  struct page {
    std::vector<const Row*> rows;  // in id order
    bool has_more = false;
  };

  // -- people
  /// Adds or replaces. REQUIRES: is_handle_free(name, id).
  void put_user(UserData user);
  /// Pending ones too; nullptr if there is none.
  const UserData* find_user(user_id id) const;
  /// Not the pending ones.
  const UserData* user(user_id id) const;
  const UserData* user_by_handle(std::string_view handle) const;
  /// Pending ones too, since an address makes one person only. Case doesn't matter.
  const UserData* find_user_by_email(std::string_view email) const;
  bool is_handle_free(std::string_view handle, user_id for_whom) const;
  /// `wanted`, or the first of wanted2, wanted3, … that is free.
  std::string free_handle(std::string_view wanted) const;
  page<UserData> users(user_id after, std::size_t count_max) const;
  bool has_people() const { return people_count_ != 0; }  // bots don't count
  std::size_t user_count() const { return users_.size() - pending_user_count_; }
  std::size_t user_rows() const { return users_.size(); }
  /// In seconds since 1970, of the newest change.
  std::int64_t users_updated() const { return users_updated_; }

  // -- channels
  /// Adds or replaces; a row without a name is forgotten. REQUIRES: is_name_free() of its names.
  void put_channel(ChannelData channel);
  /// What its CHANNEL has said since the row was put. Kept beside the row, which says what is stored.
  void count_members(channel_id id, std::uint32_t member_count);
  /// The public part, with that count.
  ChannelData shown(const ChannelData& channel) const;
  const ChannelData* find_channel(channel_id id) const;
  const ChannelData* channel(channel_id id) const;
  const ChannelData* channel_by_name(std::string_view name) const;
  const ChannelData* find_channel_by_name(std::string_view name) const;  // reserved names and pending ones too
  bool is_name_free(std::string_view name, channel_id for_which) const;

  struct channel_filter {
    bool with_public = true;
    bool with_private = true;  // those in `member_of`
    bool exclude_archived = false;
    std::unordered_set<channel_id> member_of;
  };
  page<ChannelData> channels(channel_id after, std::size_t count_max, const channel_filter& filter) const;
  std::size_t channel_count() const { return channels_.size() - pending_channel_count_; }
  std::size_t channel_rows() const { return channels_.size(); }

  // -- apps
  void put_app(InstalledApp app);
  const InstalledApp* app(app_id id) const;
  const InstalledApp* app_of_bot(bot_id bot) const;
  std::size_t app_count() const { return apps_.size(); }

  // -- what a crash or a lost answer left half done
  std::vector<user_id> unfinished_users() const;
  std::vector<channel_id> unfinished_channels() const;

 private:
  struct text_hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const noexcept { return std::hash<std::string_view>{}(text); }
  };
  template <class Id>
  using index = std::unordered_map<std::string, Id, text_hash, std::equal_to<>>;

  void forget(const UserData& user);
  void forget(const ChannelData& channel);

  std::map<user_id, UserData> users_;
  index<user_id> handles_;
  index<user_id> emails_;  // folded
  std::size_t pending_user_count_ = 0;
  std::size_t people_count_ = 0;
  std::int64_t users_updated_ = 0;

  std::map<channel_id, ChannelData> channels_;
  index<channel_id> names_;                                      // reserved ones too
  std::unordered_map<channel_id, std::uint32_t> member_counts_;  // newer than the rows'
  std::size_t pending_channel_count_ = 0;

  std::map<app_id, InstalledApp> apps_;
  std::unordered_map<bot_id, app_id> bots_;
};

}  // namespace throng
