// SPDX-License-Identifier: Apache-2.0
// Who is in the channel. The members' rows are the truth; each USER's list follows (channel_lists.cpp).
#include <algorithm>

#include "actors/channel/channel.hpp"

namespace throng {

namespace {

std::string mention(user_id user) { return "<@" + to_text(user) + ">"; }

}  // namespace

void channel::add_member(channel_change& change, user_id user, user_id inviter) {
  state_.add_member(user);
  change.write(put_member{{id(), user, self().wall()}});
  auto event = std::make_shared<Event>();
  auto& member = *event->mutable_member();
  member.set_is_joined(true);
  member.set_user(user.value);
  member.set_inviter(inviter.value);
  change.announce(std::move(event));
  MessageData data;
  data.set_inviter(inviter.value);
  change.system_post(user, "channel_join", mention(user) + " has joined the channel", std::move(data));
}

void channel::remove_member(channel_change& change, user_id user, user_id remover) {
  state_.remove_member(user);
  change.write(erase_member{id(), user});
  auto event = std::make_shared<Event>();
  auto& member = *event->mutable_member();
  member.set_user(user.value);
  member.set_remover(remover.value);
  change.announce(std::move(event));
  auto text = remover ? mention(user) + " was removed from the channel by " + mention(remover)
                      : mention(user) + " has left the channel";
  change.system_post(user, "channel_leave", std::move(text));
}

/// Their USERs will never list the channel: they were members for as long as it took to ask.
task<result<>> channel::undo_members(std::vector<user_id> refused) {
  auto change = begin();
  for (auto user : refused)
    if (state_.members().contains(user)) remove_member(change, user, {});
  if (change.events().empty()) co_return done;
  auto committed = co_await commit_change(std::move(change));
  if (committed) tell_member_count();
  if (!committed) co_return committed.failure();
  co_return done;
}

task<result<ChannelReply>> channel::create(const CreateChannelRequest& request, const envelope&) {
  const auto& caller = request.caller();
  if (state_.exists()) co_return co_await open_again(request);
  auto is_direct = kind_of(id()) != channel_kind::channel;
  std::vector<user_id> users;
  for (auto user : request.members()) users.push_back({user});
  member_set people(std::move(users));
  if (request.channel().id() != id().value || request.channel().team() == 0)
    co_return error{errc::invalid_arguments, "a channel is created by its own id and in a workspace"};
  if (people.contains({}) || people.count() > options_.limits.members_max || (is_direct && people.count() == 0))
    co_return error{errc::invalid_arguments, "these members can't be"};

  auto data = request.channel();
  data.clear_pins();
  data.clear_is_pending();
  data.clear_member_count();
  if (data.creator() == 0) data.set_creator(caller.user());
  if (data.created() == 0) data.set_created(seconds_of(self().wall()));
  if (is_direct) data.set_is_private(true);
  auto before = sequence_.last_seq();
  auto change = begin();
  std::vector<user_id> listed(people.all().begin(), people.all().end());
  if (is_direct) {
    for (auto user : listed) change.write(put_member{{id(), user, self().wall()}});
    state_.set(std::move(data), std::move(people));
  } else {
    state_.set(std::move(data), {});
    for (auto user : listed) add_member(change, user, {});
  }
  write_row(change);
  is_latest_known_ = true;
  auto committed = co_await commit_change(std::move(change));
  if (!committed) co_return committed.failure();

  user_id creator{caller.user()};
  if (is_direct) {
    // The others see it with the first post.
    std::erase(listed, creator);
    auto others = co_await list_for(std::move(listed), before, true);
    if (!others) co_return others.failure();
    listed.clear();
    if (state_.is_member(caller)) listed.push_back(creator);
  }
  // A direct channel keeps its people: it is opened again when there is room.
  if (is_direct) {
    auto shown = co_await list_for(std::move(listed), before, false);
    if (!shown) co_return shown.failure();
  } else {
    auto shown = co_await list_or_undo(std::move(listed), before);
    if (!shown) co_return shown.failure();
  }
  co_return describe(caller);
}

// The same again: by its creator, whose first request may have died on its way, or one of a direct channel's people.
task<result<ChannelReply>> channel::open_again(const CreateChannelRequest& request) {
  const auto& caller = request.caller();
  auto is_welcome = state_.is_direct()
                        ? state_.is_member(caller)
                        : caller.user() == state_.data().creator() && request.channel().team() == state_.data().team();
  if (!is_welcome) co_return errc::channel_not_found;
  if (auto committed = co_await settled(); !committed) co_return committed.failure();
  std::vector<user_id> shown, quiet;
  for (auto user : request.members()) {
    if (!state_.members().contains({user})) continue;
    auto is_shown = !state_.is_direct() || user == caller.user();
    (is_shown ? shown : quiet).push_back({user});
  }
  auto first = co_await list_for(std::move(quiet), ring_.end(), true);
  if (!first) co_return first.failure();
  auto second = co_await list_for(std::move(shown), ring_.end(), false);
  if (!second) co_return second.failure();
  co_return describe(caller);
}

task<result<ChannelReply>> channel::join(const JoinRequest& request, const envelope&) {
  const auto& caller = request.caller();
  user_id user{caller.user()};
  if (auto may = state_.may_join(caller); !may) co_return may.failure();
  if (state_.is_member(caller)) {
    auto committed = co_await settled();
    if (!committed) co_return committed.failure();
  }
  // Asked once more: while we waited she may have left, and that must not be undone by a late AddChannel.
  auto was_member = state_.is_member(caller);
  auto before = was_member ? ring_.end() : sequence_.last_seq();
  if (!was_member) {
    if (auto may = state_.may_join(caller); !may) co_return may.failure();
    auto change = begin();
    add_member(change, user, {});
    auto committed = co_await commit_change(std::move(change));
    if (!committed) co_return committed.failure();
    tell_member_count();
  }
  std::vector<user_id> people(1, user);
  auto listed = co_await list_or_undo(std::move(people), before);
  if (!listed) co_return listed.failure();
  auto reply = describe(caller);
  reply.set_was_member(was_member);
  co_return reply;
}

task<result<ChannelReply>> channel::leave(const LeaveRequest& request, const envelope&) {
  const auto& caller = request.caller();
  user_id user{caller.user()};
  if (!state_.is_member(caller) && state_.exists() && !state_.is_direct()) {
    if (auto committed = co_await settled(); !committed) co_return committed.failure();
    if (!state_.is_member(caller)) {
      auto unlisted = co_await unlist_for(user, user, 0);
      if (auto sees = state_.may_see(caller); !sees) co_return sees.failure();
      if (!unlisted) co_return unlisted.failure();
      co_return describe(caller);
    }
  }
  if (auto may = state_.may_leave(caller); !may) co_return may.failure();
  const auto before = sequence_.last_seq();
  auto change = begin();
  remove_member(change, user, {});
  auto committed = co_await commit_change(std::move(change));
  if (!committed) co_return committed.failure();
  tell_member_count();
  auto unlisted = co_await unlist_for(user, user, before);
  if (!unlisted) co_return unlisted.failure();
  auto reply = describe(caller);
  reply.set_was_member(true);
  co_return reply;
}

task<result<InviteReply>> channel::invite(const InviteRequest& request, const envelope&) {
  const auto& caller = request.caller();
  if (auto may = state_.may_invite(caller); !may) co_return may.failure();
  if (request.users().empty()) co_return errc::no_user;
  if (static_cast<std::size_t>(request.users_size()) > options_.invited_max) co_return errc::too_many_users;
  std::vector<user_id> asked;
  for (auto user : request.users()) asked.push_back({user});
  member_set guests(std::move(asked));

  InviteReply reply;
  auto fail = [&](user_id user, errc code) {
    auto& failure = *reply.add_failures();
    failure.set_user(user.value);
    failure.set_code(static_cast<std::uint32_t>(code));
  };
  auto before = sequence_.last_seq();
  auto change = begin();
  std::vector<user_id> listed;
  for (auto guest : guests.all()) {
    auto may = state_.may_be_invited(caller, guest);
    if (may || may.code() == errc::already_in_channel) listed.push_back(guest);
    if (may)
      add_member(change, guest, {caller.user()});
    else
      fail(guest, may.code());
  }
  if (change.events().empty()) {
    auto committed = co_await settled();
    if (!committed) co_return committed.failure();
  } else {
    auto committed = co_await commit_change(std::move(change));
    if (!committed) co_return committed.failure();
    tell_member_count();
  }

  // Who has left meanwhile isn't listed again.
  std::erase_if(listed, [&](user_id guest) { return !state_.members().contains(guest); });
  auto outcomes = co_await list_each(listed, before);
  if (!outcomes) co_return outcomes.failure();
  for (std::size_t each = 0; each < listed.size(); ++each) {
    auto is_known =
        std::ranges::any_of(reply.failures(), [&](const auto& f) { return f.user() == listed[each].value; });
    if (!(*outcomes)[each] && !is_known) fail(listed[each], (*outcomes)[each].code());
  }
  *reply.mutable_channel() = state_.described();
  reply.set_is_member(state_.is_member(caller));
  co_return reply;
}

task<result<ChannelReply>> channel::kick(const KickRequest& request, const envelope&) {
  const auto& caller = request.caller();
  user_id target{request.user()}, remover{caller.user()};
  auto may = state_.may_kick(caller, target);
  if (!may && may.code() == errc::not_in_channel && state_.is_member(caller)) {
    if (auto committed = co_await settled(); !committed) co_return committed.failure();
    if (!state_.members().contains(target)) {
      auto unlisted = co_await unlist_for(target, remover, 0);
      if (!unlisted) co_return unlisted.failure();
      co_return errc::not_in_channel;
    }
    may = state_.may_kick(caller, target);
  }
  if (!may) co_return may.failure();
  const auto before = sequence_.last_seq();
  auto change = begin();
  remove_member(change, target, remover);
  auto committed = co_await commit_change(std::move(change));
  if (!committed) co_return committed.failure();
  tell_member_count();
  auto unlisted = co_await unlist_for(target, remover, before);
  if (!unlisted) co_return unlisted.failure();
  co_return describe(caller);
}

}  // namespace throng
