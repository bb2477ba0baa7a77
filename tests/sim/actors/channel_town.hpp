// SPDX-License-Identifier: Apache-2.0
// CHANNEL TOWN: a node with real CHANNELs, and people and a workspace that only write down what they are told.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "actors/channel/channel.hpp"
#include "tests/support/sim_node.hpp"

namespace throng::test {

inline constexpr team_id home{1};
inline constexpr user_id ann{11}, bob{12}, eve{13};
inline constexpr channel_id plans = make_channel_id(400, channel_kind::channel);

/// What the fakes were told, and how they are to answer.
struct notebook {
  std::vector<std::string> lines;     // "12 listed 400 at 3"
  std::map<std::uint64_t, int> deaf;  // user → how many of the next requests she refuses
  std::set<std::uint64_t> silent;     // users who don't answer
  std::vector<std::shared_ptr<const envelope>> unanswered;
  std::map<std::uint64_t, errc> refusals;         // user → why she can't have one more channel on her list
  std::map<std::uint64_t, std::uint32_t> counts;  // channel → members, as the workspace was told last
};
using notebook_ptr = std::shared_ptr<notebook>;

class fake_user final : public entity {
 public:
  fake_user(entity_context& self, notebook_ptr notes) : entity(self), notes_(std::move(notes)) {}
  task<result<>> load() override { co_return done; }
  void receive(std::shared_ptr<const envelope> message) override {
    static const protocol<fake_user> table{on(&fake_user::add), on(&fake_user::remove), on(&fake_user::show),
                                           on(&fake_user::reacted)};
    if (notes_->silent.contains(self().key().id)) return notes_->unanswered.push_back(std::move(message));
    table.dispatch(*this, std::move(message));
  }
  message_ptr snapshot() const override { return share(Nothing()); }

 private:
  result<Nothing> note(std::string what) {
    auto& refusals = notes_->deaf[self().key().id];
    if (refusals > 0) return --refusals, errc::overloaded;
    notes_->lines.push_back(std::to_string(self().key().id) + " " + std::move(what));
    return Nothing();
  }
  result<Nothing> add(const AddChannelRequest& request, const envelope&) {
    if (auto refusal = notes_->refusals.find(self().key().id); refusal != notes_->refusals.end())
      return refusal->second;
    return note((request.is_quiet() ? "quietly listed " : "listed ") + std::to_string(request.channel().id()) + " at " +
                std::to_string(request.seq()));
  }
  result<Nothing> remove(const RemoveChannelRequest& request, const envelope&) {
    return note("unlisted " + std::to_string(request.channel()) + " by " + std::to_string(request.actor()));
  }
  result<Nothing> show(const Ephemeral& shown, const envelope&) {
    return note("shown " + shown.message().data().text());
  }
  void reacted(const ReactedNotice& notice, const envelope&) {
    (void)note(notice.is_added() ? "reacted" : "unreacted");  // told, not asked
  }
  notebook_ptr notes_;
};

class fake_workspace final : public entity {
 public:
  fake_workspace(entity_context& self, notebook_ptr notes) : entity(self), notes_(std::move(notes)) {}
  task<result<>> load() override { co_return done; }
  void receive(std::shared_ptr<const envelope> message) override {
    static const protocol<fake_workspace> table{on(&fake_workspace::update), on(&fake_workspace::count)};
    table.dispatch(*this, std::move(message));
  }
  message_ptr snapshot() const override { return share(Nothing()); }

 private:
  result<Nothing> update(const ChannelUpdatedRequest& request, const envelope&) {
    auto& refusals = notes_->deaf[home.value];
    if (refusals > 0) return --refusals, errc::overloaded;
    const auto& channel = request.channel();
    notes_->lines.push_back("directory: " + channel.name() + " with " + std::to_string(channel.member_count()) +
                            (channel.is_archived() ? " archived" : ""));
    return Nothing();
  }
  void count(const MemberCountNotice& notice, const envelope&) {  // told, not asked
    notes_->counts[notice.channel()] = notice.member_count();
  }
  notebook_ptr notes_;
};

inline Caller person(user_id user, team_id team = home) {
  Caller caller;
  caller.set_team(team.value);
  caller.set_user(user.value);
  return caller;
}
inline Caller admin(user_id user) {
  auto caller = person(user);
  caller.set_is_admin(true);
  return caller;
}
inline Caller bot(user_id user) {
  auto caller = person(user);
  caller.set_bot(99);
  caller.set_app(98);
  return caller;
}

/// With #plans, a public channel that ann made and is in alone, and to which the node has subscribed.
class channel_town {
 public:
  explicit channel_town(channel_options options = {})
      : node({{entity_kind::channel, make_channel_factory(options)},
              {entity_kind::user, factory_of<fake_user>()},
              {entity_kind::workspace, factory_of<fake_workspace>()}}) {
    create(plans);
    listen(plans);
  }

  template <class Entity>
  entity_factory factory_of() {
    return [notes = notes](entity_context& self) -> std::unique_ptr<entity> {
      return std::make_unique<Entity>(self, notes);
    };
  }

  static CreateChannelRequest creation(channel_id channel, bool is_private = false,
                                       std::vector<user_id> members = {ann}) {
    CreateChannelRequest request;
    *request.mutable_caller() = person(members.empty() ? user_id{} : members.front());
    auto& data = *request.mutable_channel();
    data.set_id(channel.value);
    data.set_team(home.value);
    data.set_is_private(is_private);
    if (kind_of(channel) == channel_kind::channel) data.set_name("plans");
    for (auto user : members) request.add_members(user.value);
    return request;
  }
  void create(channel_id channel, bool is_private = false, std::vector<user_id> members = {ann}) {
    node.must(key_of(channel), creation(channel, is_private, std::move(members)));
  }
  void listen(channel_id channel) {
    node.door().subscribe(key_of(channel), [](result<>) {});
    node.settle();
  }
  void join(user_id user, channel_id channel = plans) {
    JoinRequest request;
    *request.mutable_caller() = person(user);
    node.must(key_of(channel), request);
  }

  static PostRequest text(user_id user, std::string words, std::int64_t thread = 0, std::string client_msg_id = "") {
    PostRequest request;
    *request.mutable_caller() = person(user);
    request.mutable_data()->set_text(std::move(words));
    request.set_thread_ts(thread);
    request.set_client_msg_id(std::move(client_msg_id));
    return request;
  }
  Message post(user_id user, std::string words, std::int64_t thread = 0, std::string client_msg_id = "") {
    return node.must(key_of(plans), text(user, std::move(words), thread, std::move(client_msg_id))).message();
  }
  UpdateRequest edit(user_id user, std::int64_t ts, std::string words) {
    UpdateRequest request;
    *request.mutable_caller() = person(user);
    request.set_ts(ts);
    request.mutable_data()->set_text(std::move(words));
    request.set_has_text(true);
    return request;
  }
  DeleteRequest removal(user_id user, std::int64_t ts) {
    DeleteRequest request;
    *request.mutable_caller() = person(user);
    request.set_ts(ts);
    return request;
  }
  ReactRequest reaction(user_id user, std::int64_t ts, std::string name, bool is_added = true) {
    ReactRequest request;
    *request.mutable_caller() = person(user);
    request.set_ts(ts);
    request.set_name(std::move(name));
    request.set_is_added(is_added);
    return request;
  }
  PinRequest pin(user_id user, std::int64_t ts, bool is_added = true) {
    PinRequest request;
    *request.mutable_caller() = person(user);
    request.set_ts(ts);
    request.set_is_added(is_added);
    return request;
  }
  HistoryReply history(user_id user, channel_id channel = plans, std::uint32_t limit = 0) {
    HistoryRequest request;
    *request.mutable_caller() = person(user);
    request.set_limit(limit);
    return node.must(key_of(channel), request);
  }
  /// The texts of plain posts, newest first.
  std::string said(user_id user) {
    std::string all;
    auto page = history(user);
    for (const auto& message : page.messages())
      if (message.data().subtype().empty()) all += message.data().text() + " ";
    return all;
  }
  HistoryReply thread(user_id user, std::int64_t ts) {
    RepliesRequest request;
    *request.mutable_caller() = person(user);
    request.set_ts(ts);
    return node.must(key_of(plans), request);
  }
  ChannelReply info(user_id user, channel_id channel = plans) {
    ChannelInfoRequest request;
    *request.mutable_caller() = person(user);
    return node.must(key_of(channel), request);
  }
  ReplayRequest missed(user_id user, seq_t after, std::uint32_t count_max = 1'000) {
    ReplayRequest request;
    request.set_user(user.value);
    request.set_after_seq(after);
    request.set_count_max(count_max);
    return request;
  }
  template <class Request>
  errc refusal(Request request, channel_id channel = plans) {
    auto answer = node.ask(key_of(channel), std::move(request));
    return answer ? errc{} : answer.code();
  }

  static const Event& event_of(const publication_ptr& each) { return static_cast<const Event&>(*each->event); }
  /// The numbered events that were published, as they are.
  std::vector<std::string> published() {
    std::vector<std::string> all;
    for (const auto& each : node.published())
      if (each->seq != 0) all.push_back(event_of(each).SerializeAsString());
    return all;
  }
  std::vector<seq_t> published_seqs() {
    std::vector<seq_t> all;
    for (const auto& each : node.published())
      if (each->seq != 0) all.push_back(each->seq);
    return all;
  }
  std::vector<std::string> take_notes() { return std::exchange(notes->lines, {}); }

  notebook_ptr notes = std::make_shared<notebook>();
  sim_node node;
};

}  // namespace throng::test
