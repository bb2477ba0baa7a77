// SPDX-License-Identifier: Apache-2.0
// PEOPLE TOWN: a node with all kinds of entities as they are, and a workspace that is made by asking it.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "actors/channel/channel.hpp"
#include "actors/presence/presence.hpp"
#include "actors/session/session.hpp"
#include "actors/user/user.hpp"
#include "actors/workspace/workspace.hpp"
#include "tests/support/sim_node.hpp"

namespace throng::test {

inline constexpr team_id acme{7};

struct people_options {
  workspace_options workspace;
  user_options user;
  session_options session;
  presence_options presence;
};

class people_town {
 public:
  explicit people_town(people_options options = {}) : node(kinds(std::move(options))) {}

  // -- the workspace
  static CreateWorkspaceRequest founding(std::string domain = "acme") {
    CreateWorkspaceRequest request;
    request.set_domain(std::move(domain));
    request.set_name("Acme Corp");
    return request;
  }
  WorkspaceReply found() { return node.must(key_of(acme), founding()); }
  WorkspaceReply info() { return node.must(key_of(acme), WorkspaceInfoRequest{}); }
  channel_id general() { return {info().workspace().general_channel()}; }

  static CreateMemberRequest invitation(std::string name, std::vector<channel_id> channels = {}) {
    CreateMemberRequest request;
    request.set_email(name + "@example.com");
    request.set_real_name(name);
    for (auto channel : channels) request.add_channels(channel.value);
    return request;
  }
  user_id add(std::string name, std::vector<channel_id> channels = {}) {
    return {node.must(key_of(acme), invitation(std::move(name), std::move(channels))).user().id()};
  }
  static Caller person(user_id user) {
    Caller caller;
    caller.set_team(acme.value);
    caller.set_user(user.value);
    return caller;
  }
  static NewChannelRequest new_channel(user_id creator, std::string name, bool is_private = false) {
    NewChannelRequest request;
    *request.mutable_caller() = person(creator);
    request.set_name(std::move(name));
    request.set_is_private(is_private);
    return request;
  }
  channel_id make(user_id creator, std::string name, bool is_private = false) {
    return {node.must(key_of(acme), new_channel(creator, std::move(name), is_private)).channel().id()};
  }
  static RenameInWorkspaceRequest renaming(user_id who, channel_id channel, std::string name) {
    RenameInWorkspaceRequest request;
    *request.mutable_caller() = person(who);
    request.set_channel(channel.value);
    request.set_name(std::move(name));
    return request;
  }
  std::vector<std::string> names_of_channels() {
    ChannelsRequest request;
    request.set_with_public(true);
    std::vector<std::string> names;
    auto page = node.must(key_of(acme), std::move(request));
    for (const auto& each : page.channels()) names.push_back(each.name());
    return names;
  }
  std::vector<std::string> handles() {
    std::vector<std::string> names;
    auto page = node.must(key_of(acme), UsersRequest{});
    for (const auto& each : page.users()) names.push_back(each.name());
    return names;
  }
  std::vector<std::uint64_t> list_of(user_id user) {
    std::vector<std::uint64_t> channels;
    auto page = node.must(key_of(user), UserChannelsRequest{});
    for (const auto& each : page.channels()) channels.push_back(each.channel());
    return channels;
  }
  std::vector<std::uint64_t> members_of(channel_id channel, user_id asker) {
    MembersRequest request;
    *request.mutable_caller() = person(asker);
    auto page = node.must(key_of(channel), std::move(request));
    return {page.users().begin(), page.users().end()};
  }
  UserData user_of(user_id user) { return node.must(key_of(user), GetUserRequest{}).user(); }

  // -- streams
  std::vector<NumberedEvent> events(entity_key stream, seq_t after = 0) {
    ReplayRequest request;
    request.set_after_seq(after);
    auto reply = node.must(stream, std::move(request));
    return {reply.events().begin(), reply.events().end()};
  }
  /// How many events of a stream are of one kind (Event::kTeamJoin, …).
  long count(entity_key stream, Event::KindCase kind) {
    auto all = events(stream);
    return std::ranges::count_if(all, [&](const auto& each) { return each.event().kind_case() == kind; });
  }
  void listen(entity_key stream) {
    node.door().subscribe(stream, [](result<>) {});
    node.settle();
  }
  static const Event& event_of(const publication_ptr& each) { return static_cast<const Event&>(*each->event); }

  // -- sessions
  static OpenSessionRequest opening(user_id user, bool is_resume = false) {
    OpenSessionRequest request;
    *request.mutable_caller() = person(user);
    request.set_token_hash("hash of " + std::to_string(user.value));
    request.set_is_resume(is_resume);
    return request;
  }
  AttachReply attach(session_id session, const std::string& ticket, std::uint64_t connection) {
    AttachRequest request;
    request.set_ticket(ticket);
    request.set_connection(connection);
    request.set_node(1);
    return node.must(key_of(session), std::move(request));
  }
  AttachReply connect(user_id user, session_id session, std::uint64_t connection, bool is_resume = false) {
    auto ticket = node.must(key_of(session), opening(user, is_resume)).ticket();
    return attach(session, ticket, connection);
  }
  void disconnect(session_id session, std::uint64_t connection) {
    DetachNotice notice;
    notice.set_connection(connection);
    auto& cursor = *notice.add_cursors();
    cursor.set_kind(static_cast<std::uint32_t>(entity_kind::workspace));
    cursor.set_id(acme.value);
    cursor.set_seq(1);
    node.door().tell(key_of(session), share(std::move(notice)));
    node.settle();
  }
  PresenceReply::State presence_of(user_id user) {
    PresenceQuery query;
    query.add_users(user.value);
    return node.must(key_of(presence_bucket_of(user)), std::move(query)).states(0);
  }

  template <class Request>
  errc refusal(entity_key to, Request request) {
    auto answer = node.ask(to, std::move(request));
    return answer ? errc{} : answer.code();
  }

 private:
  throng::node::kinds kinds(people_options options) {
    options.workspace.ids = std::make_shared<id_generator>(node_index{1}, id_clock_, 0);
    options.session.detach_wait = {};  // its gateways don't let go of sockets by themselves
    options.session.random_bytes = [count = std::make_shared<std::uint8_t>()](std::span<std::uint8_t> bytes) {
      for (auto& byte : bytes) byte = ++*count;
    };
    return {{entity_kind::channel, make_channel_factory({})},
            {entity_kind::workspace, make_workspace_factory(options.workspace)},
            {entity_kind::user, make_user_factory(options.user)},
            {entity_kind::session, make_session_factory(options.session)},
            {entity_kind::presence, make_presence_factory(options.presence)}};
  }

  virtual_time id_clock_;

 public:
  sim_node node;
};

}  // namespace throng::test
