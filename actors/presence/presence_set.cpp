// SPDX-License-Identifier: Apache-2.0
#include "actors/presence/presence_set.hpp"

#include <algorithm>

#include "actors/proto/session.pb.h"
#include "actors/stream/relative_time.hpp"

namespace throng {

presence_set::person* presence_set::find_or_add(user_id user, steady_time now) {
  if (auto found = users_.find(user); found != users_.end()) return &found->second;
  if (users_.size() >= limits_.users_max) return nullptr;
  auto& who = users_[user];
  who.last_active = now;  // the benefit of the doubt: it may have been a moment ago
  if (now < recovered_)
    who.hold_until = recovered_;
  else
    who.shown = false;
  return &who;
}

result<> presence_set::online(const report& what, steady_time now, wall_time wall) {
  bool is_new = !users_.contains(what.user);
  auto* who = find_or_add(what.user, now);
  if (!who) return errc::overloaded;
  if (is_new) who->is_away = what.is_away;
  auto& devices = who->devices;
  auto at = std::find_if(devices.begin(), devices.end(), [&](const device& d) { return d.session == what.session; });
  if (at == devices.end()) {
    if (devices.size() >= limits_.devices_max) {
      at = std::min_element(devices.begin(), devices.end(),
                            [](const device& a, const device& b) { return a.counts_until < b.counts_until; });
    } else {
      at = devices.insert(devices.end(), device{});
      ++session_count_;
    }
    *at = device{what.session, what.node, what.node_incarnation, false, now, 0};
  }
  if (what.number != 0 && what.number < at->number) return errc::conflict;
  at->number = std::max(at->number, what.number);
  if (what.is_connected)
    at->counts_until = now + limits_.silent_after;
  else if (at->is_connected)
    at->counts_until = now + limits_.flap_delay;
  at->is_connected = what.is_connected;
  at->node = what.node;
  at->node_incarnation = what.node_incarnation;
  if (what.idle && (is_new || now - *what.idle > who->last_active)) who->last_active = now - *what.idle;
  if (what.is_active) {
    who->last_active = now;
    who->last_activity = seconds_of(wall);
  }
  reconsider(what.user, *who, now);
  return done;
}

bool presence_set::offline(user_id user, session_id session, steady_time now) {
  auto* who = now < recovered_ ? find_or_add(user, now) : nullptr;
  if (!who) {
    auto found = users_.find(user);
    if (found == users_.end()) return true;
    who = &found->second;
  }
  session_count_ -= std::erase_if(who->devices, [&](const device& d) { return d.session == session; });
  reconsider(user, *who, now);
  return true;
}

bool presence_set::set_away(user_id user, bool is_away, steady_time now) {
  auto* who = find_or_add(user, now);
  if (!who) return false;
  who->is_away = is_away;
  who->has_chosen = true;
  who->keep_until = now + limits_.silent_after;
  reconsider(user, *who, now);
  return true;
}

std::optional<bool> presence_set::chosen_away(user_id user) const {
  const auto found = users_.find(user);
  if (found == users_.end() || !found->second.has_chosen) return std::nullopt;
  return found->second.is_away;
}

std::vector<session_id> presence_set::sessions_of(user_id user) const {
  std::vector<session_id> all;
  if (const auto found = users_.find(user); found != users_.end())
    for (const auto& each : found->second.devices) all.push_back(each.session);
  return all;
}

void presence_set::lose_node(std::uint32_t node, std::uint64_t incarnation, steady_time now) {
  for (auto& [user, who] : users_) {
    bool has_lost = false;
    for (auto& each : who.devices) {
      if (each.node != node || each.node_incarnation > incarnation || !each.is_connected) continue;
      each.is_connected = false;
      each.counts_until = std::min(each.counts_until, now + limits_.flap_delay);
      has_lost = true;
    }
    if (has_lost) reconsider(user, who, now);
  }
}

std::optional<std::vector<user_id>> presence_set::take_roll(steady_time now) {
  if (!is_roll_due_ || now < recovered_) return std::nullopt;
  is_roll_due_ = false;
  std::vector<user_id> active;
  for (auto& [user, who] : users_) {
    who.shown = is_active(who, now);
    if (*who.shown) active.push_back(user);
    who.hold_until = now + limits_.publish_interval;
  }
  return active;
}

presence_set::changes presence_set::take_changes(steady_time now) {
  changes found;
  while (!due_.empty() && due_.begin()->first <= now) {
    auto user = due_.begin()->second;
    auto& who = users_.at(user);
    drop_silent(who, now);
    if (bool active = is_active(who, now); active != who.shown && now >= may_send_from(who, active)) {
      (active ? found.active : found.away).push_back(user);
      who.shown = active;
      who.hold_until = now + limits_.publish_interval;
    }
    auto next = next_check(who, now);
    schedule(user, who, next);
    if (next == steady_time::max()) users_.erase(user);
  }
  return found;
}

std::optional<steady_time> presence_set::next_due() const {
  auto next = is_roll_due_ ? recovered_ : steady_time::max();
  if (!due_.empty()) next = std::min(next, due_.begin()->first);
  if (next == steady_time::max()) return std::nullopt;
  return next;
}

presence_set::state presence_set::query(user_id user, steady_time now) const {
  auto found = users_.find(user);
  if (found == users_.end()) return {};
  const auto& who = found->second;
  state answer;
  answer.is_online = is_online(who, now);
  answer.is_active = is_active(who, now);
  answer.is_auto_away = answer.is_online && now - who.last_active >= limits_.away_after;
  answer.is_manually_away = who.is_away;
  for (const auto& each : who.devices) answer.connection_count += each.is_connected && each.counts_until > now;
  answer.last_activity = who.last_activity;
  return answer;
}

PresenceHandover presence_set::handover(steady_time now) const {
  PresenceHandover all;
  all.set_recovers_in_ms(milliseconds_of(recovered_ - now));
  all.set_is_roll_due(is_roll_due_);
  for (const auto& [user, who] : users_) {
    auto& person = *all.add_persons();
    person.set_user(user.value);
    for (const auto& each : who.devices) {
      auto& device = *person.add_devices();
      device.set_session(each.session.value);
      device.set_node(each.node);
      device.set_node_incarnation(each.node_incarnation);
      device.set_is_connected(each.is_connected);
      device.set_counts_for_ms(milliseconds_of(each.counts_until - now));
      device.set_number(each.number);
    }
    person.set_is_away(who.is_away);
    person.set_has_chosen(who.has_chosen);
    if (who.shown) person.set_shown(*who.shown);
    person.set_last_active_ago_ms(milliseconds_of(now - who.last_active));
    person.set_last_activity(who.last_activity);
    person.set_hold_for_ms(milliseconds_of(who.hold_until - now));
    person.set_keep_for_ms(milliseconds_of(who.keep_until - now));
  }
  return all;
}

void presence_set::take_over(const PresenceHandover& handed, steady_time now) {
  recovered_ = now + milliseconds_from(handed.recovers_in_ms());
  is_roll_due_ = handed.is_roll_due();
  for (const auto& person : handed.persons()) {
    if (users_.size() >= limits_.users_max) return;
    const user_id user{person.user()};
    auto& who = users_[user];
    who.is_away = person.is_away();
    who.has_chosen = person.has_chosen();
    if (person.has_shown()) who.shown = person.shown();
    who.last_active = now - milliseconds_from(person.last_active_ago_ms());
    who.last_activity = person.last_activity();
    who.hold_until = now + milliseconds_from(person.hold_for_ms());
    who.keep_until = now + milliseconds_from(person.keep_for_ms());
    for (const auto& device : person.devices()) {
      if (who.devices.size() >= limits_.devices_max) break;
      who.devices.push_back({{device.session()},
                             device.node(),
                             device.node_incarnation(),
                             device.is_connected(),
                             now + milliseconds_from(device.counts_for_ms()),
                             device.number()});
      ++session_count_;
    }
    reconsider(user, who, now);
  }
}

std::vector<user_id> presence_set::online_users(std::size_t count_max, steady_time now) const {
  std::vector<user_id> online;
  for (const auto& [user, who] : users_) {
    if (online.size() == count_max) break;
    if (is_online(who, now)) online.push_back(user);
  }
  return online;
}

bool presence_set::is_online(const person& who, steady_time now) const {
  return std::any_of(who.devices.begin(), who.devices.end(), [&](const device& d) { return d.counts_until > now; });
}

bool presence_set::is_active(const person& who, steady_time now) const {
  return !who.is_away && now - who.last_active < limits_.away_after && is_online(who, now);
}

void presence_set::drop_silent(person& who, steady_time now) {
  session_count_ -= std::erase_if(who.devices, [&](const device& d) { return d.counts_until <= now; });
}

steady_time presence_set::may_send_from(const person& who, bool active) {
  // That she is there is certain; that she isn't may only mean that her other devices haven't spoken yet.
  return !who.shown && active ? steady_time::min() : who.hold_until;
}

/// The next moment at which something may be different; max if the person can be forgotten.
steady_time presence_set::next_check(const person& who, steady_time now) const {
  auto next = steady_time::max();
  for (const auto& each : who.devices) next = std::min(next, each.counts_until);
  if (bool active = is_active(who, now); active != who.shown)
    next = std::min(next, std::max(now, may_send_from(who, active)));
  else if (active)
    next = std::min(next, who.last_active + limits_.away_after);
  if (next != steady_time::max()) return next;
  auto keep_until = std::max(who.keep_until, who.hold_until);  // else a person who flickers would be sent too often
  return keep_until > now ? keep_until : next;
}

void presence_set::schedule(user_id user, person& who, steady_time at) {
  if (who.due == at) return;
  if (who.due != steady_time::max()) due_.erase({who.due, user});
  who.due = at;
  if (at != steady_time::max()) due_.insert({at, user});
}

void presence_set::reconsider(user_id user, person& who, steady_time now) {
  // A check that comes too early finds nothing and looks for the next; so a heartbeat, which only puts things off,
  // moves nothing here. Nothing left to wait for is settled at once.
  auto next = std::min(who.due, next_check(who, now));
  schedule(user, who, next == steady_time::max() ? now : next);
}

}  // namespace throng
