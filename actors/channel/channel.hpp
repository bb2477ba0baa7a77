// SPDX-License-Identifier: Apache-2.0
// CHANNEL: the entity of one channel. Orders its posts and events, commits them, publishes them, and answers. The rules
// are in channel_state and message_rules; what is here is the order of things:
//
//   check ─► number (ts, seq) ─► commit_change() ─► publish ─► answer        many at once, published in the order of
//   seq
//              └─ at once, without waiting in between ─┘
//
// State changes when a change is numbered, not when it is committed: whatever builds on it is committed after it, and
// if it fails this incarnation ends. So an answer that claims what is (was_member) waits for settled() first. Handlers
// by file: channel_posts.cpp, channel_reads.cpp, channel_members.cpp (and channel_lists.cpp), channel_settings.cpp.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "actors/channel/channel_change.hpp"
#include "actors/channel/channel_options.hpp"
#include "actors/channel/channel_queries.hpp"
#include "actors/channel/channel_state.hpp"
#include "actors/channel/recent_posts.hpp"
#include "actors/channel/root_cache.hpp"
#include "actors/channel/sequence.hpp"
#include "actors/protocol.hpp"
#include "actors/stream/event_ring.hpp"
#include "actors/stream/turns.hpp"
#include "cluster/entity.hpp"
#include "cluster/protocol.hpp"

namespace throng {

class channel final : public entity {
 public:
  channel(entity_context& self, const channel_options& options);

  task<result<>> load() override;
  void receive(std::shared_ptr<const envelope> message) override;
  void wake() override;
  message_ptr snapshot() const override;
  message_ptr handover() const override;
  task<result<>> load_from(message_ptr handed) override;
  void take_over(const google::protobuf::Message& handed) override;
  static const protocol<channel>& handlers();

  // -- the handlers, in the order of channel.proto
  task<result<ChannelReply>> create(const CreateChannelRequest& request, const envelope& from);
  task<result<ChannelReply>> info(const ChannelInfoRequest& request, const envelope& from);
  task<result<ChannelReply>> join(const JoinRequest& request, const envelope& from);
  task<result<ChannelReply>> leave(const LeaveRequest& request, const envelope& from);
  task<result<InviteReply>> invite(const InviteRequest& request, const envelope& from);
  task<result<ChannelReply>> kick(const KickRequest& request, const envelope& from);
  task<result<ChannelReply>> rename(const RenameChannelRequest& request, const envelope& from);
  task<result<ChannelReply>> set_topic(const SetTopicRequest& request, const envelope& from);
  task<result<ChannelReply>> archive(const ArchiveRequest& request, const envelope& from);
  result<MembersReply> members(const MembersRequest& request, const envelope& from);
  task<result<PostReply>> post(const PostRequest& request, const envelope& from);
  task<result<PostReply>> update(const UpdateRequest& request, const envelope& from);
  task<result<PostReply>> remove(const DeleteRequest& request, const envelope& from);
  task<result<PostReply>> post_ephemeral(const EphemeralRequest& request, const envelope& from);
  task<result<PostReply>> react(const ReactRequest& request, const envelope& from);
  task<result<PostReply>> pin_message(const PinRequest& request, const envelope& from);
  task<result<PinsReply>> pins(const PinsRequest& request, const envelope& from);
  task<result<HistoryReply>> history(const HistoryRequest& request, const envelope& from);
  task<result<HistoryReply>> replies(const RepliesRequest& request, const envelope& from);
  task<result<PostReply>> message(const GetMessageRequest& request, const envelope& from);
  void typing(const TypingNotice& notice, const envelope& from);
  task<result<ReplayReply>> replay(const ReplayRequest& request, const envelope& from);

 private:
  // -- channel.cpp
  channel_id id() const { return {self().key().id}; }
  void add_stored(ChannelHandover& to) const;
  void go_on_with(const ChannelHandover& handed, store_reader::stream_end end);
  channel_change begin() { return {id(), sequence_, self().wall()}; }
  /// Commits, and publishes in order when that is done. To be awaited at once: see above.
  task<result<>> commit_change(channel_change change, std::uint64_t skip_connection = 0);
  void publish_numbered(const channel_change::numbered_event& event, std::uint64_t skip_connection, journey path);
  void publish_unnumbered(std::shared_ptr<const Event> event, delivery_class priority, std::uint64_t skip_connection);
  void tell_settled(const result<>& outcome);
  /// When all that was changed before is committed.
  task<result<>> settled();
  template <class Value, class Query, class... Arguments>
  task<result<Value>> query(Query read, Arguments... arguments);
  ChannelReply describe(const Caller& caller) const;
  /// Brings the workspace's directory up to date; if that fails, wake() tries again.
  task<> update_directory(user_id by);
  void update_directory_soon();
  /// So that the directory counts right at once. It isn't stored; the directory is brought up to date soon.
  void tell_member_count();

  /// For wake(), the earliest of what is to be done later.
  void schedule();

  // -- channel_lists.cpp
  /// Asks each user's USER, some at a time; the outcome of each, in their order.
  task<std::vector<result<>>> ask_users(std::vector<user_id> users, message_ptr request);
  /// The channel is on these people's lists from `seq` on.
  task<std::vector<result<>>> tell_lists(std::vector<user_id> users, seq_t seq, bool is_quiet);
  task<result<>> list_for(std::vector<user_id> users, seq_t seq, bool is_quiet);
  /// The same for people who have joined: who can't be, isn't a member afterwards.
  task<result<std::vector<result<>>>> list_each(std::vector<user_id> users, seq_t seq);
  task<result<>> list_or_undo(std::vector<user_id> users, seq_t seq);
  /// The event of her removal is behind `seq`; 0: there was none now.
  task<result<>> unlist_for(user_id user, user_id by, seq_t seq);
  message_ptr listing(seq_t seq, bool is_quiet) const;
  void was_told(user_id user, bool as_member, seq_t seq, const result<>& outcome);
  void owe_list(user_id user, seq_t seq);
  void owe_latest(const std::vector<message_record>& newest_first);
  void tell_again_later();
  struct retelling;
  void tell_again();
  task<> tell_some_again(std::shared_ptr<retelling> all);
  task<> tell_again(user_id user, seq_t seq);
  task<result<user_id>> remover_of(user_id user, seq_t seq);

  // -- channel_members.cpp
  task<result<>> undo_members(std::vector<user_id> refused);
  void add_member(channel_change& change, user_id user, user_id inviter);
  void remove_member(channel_change& change, user_id user, user_id remover);
  task<result<ChannelReply>> open_again(const CreateChannelRequest& request);

  // -- channel_settings.cpp
  /// What rename, topic and archive end with.
  task<result<ChannelReply>> commit_settings(channel_change change, const Caller& caller);
  void write_row(channel_change& change) const;
  /// Members of a private channel hear of a change in its own stream, everyone of a public one in the workspace's.
  void announce_settings(channel_change& change, ChannelChanged::Kind kind, const Caller& caller) const;

  // -- channel_posts.cpp
  task<result<PostReply>> post_in_turn(const PostRequest& request, journey path);
  task<result<thread_root>> find_root(message_ts asked, bool with_post);
  task<result<PostReply>> post_now(const PostRequest& request, thread_root root, journey path);
  task<result<PostReply>> answer_again(const PostRequest& request, message_ts ts);
  task<result<PostReply>> update_now(const UpdateRequest& request);
  task<result<PostReply>> remove_now(const DeleteRequest& request);
  task<result<PostReply>> react_now(const ReactRequest& request);
  task<result<PostReply>> pin_now(const PinRequest& request);
  /// A direct channel comes onto its people's lists with a post.
  task<> show_direct(seq_t before);
  void announce_thread(message_ts root);
  task<> announce_thread_now(message_ts root);

  // -- channel_reads.cpp
  store_reader::message_range page_range(std::int64_t oldest, std::int64_t latest, bool inclusive,
                                         std::uint32_t limit) const;

  const channel_options& options_;  // the factory's, which outlives all entities
  channel_state state_;
  sequence sequence_;
  event_ring ring_;
  recent_posts recent_;
  root_cache roots_;
  turns senders_;   // by user: posts of one person stay in order though one of them waits for the store
  turns messages_;  // by ts: a message is read, changed and written by one at a time
  std::shared_ptr<const Message> latest_;  // the newest post that is shown in the channel
  bool is_latest_known_ = false;
  bool is_shown_ = false;  // a direct channel, on its people's lists, as far as this activation knows
  std::optional<seq_t> unshown_after_;

  std::uint64_t changes_begun_ = 0, changes_committed_ = 0;
  std::optional<error> failure_;  // of a commit: nothing is committed any more
  std::vector<std::pair<std::uint64_t, std::function<void(result<>)>>> settling_;

  std::map<message_ts, bool> announcing_;  // root → it has changed since its summary was read
  std::uint64_t removals_ = 0, removals_committed_ = 0;
  bool is_directory_stale_ = false;
  steady_time directory_at_{};
  /// Whose list may not have followed: behind which seq she came or went; 0 isn't known. Of members, and of who has
  /// left since.
  std::map<user_id, seq_t> untold_;
  bool is_retelling_ = false;
  duration retell_delay_;
  steady_time retell_at_{};
};

/// The options are copied once and shared by all channels.
entity_factory make_channel_factory(const channel_options& options);

template <class Value, class Query, class... Arguments>
task<result<Value>> channel::query(Query read, Arguments... arguments) {
  std::function<result<Value>(store_reader&)> job = [read, id = id(),
                                                     ... arguments = std::move(arguments)](store_reader& reader) {
    return read(reader, id, arguments...);
  };
  co_return co_await self().template read<Value>(std::move(job));
}

}  // namespace throng
