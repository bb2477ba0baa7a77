// SPDX-License-Identifier: Apache-2.0
#include "actors/session/session.hpp"

#include <algorithm>
#include <sys/random.h>

#include "storage/model/assert.hpp"

namespace throng {

namespace {

/// REQUIRES: at most 256 bytes.
void system_random(std::span<std::uint8_t> bytes) { THRONG_ASSERT(::getentropy(bytes.data(), bytes.size()) == 0); }

/// A clock that is set anew is noticed by then.
constexpr std::chrono::seconds longest_wait = std::chrono::hours(1);

/// 90 to 110 % of `time`, so that the sessions of a node that started together don't speak together.
duration jittered(duration time, std::uint8_t chance) { return time * (900 + 200 * chance / 255) / 1000; }

}  // namespace

session::session(entity_context& self, const session_options& options)
    : entity(self), options_(options), state_(options.limits) {}

const protocol<session>& session::handlers() {
  static const protocol<session> table{
      on(&session::open),           on(&session::attach), on(&session::detach),
      on(&session::watch_presence), on(&session::active), on(&session::end),
  };
  return table;
}

void session::receive(std::shared_ptr<const envelope> message) { handlers().dispatch(*this, std::move(message)); }

task<result<>> session::load() { co_return done; }

message_ptr session::snapshot() const {
  auto all = state_.snapshot(self().now(), self().wall());
  all.set_id(id().value);
  return share(std::move(all));
}

// -- tickets and sockets
// -----------------------------------------------------------------------------------------------

task<result<OpenSessionReply>> session::open(const OpenSessionRequest& request, const envelope&) {
  if (auto may = state_.may_open(request); !may) co_return may.failure();
  SessionStartedRequest started;
  started.set_session(id().value);
  started.set_token_hash(request.token_hash());
  user_id user{request.caller().user()};
  auto welcome = co_await self().ask(key_of(user), std::move(started), options_.ask_timeout);
  if (!welcome) co_return welcome.failure();

  ticket_bytes ticket;
  options_.random_bytes(ticket);
  auto opened = state_.open(request, ticket, self().now());
  if (!opened) {
    // It was opened by somebody else, or has ended, while we asked.
    if (!state_.is_alive()) {
      SessionEndedNotice ended;
      ended.set_session(id().value);
      self().tell(key_of(user), share(std::move(ended)));
    }
    co_return opened.failure();
  }
  is_manually_away_ = (*welcome)->user().is_manually_away();
  next_refresh_ = self().now() + options_.user_refresh;
  schedule();
  OpenSessionReply reply;
  reply.set_ticket(ticket.data(), ticket.size());
  reply.set_is_resumed(state_.starts_at_cursors());
  co_return reply;
}

task<result<AttachReply>> session::attach(const AttachRequest& request, const envelope&) {
  // A ticket comes from somebody who has just shown her token, a reconnect ticket from long ago.
  if (state_.is_alive() && state_.is_reconnect(request.ticket()))
    if (auto valid = co_await check_token(); !valid) {
      end_for(valid.code());
      co_return valid.failure();
    }
  ticket_bytes reconnect;
  options_.random_bytes(reconnect);
  auto attached = state_.attach(request, reconnect, self().now());
  if (!attached) co_return attached.failure();
  report(true);
  schedule();
  co_return attached;
}

result<Nothing> session::detach(const DetachNotice& notice, const envelope&) {
  if (state_.detach(notice, self().now())) {
    report(false);
    schedule();
  }
  return Nothing{};
}

result<Nothing> session::end(const EndSessionRequest& request, const envelope&) {
  if (request.unless_connected() && state_.is_connected()) return errc::conflict;
  end_for(std::nullopt);
  return Nothing{};
}

void session::end_for(std::optional<errc> why) {
  // Its gateway hears it on the USER's stream, which it reads anyway, and closes the socket.
  if (state_.is_connected()) {
    farewell_.emplace();
    farewell_->set_session(id().value);
    if (why) farewell_->set_reason(static_cast<std::uint32_t>(*why));
    farewell_tries_ = 0;
  }
  end_now();
  if (farewell_) spawn(tell_farewell());
}

task<> session::tell_farewell() {
  ++farewell_tries_;
  auto told = co_await self().ask(key_of(owner()), *farewell_, options_.ask_timeout);
  if (told || farewell_tries_ >= options_.farewell_tries_max) farewell_.reset();
  schedule();
}

void session::end_now() {
  if (!state_.end()) return;
  SessionOfflineNotice offline;
  offline.set_user(owner().value);
  offline.set_session(id().value);
  self().tell(key_of(presence_bucket_of(owner())), share(std::move(offline)));
  SessionEndedNotice ended;
  ended.set_session(id().value);
  self().tell(key_of(owner()), share(std::move(ended)));
  schedule();
}

// -- presence
// ----------------------------------------------------------------------------------------------------------

result<Nothing> session::watch_presence(const WatchPresenceRequest& request, const envelope&) {
  if (!state_.watch(request)) return errc::not_found;
  return Nothing{};
}

result<Nothing> session::active(const ActiveNotice&, const envelope&) {
  if (!state_.is_connected()) return Nothing{};
  was_active_ = true;
  if (self().now() - activity_reported_ >= options_.activity_interval) {
    report(true);
    schedule();
  }
  return Nothing{};
}

void session::report(bool is_active) {
  // A bot is there as long as its socket is: nothing it does shows that it does something.
  bool is_bot = state_.caller().bot() != 0;
  SessionOnlineNotice notice;
  notice.set_user(owner().value);
  notice.set_session(id().value);
  notice.set_node(state_.node());
  notice.set_is_active(is_active || is_bot);
  notice.set_is_away(is_manually_away_);
  notice.set_is_connected(state_.is_connected());
  self().tell(key_of(presence_bucket_of(owner())), share(std::move(notice)));
  was_active_ = false;
  if (is_active) activity_reported_ = self().now();
  std::uint8_t chance[1];
  options_.random_bytes(chance);
  next_report_ = self().now() + jittered(options_.heartbeat, chance[0]);
}

// -- time
// --------------------------------------------------------------------------------------------------------------

void session::schedule() {
  self().stay_active(state_.is_alive() || farewell_);
  if (!state_.is_alive()) {
    if (farewell_) self().wake_after(options_.farewell_retry);
    return;
  }
  auto next = state_.ends_at().value_or(steady_time::max());
  if (state_.is_connected()) next = std::min({next, next_report_, next_refresh_});
  auto delay = next - self().now();
  if (state_.token_expires() != 0) {
    auto left = std::clamp(state_.token_expires() - seconds_of(self().wall()), std::int64_t{0}, longest_wait.count());
    delay = std::min<duration>(delay, std::chrono::seconds(left));
  }
  self().wake_after(std::max(delay, duration{}));
}

void session::wake() {
  auto now = self().now();
  if (!state_.is_alive()) {
    if (farewell_) spawn(tell_farewell());
    return;
  }
  if (auto ends = state_.ends_at(); ends && *ends <= now) return end_now();
  if (is_token_over()) return end_for(errc::token_expired);
  if (state_.is_connected() && next_report_ <= now) report(was_active_);
  if (state_.is_connected() && next_refresh_ <= now) {
    next_refresh_ = now + options_.user_refresh;
    spawn(refresh());
  }
  schedule();
}

bool session::is_token_over() const {
  return state_.token_expires() != 0 && seconds_of(self().wall()) >= state_.token_expires();
}

task<result<>> session::check_token() {
  token_hash hash;
  if (state_.token_hash().size() != hash.size()) co_return done;
  std::ranges::copy(state_.token_hash(), hash.begin());
  std::function<result<token_record>(store_reader&)> query = [hash](store_reader& reader) {
    return reader.token(hash);
  };
  auto row = co_await self().read(std::move(query));
  if (!row && row.code() != errc::not_found) co_return done;
  if (!row || row->is_revoked) co_return errc::token_revoked;
  if (row->expires != wall_time{} && row->expires <= self().wall()) co_return errc::token_expired;
  co_return done;
}

/// A sign-out may have missed it. The USER forgets sessions that don't repeat themselves, and has forgotten all when it
/// was activated since.
task<> session::refresh() {
  if (auto valid = co_await check_token(); !valid) {
    end_for(valid.code());
    co_return;
  }
  if (!state_.is_alive()) co_return;
  SessionStartedRequest request;
  request.set_session(id().value);
  request.set_token_hash(state_.token_hash());
  auto welcome = co_await self().ask(key_of(owner()), std::move(request), options_.ask_timeout);
  if (welcome) {
    is_manually_away_ = (*welcome)->user().is_manually_away();
  } else if (welcome.code() == errc::account_inactive) {
    end_for(errc::account_inactive);
  }
}

entity_factory make_session_factory(const session_options& options) {
  auto shared = std::make_shared<session_options>(options);
  if (!shared->random_bytes) shared->random_bytes = &system_random;
  return [shared = std::shared_ptr<const session_options>(std::move(shared))](
             entity_context& self) -> std::unique_ptr<entity> { return std::make_unique<session>(self, *shared); };
}

}  // namespace throng
