// SPDX-License-Identifier: Apache-2.0
#include "actors/channel/channel.hpp"

#include <algorithm>
#include <thread>

#include "actors/stream/numbered_stream.hpp"
#include "actors/stream/relative_time.hpp"
#include "cluster/handoff/handover.hpp"
#include "storage/model/assert.hpp"
#include "storage/model/sabotage.hpp"

namespace throng {

namespace {

constexpr std::size_t members_moved_max = 2'000;  // 16 kB; a channel of more is loaded
// Of what is handed over. The next one, when load() finds what this form hasn't got.
constexpr std::uint32_t handover_form = 1;

/// As a cache that writes behind: a while after everybody was told. Only for sabotage::acks_before_commit.
[[maybe_unused]] task<> commit_behind(entity_context& self, std::vector<write_op> ops) {
  std::function<result<>(store_reader&)> linger = [](store_reader&) -> result<> {
    std::this_thread::sleep_for(std::chrono::milliseconds(40));  // a reader's thread
    return done;
  };
  auto lingered = co_await self.read(std::move(linger));
  if (lingered) lingered = co_await self.commit(std::move(ops));
}

bool has_one_length(const ChannelHandover::KnownPosts& posts) {
  const auto count = posts.users_size();
  return posts.client_msg_ids_size() == count && posts.ts_size() == count && posts.ago_ms_size() == count;
}

}  // namespace

channel::channel(entity_context& self, const channel_options& options)
    : entity(self),
      options_(options),
      state_(options.limits),
      ring_(options.ring),
      recent_(options.recent),
      roots_(options.roots_cached_max),
      senders_(options.turns_waiting_max),
      messages_(options.turns_waiting_max),
      retell_delay_(options.retell_delay) {}

const protocol<channel>& channel::handlers() {
  static const protocol<channel> table{
      on(&channel::create),  on(&channel::info),           on(&channel::join),    on(&channel::leave),
      on(&channel::invite),  on(&channel::kick),           on(&channel::rename),  on(&channel::set_topic),
      on(&channel::archive), on(&channel::members),        on(&channel::post),    on(&channel::update),
      on(&channel::remove),  on(&channel::post_ephemeral), on(&channel::react),   on(&channel::pin_message),
      on(&channel::pins),    on(&channel::history),        on(&channel::replies), on(&channel::message),
      on(&channel::typing),  on(&channel::replay),
  };
  return table;
}

void channel::receive(std::shared_ptr<const envelope> message) { handlers().dispatch(*this, std::move(message)); }

task<result<>> channel::load() {
  auto stored = co_await query<stored_channel>(&read_channel, options_.posts_loaded_max);
  if (!stored) co_return stored.failure();
  // A channel that doesn't exist is active too: it says so to everyone, until it is created.
  sequence_ = sequence(stored->end.seq, stored->end.ts);
  ring_ = event_ring(options_.ring, stored->end.seq);
  if (!stored->exists) co_return done;
  state_.set(std::move(stored->data), member_set(std::move(stored->members)));

  owe_latest(stored->newest);
  // Whatever their age: a client may repeat a post when the whole cluster was down for longer than the window.
  for (auto row = stored->newest.rbegin(); row != stored->newest.rend(); ++row)
    if (!row->client_msg_id.empty() && !recent_.find(row->user, row->client_msg_id, self().now()))
      recent_.remember(row->user, row->client_msg_id, row->ts, self().now());
  auto shown = [](const message_record& row) { return row.in_channel && !row.is_deleted; };
  auto latest = std::ranges::find_if(stored->newest, shown);
  is_latest_known_ = latest != stored->newest.end() || stored->newest.size() < options_.posts_loaded_max;
  if (latest != stored->newest.end()) {
    auto message = to_message(std::move(*latest));
    if (!message) co_return message.failure();
    latest_ = std::make_shared<const Message>(std::move(*message));
  }
  co_return done;
}

void channel::wake() {
  const auto now = self().now();
  if (is_directory_stale_ && directory_at_ <= now) {
    is_directory_stale_ = false;
    spawn(update_directory(user_id{}));
  }
  if (!untold_.empty() && !is_retelling_ && retell_at_ <= now) tell_again();
  schedule();
}

void channel::schedule() {
  auto next = is_directory_stale_ ? directory_at_ : steady_time::max();
  if (!untold_.empty() && !is_retelling_) next = std::min(next, retell_at_);
  if (next != steady_time::max()) self().wake_after(std::max(next - self().now(), duration{}));
}

message_ptr channel::snapshot() const {
  ChannelSnapshot all;
  constexpr std::size_t members_shown = 1'000;
  *all.mutable_channel() = state_.described();
  for (auto user : state_.members().page({}, members_shown)) all.add_members(user.value);
  all.set_seq(sequence_.last_seq());
  all.set_last_ts(sequence_.last_ts().micros);
  all.set_ring_events(static_cast<std::uint32_t>(ring_.count()));
  all.set_ring_bytes(ring_.bytes());
  all.set_commits_in_flight(static_cast<std::uint32_t>(changes_begun_ - changes_committed_));
  return share(std::move(all));
}

message_ptr channel::handover() const {
  // What it remembers of older posts is in the store.
  if (ring_.count() == 0 && !is_directory_stale_ && untold_.empty() && !unshown_after_) return nullptr;
  const auto now = self().now();
  ChannelHandover all;
  all.set_form(handover_form);
  *all.mutable_recent() = ring_.handover(numbered_stream::moved_bytes_max, now);
  all.set_is_directory_stale(is_directory_stale_);
  for (const auto& [user, seq] : untold_) {
    auto& untold = *all.add_untold();
    untold.set_user(user.value);
    untold.set_seq(seq);
  }
  all.set_is_shown(is_shown_);
  if (unshown_after_) all.set_unshown_after(*unshown_after_);
  auto& posts = *all.mutable_posts();
  recent_.each([&](user_id user, std::string_view client_msg_id, message_ts ts, steady_time at) {
    posts.add_users(user.value);
    posts.add_client_msg_ids(std::string(client_msg_id));
    posts.add_ts(ts.micros);
    posts.add_ago_ms(milliseconds_of(now - at));
  });
  // One that is quiet may as well be read again.
  if (all.recent().entries_size() > 0 && state_.members().count() <= members_moved_max) add_stored(all);
  return share(std::move(all));
}

/// What the store has too, if there is room.
void channel::add_stored(ChannelHandover& to) const {
  *to.mutable_channel() = state_.data();
  for (auto user : state_.members().all()) to.add_members(user.value);
  to.set_last_ts(sequence_.last_ts().micros);
  to.set_is_latest_known(is_latest_known_);
  if (latest_) *to.mutable_latest() = *latest_;
  if (to.ByteSizeLong() <= entity_handover::entity_bytes_max) return;
  to.clear_channel();
  to.clear_members();
  to.clear_latest();
}

task<result<>> channel::load_from(message_ptr handed) {
  const auto* all = dynamic_cast<const ChannelHandover*>(handed.get());
  if (!all || all->form() != handover_form || all->channel().id() != id().value || !has_one_length(all->posts()))
    co_return co_await entity::load_from(std::move(handed));
  auto end = co_await query<store_reader::stream_end>(&read_end);
  if (!end) co_return end.failure();
  if (end->seq == all->recent().end_seq()) {
    go_on_with(*all, *end);
  } else if (auto loaded = co_await load(); !loaded) {
    co_return loaded;
  }
  take_over(*all);
  co_return done;
}

/// What load() would find, from memory.
void channel::go_on_with(const ChannelHandover& handed, store_reader::stream_end end) {
  sequence_ = sequence(end.seq, std::max(end.ts, message_ts{handed.last_ts()}));
  ring_ = event_ring(options_.ring, end.seq);
  std::vector<user_id> members;
  members.reserve(static_cast<std::size_t>(handed.members_size()));
  for (auto user : handed.members()) members.push_back(user_id{user});
  state_.set(handed.channel(), member_set(std::move(members)));
  is_latest_known_ = handed.is_latest_known();
  if (handed.has_latest()) latest_ = std::make_shared<const Message>(handed.latest());
}

void channel::take_over(const google::protobuf::Message& handed) {
  const auto* all = dynamic_cast<const ChannelHandover*>(&handed);
  if (!all || !state_.exists()) return;
  if (all->is_directory_stale()) update_directory_soon();
  for (const auto& each : all->untold()) owe_list({each.user()}, each.seq());
  tell_again_later();
  is_shown_ = all->is_shown();
  if (all->has_unshown_after()) unshown_after_ = all->unshown_after();
  // Somebody else has written since: what load() found knows better.
  if (!ring_.take_over(all->recent(), self().now()) || !has_one_length(all->posts())) return;
  recent_ = recent_posts(options_.recent);
  const auto& posts = all->posts();
  for (int i = 0; i < posts.users_size(); ++i) {
    const auto at = self().now() - milliseconds_from(posts.ago_ms(i));
    const user_id user{posts.users(i)};
    const auto& client_msg_id = posts.client_msg_ids(i);
    if (!recent_.find(user, client_msg_id, at)) recent_.remember(user, client_msg_id, {posts.ts(i)}, at);
  }
}

task<result<>> channel::commit_change(channel_change change, std::uint64_t skip_connection) {
  if (failure_) co_return *failure_;
  auto number = ++changes_begun_;
  auto ops = change.take_ops();
  result<> outcome = done;
  if constexpr (sabotage::acks_before_commit)
    spawn(commit_behind(self(), std::move(ops)));
  else
    outcome = co_await await_callback<result<>>(self().mailbox(), [&](std::function<void(result<>)> done) {
      self().commit_raw(std::move(ops), std::move(done));
    });
  if (!outcome) {
    if (!failure_) failure_ = outcome.failure();
    tell_settled(outcome);
    co_return outcome;
  }
  THRONG_ASSERT(number == changes_committed_ + 1);
  auto path = change.path();
  path.committed = self().wall();
  for (const auto& event : change.events()) publish_numbered(event, skip_connection, path);
  changes_committed_ = number;
  if (!settling_.empty()) tell_settled(done);
  co_return done;
}

void channel::publish_numbered(const channel_change::numbered_event& event, std::uint64_t skip_connection,
                               journey path) {
  ring_.append(event.seq, event.event, event.bytes, self().now());
  if (event.event->has_message() && is_shown_in_channel(event.event->message())) {
    latest_ = std::shared_ptr<const Message>(event.event, &event.event->message());
    is_latest_known_ = true;
  }
  if (event.event->has_message() && path.asked != wall_time{}) path.mark = event.event->message().ts();
  publication out{self().key(), self().epoch(), event.seq, delivery_class::message, skip_connection, event.event, path};
  self().publish(std::make_shared<const publication>(std::move(out)));
}

void channel::publish_unnumbered(std::shared_ptr<const Event> event, delivery_class priority,
                                 std::uint64_t skip_connection) {
  publication out{self().key(), self().epoch(), 0, priority, skip_connection, std::move(event)};
  self().publish(std::make_shared<const publication>(std::move(out)));
}

task<result<>> channel::settled() {
  if (failure_) co_return *failure_;
  if (changes_begun_ == changes_committed_) co_return done;
  co_return co_await await_callback<result<>>(self().mailbox(), [&](std::function<void(result<>)> done) {
    settling_.emplace_back(changes_begun_, std::move(done));
  });
}

void channel::tell_settled(const result<>& outcome) {
  auto is_due = [&](const auto& each) { return !outcome || each.first <= changes_committed_; };
  auto end = std::ranges::find_if_not(settling_, is_due);  // they wait in the order of their numbers
  for (auto each = settling_.begin(); each != end; ++each) each->second(outcome);
  settling_.erase(settling_.begin(), end);
}

ChannelReply channel::describe(const Caller& caller) const {
  ChannelReply reply;
  *reply.mutable_channel() = state_.described();
  reply.set_is_member(state_.is_member(caller));
  reply.set_seq(ring_.end());
  return reply;
}

task<> channel::update_directory(user_id by) {
  if (state_.is_direct()) co_return;
  ChannelUpdatedRequest request;
  *request.mutable_channel() = state_.described();
  request.set_user(by.value);
  auto answer = co_await self().ask(key_of(team_id{state_.data().team()}), std::move(request), options_.ask_timeout);
  if (!answer) update_directory_soon();
}

void channel::update_directory_soon() {
  if (state_.is_direct() || is_directory_stale_) return;
  is_directory_stale_ = true;
  directory_at_ = self().now() + options_.directory_delay;
  schedule();
}

void channel::tell_member_count() {
  if (state_.is_direct()) return;
  MemberCountNotice notice;
  notice.set_channel(id().value);
  notice.set_member_count(static_cast<std::uint32_t>(state_.members().count()));
  self().tell(key_of(team_id{state_.data().team()}), share(std::move(notice)));
  update_directory_soon();
}

task<result<ChannelReply>> channel::info(const ChannelInfoRequest& request, const envelope&) {
  if (auto sees = state_.may_see(request.caller()); !sees) co_return sees.failure();
  if (!is_latest_known_) {
    if (auto committed = co_await settled(); !committed) co_return committed.failure();
    auto before = removals_;
    auto latest = co_await query<Message>(&read_latest);
    if (!latest && latest.code() != errc::message_not_found) co_return latest.failure();
    // A post or a removal meanwhile knows better.
    if (!is_latest_known_ && before == removals_) {
      is_latest_known_ = true;
      if (latest) latest_ = std::make_shared<const Message>(std::move(*latest));
    }
  }
  auto reply = describe(request.caller());
  if (latest_ && state_.may_read(request.caller())) *reply.mutable_latest()->mutable_message() = *latest_;
  co_return reply;
}

entity_factory make_channel_factory(const channel_options& options) {
  return [shared = std::make_shared<const channel_options>(options)](entity_context& self) -> std::unique_ptr<entity> {
    return std::make_unique<channel>(self, *shared);
  };
}

}  // namespace throng
