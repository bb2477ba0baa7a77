// SPDX-License-Identifier: Apache-2.0
// CHANNEL STATE: what a channel is, who is in it, and who may do what to it. Pure: no clock, no store, no actor. Posts
// are not here: they are in the store.
//
// The walls: a public channel is seen by everyone of its workspace, any other by its members only; to anybody else it
// doesn't exist (errc::channel_not_found, which each may_… can answer before what it says).
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "actors/channel/channel_options.hpp"
#include "actors/channel/member_set.hpp"
#include "actors/proto/records.pb.h"
#include "storage/model/ids.hpp"
#include "storage/model/result.hpp"
#include "storage/model/time.hpp"

namespace throng {

class channel_state {
 public:
  explicit channel_state(const channel_limits& limits) : limits_(limits) {}

  void set(ChannelData data, member_set members);
  bool exists() const { return data_.id() != 0; }

  // -- what it is
  channel_kind kind() const { return kind_of(channel_id{data_.id()}); }
  bool is_direct() const { return kind() != channel_kind::channel; }  // an im or mpim: fixed members, no name
  const ChannelData& data() const { return data_; }
  ChannelData described() const;  // with the number of members
  const member_set& members() const { return members_; }
  bool is_member(const Caller& caller) const { return members_.contains(user_id{caller.user()}); }

  // -- who may do what
  result<> may_see(const Caller& caller) const;
  /// People read public channels without joining; bots don't: errc::not_in_channel.
  result<> may_read(const Caller& caller) const;
  /// errc::not_in_channel, errc::is_archived.
  result<> may_post(const Caller& caller) const;
  /// Reads it, and it isn't archived: errc::is_archived.
  result<> may_react(const Caller& caller) const;
  result<> may_join(const Caller& caller) const;
  result<> may_leave(const Caller& caller) const;
  result<> may_invite(const Caller& caller) const;
  /// Of a person who isn't in the channel: not_in_channel too.
  result<> may_kick(const Caller& caller, user_id target) const;
  result<> may_rename(const Caller& caller) const;
  result<> may_describe(const Caller& caller, std::string_view text) const;
  result<> may_archive(const Caller& caller, bool is_archived) const;
  /// For one of the people in an invitation.
  result<> may_be_invited(const Caller& caller, user_id guest) const;
  /// errc::already_pinned, errc::not_pinnable (too many); errc::no_pin.
  result<> may_pin(message_ts ts, bool is_added) const;

  // -- changes; REQUIRES: allowed
  void add_member(user_id user) { members_.add(user); }
  void remove_member(user_id user) { members_.remove(user); }
  void rename(std::string name, wall_time now);
  void describe(bool is_purpose, std::string text, user_id by, wall_time now);
  void archive(bool is_archived, wall_time now);
  void pin(message_ts ts, user_id by, wall_time now);
  /// False if it wasn't pinned.
  bool unpin(message_ts ts);

 private:
  bool is_manager(const Caller& caller) const;

  channel_limits limits_;
  ChannelData data_;
  member_set members_;
};

}  // namespace throng
