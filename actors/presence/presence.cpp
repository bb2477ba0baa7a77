// SPDX-License-Identifier: Apache-2.0
#include "actors/presence/presence.hpp"

#include <algorithm>

#include "actors/stream/relative_time.hpp"

namespace throng {

namespace {

constexpr std::size_t users_shown = 1'000;
constexpr std::int64_t idle_ms_max = 7 * 24 * 3'600'000;

}  // namespace

presence::presence(entity_context& self, const presence_options& options)
    : entity(self),
      options_(options),
      users_(options.limits, self.now()),
      counted_at_(self.now() - self.taken_over() < options.limits.recovery ? self.now() + options.census_wait
                                                                           : self.now()) {}

const protocol<presence>& presence::handlers() {
  static const protocol<presence> table{
      on(&presence::session_online),
      on(&presence::session_offline),
      on(&presence::set_away),
      on(&presence::query),
  };
  return table;
}

void presence::receive(std::shared_ptr<const envelope> message) { handlers().dispatch(*this, std::move(message)); }

task<result<>> presence::load() {
  self().hear_of_lost_nodes(true);
  Event census;
  census.mutable_presence_census();
  publish(std::move(census));
  schedule();
  co_return done;
}

message_ptr presence::snapshot() const {
  PresenceSnapshot all;
  for (auto user : users_.online_users(users_shown, self().now())) *all.add_users() = state_of(user);
  all.set_user_count(static_cast<std::uint32_t>(users_.user_count()));
  all.set_session_count(static_cast<std::uint32_t>(users_.session_count()));
  return share(std::move(all));
}

message_ptr presence::handover() const {
  auto all = users_.handover(self().now());  // of nobody too: then it is known that nobody is there
  all.set_counts_for_ms(milliseconds_of(counted_at_ - self().now()));
  return share(std::move(all));
}

task<result<>> presence::load_from(message_ptr handed) {
  const auto* all = dynamic_cast<const PresenceHandover*>(handed.get());
  if (!all) co_return co_await load();
  self().hear_of_lost_nodes(true);
  users_.take_over(*all, self().now());
  counted_at_ = self().now() + milliseconds_from(all->counts_for_ms());
  schedule();
  co_return done;
}

result<Nothing> presence::session_online(const SessionOnlineNotice& notice, const envelope&) {
  presence_set::report what;
  what.user = {notice.user()};
  what.session = {notice.session()};
  what.node = notice.node();
  what.is_active = notice.is_active();
  what.is_away = notice.is_away();
  what.is_connected = notice.is_connected();
  what.node_incarnation = notice.node_incarnation();
  what.number = notice.number();
  what.idle = std::chrono::milliseconds(std::clamp<std::int64_t>(notice.idle_ms(), 0, idle_ms_max));
  const auto outcome = users_.online(what, self().now(), self().wall());
  if (const auto chosen = users_.chosen_away(what.user); chosen && *chosen != what.is_away)
    remind(what.user, what.session, *chosen);
  // Of a session that was brought back where the clock is behind, it isn't late: it says so again, a little later.
  if (!outcome && outcome.code() == errc::conflict)
    return error{errc::conflict, "a later report of " + to_text(key_of(what.session)) + " is known"};
  return noted(outcome.ok());
}

result<Nothing> presence::session_offline(const SessionOfflineNotice& notice, const envelope&) {
  return noted(users_.offline({notice.user()}, {notice.session()}, self().now()));
}

result<Nothing> presence::set_away(const SetAwayNotice& notice, const envelope&) {
  const user_id user{notice.user()};
  // Her USER may have begun anew, and know of none of them.
  for (const auto session : users_.sessions_of(user)) remind(user, session, notice.is_away());
  return noted(users_.set_away(user, notice.is_away(), self().now()));
}

/// What a SESSION remembers is what the next bucket believes, if this one dies.
void presence::remind(user_id user, session_id session, bool is_away) {
  SetAwayNotice notice;
  notice.set_user(user.value);
  notice.set_is_away(is_away);
  self().tell(key_of(session), share(std::move(notice)));
}

result<Nothing> presence::noted(bool has_room) {
  schedule();
  if (!has_room) return error{errc::overloaded, to_text(self().key()) + " has as many users as it can have"};
  return Nothing{};
}

task<result<PresenceReply>> presence::query(const PresenceQuery& request, const envelope&) {
  if (static_cast<std::size_t>(request.users_size()) > options_.query_users_max) co_return errc::too_many_users;
  const auto is_unknown = [this](std::uint64_t user) { return !users_.knows(user_id{user}); };
  if (is_counting() && std::ranges::any_of(request.users(), is_unknown))
    co_await await_callback<bool>(self().mailbox(), [this](std::function<void(bool)> go_on) {
      waiting_.push_back(std::move(go_on));
      schedule();
    });
  // Who asks is told what is. If that was not published yet, its end would never be either.
  tell_changes();
  PresenceReply reply;
  for (auto user : request.users()) *reply.add_states() = state_of({user});
  co_return reply;
}

PresenceReply::State presence::state_of(user_id user) const {
  auto known = users_.query(user, self().now());
  PresenceReply::State state;
  state.set_user(user.value);
  state.set_is_active(known.is_active);
  state.set_is_online(known.is_online);
  state.set_is_auto_away(known.is_auto_away);
  state.set_is_manually_away(known.is_manually_away);
  state.set_connection_count(known.connection_count);
  state.set_last_activity(known.last_activity);
  return state;
}

// -- telling
// -----------------------------------------------------------------------------------------------------------

void presence::schedule() {
  auto due = users_.next_due();
  if (!waiting_.empty()) due = std::min(due.value_or(counted_at_), counted_at_);
  self().stay_active(due.has_value());
  if (!due) return;
  // Never put off by what comes later, or a busy bucket would never tell anything.
  auto at = std::max(*due, self().now() + options_.batch_delay);
  if (at >= wakes_at_) return;
  wakes_at_ = at;
  self().wake_after(at - self().now());
}

void presence::wake() {
  wakes_at_ = steady_time::max();
  if (!is_counting())
    for (auto& go_on : std::exchange(waiting_, {})) go_on(true);
  tell_changes();
  schedule();
}

void presence::node_lost(node_index node, std::uint64_t incarnation) {
  users_.lose_node(node.value, incarnation, self().now());
  schedule();
}

void presence::tell_changes() {
  if (auto active = users_.take_roll(self().now())) {
    Event event;
    for (const auto user : *active) event.mutable_presence_roll()->add_users(user.value);
    event.mutable_presence_roll();
    publish(std::move(event));
  }
  auto changes = users_.take_changes(self().now());
  publish(changes.away, false);
  publish(changes.active, true);
}

void presence::publish(const std::vector<user_id>& users, bool is_active) {
  for (std::size_t first = 0; first < users.size(); first += options_.batch_users_max) {
    Event event;
    auto& change = *event.mutable_presence();
    change.set_is_active(is_active);
    auto last = std::min(users.size(), first + options_.batch_users_max);
    for (auto at = first; at < last; ++at) change.add_users(users[at].value);
    publish(std::move(event));
  }
}

void presence::publish(Event event) {
  event.set_at(self().wall().time_since_epoch().count());
  publication out{self().key(), self().epoch(), 0, delivery_class::presence, 0, share(std::move(event))};
  self().publish(std::make_shared<const publication>(std::move(out)));
}

entity_factory make_presence_factory(const presence_options& options) {
  return [shared = std::make_shared<const presence_options>(options)](entity_context& self) -> std::unique_ptr<entity> {
    return std::make_unique<presence>(self, *shared);
  };
}

}  // namespace throng
