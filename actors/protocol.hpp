// SPDX-License-Identifier: Apache-2.0
// Which reply each request has, as the services in actors/proto/ say (tests/unit/actors/protocol_test.cpp compares).
#pragma once

#include "actors/proto/channel.pb.h"
#include "actors/proto/event.pb.h"
#include "actors/proto/records.pb.h"
#include "actors/proto/session.pb.h"
#include "actors/proto/user.pb.h"
#include "actors/proto/workspace.pb.h"
#include "cluster/message.hpp"

THRONG_RPC(throng::CreateChannelRequest, throng::ChannelReply);
THRONG_RPC(throng::ChannelInfoRequest, throng::ChannelReply);
THRONG_RPC(throng::JoinRequest, throng::ChannelReply);
THRONG_RPC(throng::LeaveRequest, throng::ChannelReply);
THRONG_RPC(throng::InviteRequest, throng::InviteReply);
THRONG_RPC(throng::KickRequest, throng::ChannelReply);
THRONG_RPC(throng::RenameChannelRequest, throng::ChannelReply);
THRONG_RPC(throng::SetTopicRequest, throng::ChannelReply);
THRONG_RPC(throng::ArchiveRequest, throng::ChannelReply);
THRONG_RPC(throng::MembersRequest, throng::MembersReply);
THRONG_RPC(throng::PostRequest, throng::PostReply);
THRONG_RPC(throng::UpdateRequest, throng::PostReply);
THRONG_RPC(throng::DeleteRequest, throng::PostReply);
THRONG_RPC(throng::EphemeralRequest, throng::PostReply);
THRONG_RPC(throng::ReactRequest, throng::PostReply);
THRONG_RPC(throng::PinRequest, throng::PostReply);
THRONG_RPC(throng::PinsRequest, throng::PinsReply);
THRONG_RPC(throng::HistoryRequest, throng::HistoryReply);
THRONG_RPC(throng::RepliesRequest, throng::HistoryReply);
THRONG_RPC(throng::GetMessageRequest, throng::PostReply);
THRONG_RPC(throng::TypingNotice, throng::Nothing);
THRONG_RPC(throng::ReplayRequest, throng::ReplayReply);

THRONG_RPC(throng::CreateUserRequest, throng::UserReply);
THRONG_RPC(throng::GetUserRequest, throng::UserReply);
THRONG_RPC(throng::SetProfileRequest, throng::UserReply);
THRONG_RPC(throng::SetRoleRequest, throng::UserReply);
THRONG_RPC(throng::UserChannelsRequest, throng::UserChannelsReply);
THRONG_RPC(throng::AddChannelRequest, throng::Nothing);
THRONG_RPC(throng::RemoveChannelRequest, throng::Nothing);
THRONG_RPC(throng::MarkRequest, throng::Nothing);
THRONG_RPC(throng::ShowDirectRequest, throng::ShowDirectReply);
THRONG_RPC(throng::SetManualPresenceRequest, throng::Nothing);
THRONG_RPC(throng::SetDndRequest, throng::DndReply);
THRONG_RPC(throng::SetPrefRequest, throng::Nothing);
THRONG_RPC(throng::ReactedNotice, throng::Nothing);
THRONG_RPC(throng::Ephemeral, throng::Nothing);
THRONG_RPC(throng::SignedOut, throng::Nothing);
THRONG_RPC(throng::SessionStartedRequest, throng::UserReply);
THRONG_RPC(throng::SessionEndedNotice, throng::Nothing);

THRONG_RPC(throng::CreateWorkspaceRequest, throng::WorkspaceReply);
THRONG_RPC(throng::WorkspaceInfoRequest, throng::WorkspaceReply);
THRONG_RPC(throng::CreateMemberRequest, throng::MemberReply);
THRONG_RPC(throng::UserChangedRequest, throng::Nothing);
THRONG_RPC(throng::UsersRequest, throng::UsersReply);
THRONG_RPC(throng::FindUsersRequest, throng::UsersReply);
THRONG_RPC(throng::NewChannelRequest, throng::ChannelReply);
THRONG_RPC(throng::RenameInWorkspaceRequest, throng::ChannelReply);
THRONG_RPC(throng::ChannelUpdatedRequest, throng::Nothing);
THRONG_RPC(throng::MemberCountNotice, throng::Nothing);
THRONG_RPC(throng::ChannelsRequest, throng::ChannelsReply);
THRONG_RPC(throng::FindChannelsRequest, throng::ChannelsReply);
THRONG_RPC(throng::InstallAppRequest, throng::InstallAppReply);
THRONG_RPC(throng::FindBotRequest, throng::InstallAppReply);

THRONG_RPC(throng::OpenSessionRequest, throng::OpenSessionReply);
THRONG_RPC(throng::AttachRequest, throng::AttachReply);
THRONG_RPC(throng::DetachNotice, throng::Nothing);
THRONG_RPC(throng::PartRequest, throng::PartReply);
THRONG_RPC(throng::AnnounceRequest, throng::Nothing);
THRONG_RPC(throng::WatchPresenceRequest, throng::Nothing);
THRONG_RPC(throng::ActiveNotice, throng::Nothing);
THRONG_RPC(throng::EndSessionRequest, throng::Nothing);

THRONG_RPC(throng::SessionOnlineNotice, throng::Nothing);
THRONG_RPC(throng::SessionOfflineNotice, throng::Nothing);
THRONG_RPC(throng::SetAwayNotice, throng::Nothing);
THRONG_RPC(throng::PresenceQuery, throng::PresenceReply);
