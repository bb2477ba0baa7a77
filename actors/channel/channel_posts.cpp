// SPDX-License-Identifier: Apache-2.0
// Posts and what is done to them. A post of its own is the hot path: one row, no read, one copy of the text for the
// event and one for the answer.
#include "actors/channel/channel.hpp"
#include "actors/channel/message_rules.hpp"

namespace throng {

namespace {

constexpr std::size_t client_msg_id_bytes_max = 255;

template <class Reply>
task<result<Reply>> refuse(error why) {
  co_return why;
}

PostReply answer_with(Message message) {
  PostReply reply;
  *reply.mutable_message() = std::move(message);
  return reply;
}

}  // namespace

task<result<PostReply>> channel::post(const PostRequest& request, const envelope& from) {
  if (auto may = state_.may_post(request.caller()); !may) return refuse<PostReply>(may.failure());
  if (auto fits = check_content(request.data(), options_.limits); !fits) return refuse<PostReply>(fits.failure());
  if (request.client_msg_id().size() > client_msg_id_bytes_max)
    return refuse<PostReply>({errc::invalid_arguments, "client_msg_id is too long"});
  auto path = from.path;
  path.begun = self().wall();
  if (senders_.is_busy(request.caller().user())) return post_in_turn(request, path);
  thread_root root{{request.thread_ts()}, {}, nullptr};
  if (!root.ts) return post_now(request, root, path);
  auto author = roots_.use(root.ts);
  if (!author || request.data().is_broadcast()) return post_in_turn(request, path);
  root.author = *author;
  return post_now(request, root, path);
}

// Only finding the root is done in turn: post_now() then numbers the post before the next one's turn begins, and
// doesn't keep it waiting for the commit.
task<result<PostReply>> channel::post_in_turn(const PostRequest& request, journey path) {
  message_ts asked{request.thread_ts()};
  auto root =
      co_await senders_.run(self().mailbox(), request.caller().user(), find_root(asked, request.data().is_broadcast()));
  if (!root) co_return root.failure();
  co_return co_await post_now(request, std::move(*root), path);
}

/// A broadcast carries its root along, so that is read each time, as it is now.
task<result<thread_root>> channel::find_root(message_ts asked, bool with_post) {
  if (!asked) co_return thread_root{};
  if (!with_post)
    if (auto author = roots_.use(asked)) co_return thread_root{asked, *author, nullptr};
  auto before = removals_;
  auto is_settled = removals_ == removals_committed_;
  auto root = co_await query<thread_root>(&read_root, asked, with_post);
  // Else it may have been deleted behind the read.
  if (root && is_settled && before == removals_) roots_.add(root->ts, root->author);
  co_return root;
}

task<result<PostReply>> channel::post_now(const PostRequest& request, thread_root root, journey path) {
  const auto& caller = request.caller();
  if (auto may = state_.may_post(caller); !may) co_return may.failure();  // it may have waited since
  user_id user{caller.user()};
  if (!request.client_msg_id().empty()) {
    auto earlier = recent_.find(user, request.client_msg_id(), self().now());
    if (earlier) co_return co_await answer_again(request, *earlier);
  }

  auto event = std::make_shared<Event>();
  auto& message = *event->mutable_message();
  message.set_user(user.value);
  message.set_thread_ts(root.ts.micros);
  if (root.post) *message.mutable_root() = *root.post;
  message.set_client_msg_id(request.client_msg_id());
  auto& data = *message.mutable_data();
  data = request.data();
  clear_channel_marks(data);
  data.set_parent_user(root.author.value);
  if (!root.ts) data.clear_is_broadcast();
  if (caller.bot() != 0) data.set_bot(caller.bot()), data.set_app(caller.app());

  auto change = begin();
  change.set_path(path);
  change.post(event);
  if (!request.client_msg_id().empty()) recent_.remember(user, request.client_msg_id(), {message.ts()}, self().now());
  auto committed = co_await commit_change(std::move(change), caller.connection());
  if (!committed) co_return committed.failure();

  if (state_.is_direct()) co_await show_direct(message.seq() - 1);
  if (root.ts) announce_thread(root.ts);
  co_return answer_with(message);
}

// The client didn't hear our answer. What it would have started may not have happened either, so it happens again.
task<result<PostReply>> channel::answer_again(const PostRequest& request, message_ts ts) {
  if (auto committed = co_await settled(); !committed) co_return committed.failure();
  auto message = co_await query<Message>(&read_message, ts);
  if (!message && message.code() != errc::message_not_found) co_return message.failure();
  PostReply reply;
  if (message) {
    *reply.mutable_message() = std::move(*message);
  } else {  // deleted since; it was posted all the same
    reply.mutable_message()->set_channel(id().value);
    reply.mutable_message()->set_ts(ts.micros);
    reply.mutable_message()->set_user(request.caller().user());
    reply.mutable_message()->set_is_deleted(true);
  }
  reply.set_is_duplicate(true);
  if (state_.is_direct()) {
    is_shown_ = false;
    co_await show_direct(reply.message().seq() == 0 ? ring_.end() : reply.message().seq() - 1);
  }
  co_return reply;
}

task<> channel::show_direct(seq_t before) {
  std::vector<user_id> people(state_.members().all().begin(), state_.members().all().end());
  std::erase(people, slackbot);
  // From the first post that isn't known to be shown, or they would miss it.
  if (unshown_after_) before = std::min(before, *unshown_after_);
  if (is_shown_) {  // they may have closed it since: cheap, and no reason to make the sender wait
    auto request = listing(before, false);
    for (auto user : people) self().tell(key_of(user), request);
    co_return;
  }
  is_shown_ = true;
  unshown_after_ = before;
  auto shown = co_await list_for(std::move(people), before, false);
  // The post itself is committed, so it is not an error; the next post tries again.
  if (shown)
    unshown_after_.reset();
  else
    is_shown_ = false;
}

void channel::announce_thread(message_ts root) {
  auto [place, is_new] = announcing_.try_emplace(root, false);
  if (!is_new) {
    place->second = true;  // one is being read: once more after it, however many replies came meanwhile
  } else if (announcing_.size() > options_.announcements_max) {
    announcing_.erase(place);  // it is a hint: the replies themselves are events
  } else {
    spawn(announce_thread_now(root));
  }
}

task<> channel::announce_thread_now(message_ts root) {
  for (auto is_stale = true; is_stale;) {
    announcing_[root] = false;
    auto message = co_await query<Message>(&read_message, root);
    if (message) {
      auto event = std::make_shared<Event>();
      event->set_at(self().wall().time_since_epoch().count());
      *event->mutable_message_replied()->mutable_root() = std::move(*message);
      publish_unnumbered(std::move(event), delivery_class::message, 0);
    }
    is_stale = message && announcing_[root];
  }
  announcing_.erase(root);
}

task<result<PostReply>> channel::update(const UpdateRequest& request, const envelope&) {
  return messages_.run(self().mailbox(), static_cast<std::uint64_t>(request.ts()), update_now(request));
}

task<result<PostReply>> channel::update_now(const UpdateRequest& request) {
  const auto& caller = request.caller();
  if (auto may = state_.may_react(caller); !may) co_return may.failure();
  message_ts ts{request.ts()};
  auto before = co_await query<Message>(&read_message, ts);
  if (!before) co_return before.failure();
  if (auto may = may_update(*before, caller); !may) co_return may.failure();
  if (auto may = state_.may_react(caller); !may) co_return may.failure();

  auto event = std::make_shared<Event>();
  auto& changed = *event->mutable_message_changed();
  auto& message = *changed.mutable_message();
  message = *before;
  auto& data = *message.mutable_data();
  if (request.has_text()) data.set_text(request.data().text());
  if (request.has_blocks()) data.set_blocks_json(request.data().blocks_json());
  if (request.has_attachments()) data.set_attachments_json(request.data().attachments_json());
  if (request.has_metadata()) data.set_metadata_json(request.data().metadata_json());
  if (auto fits = check_content(data, options_.limits); !fits) co_return fits.failure();
  auto at = sequence_.next_ts(self().wall());
  data.set_edited_by(caller.user());
  data.set_edited_ts(at.micros);
  *changed.mutable_previous() = std::move(*before);
  changed.set_changed_ts(at.micros);
  event->set_at(at.micros);

  auto change = begin();
  change.write(put_message{to_row(message)});
  change.announce(event);
  auto committed = co_await commit_change(std::move(change));
  if (!committed) co_return committed.failure();
  if (latest_ && latest_->ts() == ts.micros) latest_ = std::shared_ptr<const Message>(event, &message);
  co_return answer_with(message);
}

task<result<PostReply>> channel::remove(const DeleteRequest& request, const envelope&) {
  return messages_.run(self().mailbox(), static_cast<std::uint64_t>(request.ts()), remove_now(request));
}

task<result<PostReply>> channel::remove_now(const DeleteRequest& request) {
  const auto& caller = request.caller();
  if (auto may = state_.may_read(caller); !may) co_return may.failure();
  message_ts ts{request.ts()};
  auto before = co_await query<Message>(&read_message, ts);
  if (!before) co_return before.failure();
  if (auto may = may_delete(*before, caller); !may) co_return may.failure();

  auto event = std::make_shared<Event>();
  auto& deleted = *event->mutable_message_deleted();
  auto at = sequence_.next_ts(self().wall());
  deleted.set_deleted_ts(ts.micros);
  deleted.set_changed_ts(at.micros);
  event->set_at(at.micros);
  auto change = begin();
  change.write(put_message{to_tombstone(*before)});
  message_ts root{before->thread_ts()};
  *deleted.mutable_previous() = std::move(*before);
  if (state_.unpin(ts)) write_row(change);
  change.announce(event);
  ++removals_;
  roots_.remove(ts);
  if (latest_ && latest_->ts() == ts.micros) latest_.reset(), is_latest_known_ = false;

  auto committed = co_await commit_change(std::move(change));
  if (!committed) co_return committed.failure();
  ++removals_committed_;
  if (root) announce_thread(root);
  PostReply reply;
  reply.mutable_message()->set_channel(id().value);
  reply.mutable_message()->set_ts(ts.micros);
  reply.mutable_message()->set_is_deleted(true);
  co_return reply;
}

task<result<PostReply>> channel::post_ephemeral(const EphemeralRequest& request, const envelope&) {
  const auto& caller = request.caller();
  if (auto may = state_.may_post(caller); !may) co_return may.failure();
  user_id reader{request.user()};
  if (!state_.members().contains(reader)) co_return errc::user_not_in_channel;
  if (auto fits = check_content(request.data(), options_.limits); !fits) co_return fits.failure();
  Ephemeral shown;
  auto& message = *shown.mutable_message();
  message.set_channel(id().value);
  message.set_ts(sequence_.next_ts(self().wall()).micros);
  message.set_user(caller.user());
  message.set_thread_ts(request.thread_ts());
  *message.mutable_data() = request.data();
  clear_channel_marks(*message.mutable_data());
  if (caller.bot() != 0) message.mutable_data()->set_bot(caller.bot()), message.mutable_data()->set_app(caller.app());
  auto reply = answer_with(message);
  if (reader == slackbot) co_return reply;
  auto answer = co_await self().ask(key_of(reader), std::move(shown), options_.ask_timeout);
  if (!answer) co_return answer.failure();
  co_return reply;
}

task<result<PostReply>> channel::react(const ReactRequest& request, const envelope&) {
  return messages_.run(self().mailbox(), static_cast<std::uint64_t>(request.ts()), react_now(request));
}

task<result<PostReply>> channel::react_now(const ReactRequest& request) {
  const auto& caller = request.caller();
  if (auto may = state_.may_react(caller); !may) co_return may.failure();
  message_ts ts{request.ts()};
  auto message = co_await query<Message>(&read_message, ts);
  if (!message) co_return message.failure();
  if (auto may = state_.may_react(caller); !may) co_return may.failure();
  user_id user{caller.user()};
  auto& data = *message->mutable_data();
  auto counted = request.is_added() ? add_reaction(data, user, request.name(), options_.limits)
                                    : remove_reaction(data, user, request.name());
  if (!counted) co_return counted.failure();

  auto event = std::make_shared<Event>();
  auto& reaction = *event->mutable_reaction();
  reaction.set_is_added(request.is_added());
  reaction.set_user(user.value);
  reaction.set_name(request.name());
  reaction.set_ts(ts.micros);
  reaction.set_item_user(message->user());
  auto change = begin();
  change.write(put_message{to_row(*message)});
  change.announce(std::move(event));
  auto committed = co_await commit_change(std::move(change));
  if (!committed) co_return committed.failure();

  if (latest_ && latest_->ts() == ts.micros) latest_ = std::make_shared<const Message>(*message);
  ReactedNotice notice;
  notice.set_channel(id().value);
  notice.set_ts(ts.micros);
  notice.set_is_added(request.is_added());
  self().tell(key_of(user), share(std::move(notice)));
  co_return answer_with(std::move(*message));
}

task<result<PostReply>> channel::pin_message(const PinRequest& request, const envelope&) {
  return messages_.run(self().mailbox(), static_cast<std::uint64_t>(request.ts()), pin_now(request));
}

task<result<PostReply>> channel::pin_now(const PinRequest& request) {
  const auto& caller = request.caller();
  if (auto may = state_.may_post(caller); !may) co_return may.failure();
  message_ts ts{request.ts()};
  auto message = co_await query<Message>(&read_message, ts);
  if (!message) co_return message.failure();
  if (auto may = state_.may_post(caller); !may) co_return may.failure();
  if (auto may = state_.may_pin(ts, request.is_added()); !may) co_return may.failure();

  if (request.is_added())
    state_.pin(ts, {caller.user()}, self().wall());
  else
    state_.unpin(ts);
  message->mutable_data()->set_is_pinned(request.is_added());
  auto event = std::make_shared<Event>();
  auto& pin = *event->mutable_pin();
  pin.set_is_added(request.is_added());
  pin.set_user(caller.user());
  pin.set_created(seconds_of(self().wall()));
  *pin.mutable_message() = *message;
  pin.set_pin_count(static_cast<std::uint32_t>(state_.data().pins_size()));
  auto change = begin();
  change.write(put_message{to_row(*message)});
  write_row(change);
  change.announce(std::move(event));
  auto committed = co_await commit_change(std::move(change));
  if (!committed) co_return committed.failure();
  if (latest_ && latest_->ts() == ts.micros) latest_ = std::make_shared<const Message>(*message);
  co_return answer_with(std::move(*message));
}

}  // namespace throng
