// SPDX-License-Identifier: Apache-2.0
// WORKSPACE: the entity of one workspace: names, settings, and the directories of people, channels and apps, which are
// held in memory whole. Publishes what everyone of the workspace may know.
//
// What takes more than one entity (a channel, a member, a rename) goes in steps, so that a crash anywhere can be made
// good: the directory row says what is being done ─► the other entity does it ─► the row says that it is. Rows that are
// not finished are taken up again after a failure and when the WORKSPACE is loaded; every step may be repeated.
// Handlers by file: workspace_channels.cpp, workspace_members.cpp; questions and the rest in workspace.cpp.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "actors/id_generator.hpp"
#include "actors/protocol.hpp"
#include "actors/stream/numbered_stream.hpp"
#include "actors/stream/turns.hpp"
#include "actors/workspace/workspace_directory.hpp"
#include "cluster/entity.hpp"
#include "cluster/protocol.hpp"

namespace throng {

struct workspace_options {
  std::shared_ptr<id_generator> ids;  // required
  numbered_stream_options stream;
  duration ask_timeout = std::chrono::seconds(5);
  duration retry_delay = std::chrono::seconds(1);  // doubles with each failure
  duration retry_delay_max = std::chrono::seconds(30);
  std::size_t users_max = 100'000;
  std::size_t channels_max = 200'000;
  std::size_t page_max = 1'000;
  std::size_t joined_at_once_max = 100;  // channels of a new member
  std::size_t turns_waiting_max = 1'000;
};

class workspace final : public entity {
 public:
  workspace(entity_context& self, const workspace_options& options);

  task<result<>> load() override;
  void receive(std::shared_ptr<const envelope> message) override;
  void wake() override;
  message_ptr snapshot() const override;
  message_ptr handover() const override;
  void take_over(const google::protobuf::Message& handed) override;
  static const protocol<workspace>& handlers();

  // -- the handlers, in the order of workspace.proto
  task<result<WorkspaceReply>> create(const CreateWorkspaceRequest& request, const envelope& from);
  result<WorkspaceReply> info(const WorkspaceInfoRequest& request, const envelope& from);
  task<result<MemberReply>> create_member(const CreateMemberRequest& request, const envelope& from);
  task<result<Nothing>> user_changed(const UserChangedRequest& request, const envelope& from);
  result<UsersReply> users(const UsersRequest& request, const envelope& from);
  result<UsersReply> find_users(const FindUsersRequest& request, const envelope& from);
  task<result<ChannelReply>> create_channel(const NewChannelRequest& request, const envelope& from);
  task<result<ChannelReply>> rename_channel(const RenameInWorkspaceRequest& request, const envelope& from);
  task<result<Nothing>> channel_updated(const ChannelUpdatedRequest& request, const envelope& from);
  result<Nothing> count_members(const MemberCountNotice& notice, const envelope& from);
  result<ChannelsReply> channels(const ChannelsRequest& request, const envelope& from);
  result<ChannelsReply> find_channels(const FindChannelsRequest& request, const envelope& from);
  task<result<InstallAppReply>> install_app(const InstallAppRequest& request, const envelope& from);
  result<InstallAppReply> find_bot(const FindBotRequest& request, const envelope& from);
  task<result<ReplayReply>> replay(const ReplayRequest& request, const envelope& from);

 private:
  // -- workspace.cpp
  team_id id() const { return {self().key().id}; }
  result<> check_exists() const;
  WorkspaceReply describe() const;
  std::size_t page_size(std::uint32_t limit) const;
  write_op row() const;
  write_op row(const UserData& user) const;
  write_op row(const ChannelData& channel) const;
  write_op row(const InstalledApp& app) const;
  template <class Value>
  task<result<Value>> in_turn(std::uint64_t key, task<result<Value>> work);
  /// wake() will look for what isn't finished.
  void retry_soon();
  task<> finish_unfinished();

  // -- workspace_channels.cpp
  Caller as_creator(const ChannelData& channel) const;
  task<result<ChannelReply>> make_channel(channel_id channel, Caller caller);
  task<result<ChannelReply>> rename_now(const RenameInWorkspaceRequest& request);
  task<result<ChannelReply>> finish_rename(channel_id channel);
  task<result<>> give_up(channel_id channel);
  /// The directory follows what the CHANNEL says of itself. It may be said twice.
  task<result<>> apply_channel(ChannelData channel, user_id by);

  // -- workspace_members.cpp
  /// Puts the row of someone who is to become a member.
  task<result<>> reserve_member(UserData user);
  /// Everything after that; finds out by itself what is done already.
  task<result<MemberReply>> make_member(user_id user);
  task<result<>> confirm_member(user_id user);
  task<result<>> join_channels(user_id user);
  task<result<>> join_channel(user_id user, channel_id channel);
  InstalledApp app_of(const UserData& bot_user) const;

  const workspace_options& options_;  // the factory's, which outlives all entities
  WorkspaceData data_;                // without an id: it doesn't exist
  workspace_directory directory_;
  numbered_stream stream_;
  turns turns_;  // by id: a channel or a person is made or renamed by one at a time
  duration retry_delay_;
  bool is_retrying_ = false;
};

/// REQUIRES: options.ids. The options are copied once and shared by all workspaces.
entity_factory make_workspace_factory(const workspace_options& options);

/// Whether an ask that failed so may have been done all the same, or will succeed another time.
constexpr bool is_uncertain(errc code) { return static_cast<unsigned>(code) < 100; }

template <class Value>
task<result<Value>> workspace::in_turn(std::uint64_t key, task<result<Value>> work) {
  co_return co_await turns_.run<Value>(self().mailbox(), key, std::move(work));
}

}  // namespace throng
