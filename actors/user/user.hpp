// SPDX-License-Identifier: Apache-2.0
// USER: the entity of one person or bot user: profile, list of channels with read cursors, preferences, live sessions.
// Publishes what only this person's own devices may know. What others may know goes to the WORKSPACE, before the answer
// to whoever changed it, so that a directory that is read afterwards has it.
// Handlers by file: user_channels.cpp, user_settings.cpp, user_sessions.cpp; the rest in user.cpp.
#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "actors/protocol.hpp"
#include "actors/stream/numbered_stream.hpp"
#include "cluster/entity.hpp"
#include "cluster/protocol.hpp"

namespace throng {

struct user_options {
  numbered_stream_options stream;
  duration ask_timeout = std::chrono::seconds(5);
  duration retry_delay = std::chrono::seconds(2);
  std::size_t channels_max = 20'000;  // and as many direct ones that were never shown
  std::size_t channels_page_max = 20'000;
  std::size_t sessions_max = 50;
  std::size_t sessions_asked_max = 100;  // to make room for one more; the others' turn comes with the next
  duration session_silent_after = std::chrono::minutes(12);  // sessions repeat themselves every five
  std::size_t prefs_max = 200;
  std::size_t pref_bytes_max = 4'096;  // name and value
  std::size_t reacted_max = 100;
  std::int64_t snooze_minutes_max = 24 * 60;
  // A status or snooze that ends within this is waited for in memory; what ends later is seen to at an activation.
  std::chrono::seconds waited_for_max = std::chrono::hours(24);
};

class user final : public entity {
 public:
  user(entity_context& self, const user_options& options);

  task<result<>> load() override;
  void receive(std::shared_ptr<const envelope> message) override;
  void wake() override;
  message_ptr snapshot() const override;
  message_ptr handover() const override;
  void take_over(const google::protobuf::Message& handed) override;
  static const protocol<user>& handlers();

  // -- the handlers, in the order of user.proto
  task<result<UserReply>> create(const CreateUserRequest& request, const envelope& from);
  result<UserReply> info(const GetUserRequest& request, const envelope& from);
  task<result<UserReply>> set_profile(const SetProfileRequest& request, const envelope& from);
  task<result<UserReply>> set_role(const SetRoleRequest& request, const envelope& from);
  result<UserChannelsReply> channels(const UserChannelsRequest& request, const envelope& from);
  task<result<Nothing>> add_channel(const AddChannelRequest& request, const envelope& from);
  task<result<Nothing>> remove_channel(const RemoveChannelRequest& request, const envelope& from);
  task<result<Nothing>> mark(const MarkRequest& request, const envelope& from);
  task<result<ShowDirectReply>> show_direct(const ShowDirectRequest& request, const envelope& from);
  task<result<Nothing>> set_manual_presence(const SetManualPresenceRequest& request, const envelope& from);
  task<result<DndReply>> set_dnd(const SetDndRequest& request, const envelope& from);
  task<result<Nothing>> set_pref(const SetPrefRequest& request, const envelope& from);
  task<result<Nothing>> reacted(const ReactedNotice& notice, const envelope& from);
  result<Nothing> show(const Ephemeral& message, const envelope& from);
  result<Nothing> sign_out(const SignedOut& request, const envelope& from);
  task<result<UserReply>> session_started(const SessionStartedRequest& request, const envelope& from);
  result<Nothing> session_ended(const SessionEndedNotice& notice, const envelope& from);
  task<result<ReplayReply>> replay(const ReplayRequest& request, const envelope& from);

 private:
  struct listed_channel {
    std::int64_t last_read = 0;
    bool is_open = true;
    bool is_listed = true;  // false: made by the other side, and never shown yet
    bool is_private = false;
  };
  struct live_session {
    std::string token_hash;
    steady_time heard{};
  };

  // -- user.cpp
  user_id id() const { return {self().key().id}; }
  result<> check_exists() const;
  UserReply describe() const;
  write_op row() const;
  write_op row(channel_id channel, const listed_channel& listed) const;
  std::int64_t now_s() const { return seconds_of(self().wall()); }
  /// Stores the person's row with `events`, then brings the WORKSPACE's directory up to date.
  task<result<>> store_public(std::vector<Event> events, bool has_new_dnd);
  task<result<>> update_directory(bool has_new_dnd);
  task<> retry_directory();
  task<> expire();
  void schedule();

  // -- user_channels.cpp
  bool is_list_full(bool is_listed) const;

  // -- user_sessions.cpp
  void end_sessions(const SignedOut& which);
  /// Ends the oldest session that has no socket, if there are too many. Error: overloaded (all have one).
  task<result<>> make_room();

  // -- user_settings.cpp
  Event dnd_event() const;
  /// Writes that revoke all tokens of this person.
  task<result<std::vector<write_op>>> revoked_tokens();

  const user_options& options_;  // the factory's, which outlives all entities
  UserData data_;                // without an id: there is no such person
  numbered_stream stream_;
  std::map<channel_id, listed_channel> channels_;
  std::map<session_id, live_session> sessions_;
  bool is_directory_stale_ = false;
  bool is_dnd_untold_ = false;
};

/// The options are copied once and shared by all users.
entity_factory make_user_factory(const user_options& options);

}  // namespace throng
