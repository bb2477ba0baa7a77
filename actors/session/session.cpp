// SPDX-License-Identifier: Apache-2.0
#include "actors/session/session.hpp"

#include <algorithm>
#include <limits>
#include <sys/random.h>

#include "actors/stream/relative_time.hpp"
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
    : entity(self), options_(options), state_(options.limits), report_delay_(options.report_retry) {}

const protocol<session>& session::handlers() {
  static const protocol<session> table{
      on(&session::open),   on(&session::attach),   on(&session::detach),
      on(&session::part),   on(&session::announce), on(&session::watch_presence),
      on(&session::active), on(&session::set_away), on(&session::end),
  };
  return table;
}

void session::receive(std::shared_ptr<const envelope> message) { handlers().dispatch(*this, std::move(message)); }

task<result<>> session::load() {
  self().hear_of_lost_nodes(true);
  co_return done;
}

message_ptr session::snapshot() const {
  auto all = state_.snapshot(self().now(), self().wall());
  all.set_id(id().value);
  return share(std::move(all));
}

message_ptr session::handover() const {
  if (state_.now_in() == session_state::phase::unborn && farewells_.empty()) return nullptr;
  const auto now = self().now();
  auto all = state_.handover(now);
  all.set_is_manually_away(is_manually_away_);
  all.set_was_active(was_active_);
  all.set_activity_reported_ago_ms(milliseconds_of(now - activity_reported_));
  all.set_next_report_in_ms(milliseconds_of(next_report_ - now));
  all.set_next_refresh_in_ms(milliseconds_of(next_refresh_ - now));
  for (const auto& each : farewells_) *all.add_farewells() = each;
  all.set_is_reviving(is_reviving_);
  all.set_active_ago_ms(milliseconds_of(now - active_at_));
  all.set_farewell_tries(farewell_tries_);
  all.set_report_number(report_number_);
  all.set_is_report_unheard(report_again_.has_value());
  return share(std::move(all));
}

void session::take_over(const google::protobuf::Message& handed) {
  const auto now = self().now();
  const auto* all = dynamic_cast<const SessionHandover*>(&handed);
  if (!all || !state_.take_over(*all, now)) return;
  is_manually_away_ = all->is_manually_away();
  was_active_ = all->was_active();
  activity_reported_ = now - milliseconds_from(all->activity_reported_ago_ms());
  next_report_ = now + milliseconds_from(all->next_report_in_ms());
  next_refresh_ = now + milliseconds_from(all->next_refresh_in_ms());
  farewells_.assign(all->farewells().begin(), all->farewells().end());
  is_reviving_ = all->is_reviving();
  active_at_ = now - milliseconds_from(all->active_ago_ms());
  farewell_tries_ = all->farewell_tries();
  report_number_ = all->report_number();
  if (all->is_report_unheard()) report_again_ = now;
  schedule();
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
  const bool replaces = state_.is_connected() && state_.connection() != request.connection();
  if (replaces && state_.may_attach(request.ticket(), self().now())) {
    dismiss(state_.connection());
    if (options_.detach_wait > duration{})
      co_await await_callback<bool>(self().mailbox(), [this](std::function<void(bool)> go_on) {
        awaited_.push_back({self().now() + options_.detach_wait, std::move(go_on)});
        schedule();
      });
  }
  auto attached = state_.attach(request, reconnect, self().now(), self().wall());
  if (!attached) co_return attached.failure();
  report(true);
  schedule();
  co_return attached;
}

void session::go_on_attaching(steady_time until) {
  const auto is_due = [until](const awaited_detach& each) { return each.until <= until; };
  const auto later = std::ranges::partition(awaited_, is_due);
  std::vector<awaited_detach> due(std::make_move_iterator(awaited_.begin()), std::make_move_iterator(later.begin()));
  awaited_.erase(awaited_.begin(), later.begin());
  for (auto& each : due) each.go_on(true);
}

result<Nothing> session::detach(const DetachNotice& notice, const envelope&) {
  if (state_.detach(notice, self().now())) {
    report(false);
    go_on_attaching(steady_time::max());
    schedule();
  } else if (state_.now_in() == session_state::phase::unborn && notice.user() != 0) {
    // It has died since it told the PRESENCE BUCKET of this socket.
    SessionOnlineNotice gone;
    gone.set_user(notice.user());
    gone.set_session(id().value);
    gone.set_idle_ms(std::numeric_limits<std::int64_t>::max());
    self().tell(key_of(presence_bucket_of(user_id{notice.user()})), share(std::move(gone)));
  }
  return Nothing{};
}

result<PartReply> session::part(const PartRequest& request, const envelope&) {
  ticket_bytes ticket;
  options_.random_bytes(ticket);
  auto parted = state_.part(request, ticket, self().now());
  if (!parted) return parted;
  report(false);
  schedule();
  return parted;
}

task<result<Nothing>> session::announce(const AnnounceRequest& request, const envelope&) {
  const auto now = self().now();
  auto announced = state_.announce(request, now);
  if (!announced) co_return announced.failure();
  active_at_ = std::max(active_at_, now - std::chrono::milliseconds(request.idle_ms()));
  if (announced->what == session_state::announced::replaced) dismiss(announced->previous);
  if (announced->what == session_state::announced::revived) {
    is_reviving_ = true;
    next_refresh_ = next_report_ = now + options_.user_refresh;
    schedule();
    auto known = co_await ask_user();
    is_reviving_ = false;
    if (!state_.is_alive()) co_return errc::conflict;
    next_refresh_ = self().now() + (known ? options_.user_refresh : options_.refresh_retry);
  }
  if (!is_reviving_) report(false);
  schedule();
  co_return Nothing{};
}

void session::node_lost(node_index node, std::uint64_t incarnation) {
  // The PRESENCE BUCKETs hear it too, and need no notice.
  if (!state_.lose_gateway(node.value, incarnation, self().now())) return;
  go_on_attaching(steady_time::max());
  schedule();
}

result<Nothing> session::end(const EndSessionRequest& request, const envelope&) {
  if (request.unless_connected() && state_.is_connected()) return errc::conflict;
  end_for(std::nullopt);
  return Nothing{};
}

void session::end_for(std::optional<errc> why) {
  // Its gateway hears it on the USER's stream, which it reads anyway, and closes the socket.
  if (state_.is_connected()) {
    SignedOut farewell;
    farewell.set_session(id().value);
    if (why) farewell.set_reason(static_cast<std::uint32_t>(*why));
    end_now();
    return bid(std::move(farewell));
  }
  end_now();
}

void session::dismiss(std::uint64_t connection) {
  SignedOut farewell;
  farewell.set_session(id().value);
  farewell.set_connection(connection);
  farewell.set_reason(static_cast<std::uint32_t>(errc::conflict));
  bid(std::move(farewell));
}

void session::bid(SignedOut farewell) {
  constexpr std::size_t farewells_max = 16;
  if (farewells_.size() == farewells_max) farewells_.pop_front();  // its gateway asks within minutes whether it counts
  farewells_.push_back(std::move(farewell));
  schedule();
  spawn(tell_farewells());
}

task<> session::tell_farewells() {
  if (std::exchange(is_telling_, true)) co_return;
  while (!farewells_.empty()) {
    ++farewell_tries_;
    auto first = farewells_.front();
    auto told = co_await self().ask(key_of(owner()), std::move(first), options_.ask_timeout);
    if (!told && farewell_tries_ < options_.farewell_tries_max) break;
    farewells_.pop_front();
    farewell_tries_ = 0;
  }
  is_telling_ = false;
  schedule();
}

void session::end_now() {
  go_on_attaching(steady_time::max());
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
  active_at_ = self().now();
  if (self().now() - activity_reported_ >= options_.activity_interval) {
    report(true);
    schedule();
  }
  return Nothing{};
}

result<Nothing> session::set_away(const SetAwayNotice& notice, const envelope&) {
  is_manually_away_ = notice.is_away();
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
  notice.set_node_incarnation(state_.node_incarnation());
  if (is_active) active_at_ = self().now();
  notice.set_idle_ms(std::chrono::duration_cast<std::chrono::milliseconds>(self().now() - active_at_).count());
  // They may overtake each other where slots move. A session that was brought back has lost count, but not the time.
  const auto now_us = std::max<std::int64_t>(0, self().wall().time_since_epoch().count());
  report_number_ = std::max(report_number_ + 1, static_cast<std::uint64_t>(now_us));
  notice.set_number(report_number_);
  report_again_.reset();
  spawn(tell_presence(std::move(notice)));
  was_active_ = false;
  if (is_active) activity_reported_ = self().now();
  std::uint8_t chance[1];
  options_.random_bytes(chance);
  next_report_ = self().now() + jittered(options_.heartbeat, chance[0]);
}

task<> session::tell_presence(SessionOnlineNotice notice) {
  const auto number = notice.number();
  const bool was_active = notice.is_active();
  auto told = co_await self().ask(key_of(presence_bucket_of(owner())), std::move(notice), options_.ask_timeout);
  if (told) report_delay_ = options_.report_retry;
  if (told || number != report_number_ || !state_.is_alive()) co_return;  // a later one says it all
  was_active_ |= was_active;
  std::uint8_t chance[1];
  options_.random_bytes(chance);
  report_again_ = self().now() + jittered(report_delay_, chance[0]);
  report_delay_ = std::min(2 * report_delay_, options_.heartbeat);
  schedule();
}

// -- time
// --------------------------------------------------------------------------------------------------------------

void session::schedule() {
  self().stay_active(state_.is_alive() || !farewells_.empty());
  if (!state_.is_alive()) {
    if (!farewells_.empty()) self().wake_after(options_.farewell_retry);
    return;
  }
  auto next = state_.ends_at().value_or(steady_time::max());
  if (state_.is_connected()) next = std::min({next, next_report_, next_refresh_});
  if (report_again_) next = std::min(next, *report_again_);
  if (!farewells_.empty()) next = std::min(next, self().now() + options_.farewell_retry);
  for (const auto& each : awaited_) next = std::min(next, each.until);
  auto delay = next - self().now();
  if (state_.token_expires() != 0) {
    auto left = std::clamp(state_.token_expires() - seconds_of(self().wall()), std::int64_t{0}, longest_wait.count());
    delay = std::min<duration>(delay, std::chrono::seconds(left));
  }
  self().wake_after(std::max(delay, duration{}));
}

void session::wake() {
  auto now = self().now();
  go_on_attaching(now);
  if (!farewells_.empty()) spawn(tell_farewells());
  if (!state_.is_alive()) return;
  if (auto ends = state_.ends_at(); ends && *ends <= now) return end_now();
  if (is_token_over()) return end_for(errc::token_expired);
  if ((state_.is_connected() && next_report_ <= now) || (report_again_ && *report_again_ <= now)) report(was_active_);
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
task<> session::refresh() { (void)co_await ask_user(); }  // else it asks again the next time

task<result<>> session::ask_user() {
  if (auto valid = co_await check_token(); !valid) {
    end_for(valid.code());
    co_return valid;
  }
  if (!state_.is_alive()) co_return errc::not_found;
  SessionStartedRequest request;
  request.set_session(id().value);
  request.set_token_hash(state_.token_hash());
  auto welcome = co_await self().ask(key_of(owner()), std::move(request), options_.ask_timeout);
  if (welcome) {
    is_manually_away_ = (*welcome)->user().is_manually_away();
    co_return done;
  }
  if (welcome.code() == errc::account_inactive) end_for(errc::account_inactive);
  co_return welcome.failure();
}

entity_factory make_session_factory(const session_options& options) {
  auto shared = std::make_shared<session_options>(options);
  if (!shared->random_bytes) shared->random_bytes = &system_random;
  return [shared = std::shared_ptr<const session_options>(std::move(shared))](
             entity_context& self) -> std::unique_ptr<entity> { return std::make_unique<session>(self, *shared); };
}

}  // namespace throng
