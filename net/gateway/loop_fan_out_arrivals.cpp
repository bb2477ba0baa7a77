// SPDX-License-Identifier: Apache-2.0
// Of LOOP FAN OUT: what comes in, and to whom it is passed on.
#include <algorithm>
#include <utility>

#include "actors/proto/event.pb.h"
#include "net/gateway/loop_fan_out.hpp"

namespace throng {

namespace {

/// The person who leaves the channel with this event; none if it is about something else.
user_id leaver_of(const arrival& event) {
  if (event.source->stream.kind != entity_kind::channel || !event.source->event) return {};
  const auto* body = dynamic_cast<const Event*>(event.source->event.get());
  if (!body || !body->has_member() || body->member().is_joined()) return {};
  return user_id{body->member().user()};
}

}  // namespace

void loop_fan_out::run_turn(std::span<arrival> events, std::span<const entity_key> gapped, steady_time now) {
  for (auto& event : events) accept(std::move(event), now);
  for (const auto key : gapped) {
    const auto index = index_.find(key);
    if (index == key_index::none) continue;
    catch_up_after_renewal(index, now);
  }
  flush_all();
}

void loop_fan_out::catch_up_after_renewal(std::uint32_t index, steady_time now) {
  const auto key = streams_[index].key;
  if (key.kind == entity_kind::presence) {
    source_.wake(key);
    return take_census(index);
  }
  if (streams_[index].more) {
    // Whoever follows may have had its last page from the owner before.
    std::vector<slot> followers;
    for (auto& each : streams_[index].more->followers) {
      each.asks_again = each.is_asking;
      if (each.is_begun && !each.cursor.is_adrift()) followers.push_back(each.at);
    }
    for (const auto at : followers)
      if (is_open(index, key) && find_follower(index, at)) ask_for(index, at, now);
    if (!is_open(index, key)) return;
  }
  auto& s = streams_[index];
  if (s.live.empty()) return;
  if (s.more && s.more->own) {
    s.more->asks_again = true;
    return;
  }
  more(s).own = std::make_unique<catch_up>(s.at, limits_);
  ask_for_stream(index, now);
}

void loop_fan_out::accept(arrival event, steady_time now) {
  const auto index = index_.find(event.source->stream);
  if (index == key_index::none) return;  // its last reader has just gone
  auto& s = streams_[index];
  if (s.more && s.more->own) {
    std::vector<arrival> due;
    const auto then = s.more->own->take(std::move(event), due);
    const auto key = s.key;
    auto own = std::move(s.more->own);  // so that what is due is passed on, not held again
    pass_on_all(index, due, now);
    if (!is_open(index, key)) return;
    more(streams_[index]).own = std::move(own);
    if (then == catch_up::next::lost) lose_stream(index, now);
    return;
  }
  if (event.is_numbered()) {
    const auto at = event.position();
    const bool is_next = !s.at.is_known() || at.seq == s.at.seq + 1 || s.live.empty();
    if (!is_next && at.seq <= s.at.seq && at.epoch <= s.at.epoch) {
      ++figures_.duplicates;
      return;
    }
    if (!is_next) {
      more(s).own = std::make_unique<catch_up>(s.at, limits_);
      std::vector<arrival> none_yet;
      s.more->own->take(std::move(event), none_yet);
      ask_for_stream(index, now);
      return;
    }
  }
  pass_on(index, event, now);
}

void loop_fan_out::pass_on(std::uint32_t index, const arrival& event, steady_time now) {
  const auto key = streams_[index].key;
  if (key.kind == entity_kind::presence) {
    pass_presence(index, event);
    return;
  }
  if (event.is_numbered()) {
    streams_[index].at = event.position();
    streams_[index].touched = ++passed_;
  }
  if (const auto leaver = leaver_of(event)) {
    depart(index, leaver, event.source->seq, now);
    if (!is_open(index, key)) return;
  }
  if (event.frame) append(index, event);
  if (event.post && !streams_[index].live.empty())
    passed_on_.push_back({key,
                          event.source->seq,
                          event.post,
                          {},
                          delivery_note::step_t::written,
                          static_cast<std::uint16_t>(loop_index_),
                          static_cast<std::uint32_t>(streams_[index].live.size())});
  feed_followers(index, event, now);
  if (!is_open(index, key)) return;
  if (key.kind == entity_kind::user) {
    flush(index);
    const auto readers = streams_[index].live;
    for (const auto at : readers)
      if (readers_[at].reader) readers_[at].reader->on_own_event(*event.source);
  }
}

void loop_fan_out::pass_presence(std::uint32_t index, const arrival& event) {
  const auto* body = dynamic_cast<const Event*>(event.source->event.get());
  if (!body) return;
  if (body->has_presence_census()) return take_census(index);
  auto& view = more(streams_[index]).presence;
  if (!view) view = std::make_unique<presence_view>();
  std::vector<user_id> users;
  if (body->has_presence_roll()) {
    for (const auto user : body->presence_roll().users()) users.push_back({user});
    const auto changes = view->call_roll(users);
    tell_presence(index, changes.away, false);
    return tell_presence(index, changes.active, true);
  }
  for (const auto user : body->presence().users()) users.push_back({user});
  const auto news = view->note(users, body->presence().is_active());
  if (news.size() != users.size()) return tell_presence(index, news, body->presence().is_active());
  const auto readers = streams_[index].live;
  for (const auto at : readers)
    if (readers_[at].reader) readers_[at].reader->on_presence(*event.source, event.frame);
}

void loop_fan_out::tell_presence(std::uint32_t index, std::span<const user_id> users, bool is_active) {
  const auto key = streams_[index].key;
  if (users.empty() || !is_open(index, key)) return;
  Event change;
  for (const auto user : users) change.mutable_presence()->add_users(user.value);
  change.mutable_presence()->set_is_active(is_active);
  const publication told{key, 0, 0, delivery_class::presence, 0, share(std::move(change))};
  const auto readers = streams_[index].live;
  for (const auto at : readers)
    if (readers_[at].reader) readers_[at].reader->on_presence(told, nullptr);
}

void loop_fan_out::note_presence(entity_key bucket, std::span<const user_id> active, std::span<const user_id> away) {
  const auto index = index_.find(bucket);
  if (index == key_index::none) return;
  auto& view = more(streams_[index]).presence;
  if (!view) view = std::make_unique<presence_view>();
  const auto newly_away = view->learn(away, false);
  const auto newly_active = view->learn(active, true);
  tell_presence(index, newly_away, false);
  tell_presence(index, newly_active, true);
}

void loop_fan_out::take_census(std::uint32_t index) {
  const auto key = streams_[index].key;
  const auto readers = streams_[index].live;
  for (const auto at : readers)
    if (readers_[at].reader) readers_[at].reader->on_census(key);
}

void loop_fan_out::pass_on_all(std::uint32_t index, std::span<const arrival> events, steady_time now) {
  const auto key = streams_[index].key;
  for (const auto& event : events)
    if (is_open(index, key)) pass_on(index, event, now);
}

bool loop_fan_out::has_departed(const stream& s, slot at, const arrival& event) const {
  if (leaver_of(event) != readers_[at].user) return false;
  if (s.more)
    for (const auto& each : s.more->just_joined)
      if (each.at == at && event.source->seq <= each.seq) return false;  // she has come back since
  return true;
}

void loop_fan_out::depart(std::uint32_t index, user_id user, seq_t seq, steady_time now) {
  flush(index);
  auto& s = streams_[index];
  std::vector<slot> leaving;
  for (const auto at : s.live) {
    if (readers_[at].user != user) continue;
    const bool has_come_back = s.more && std::any_of(s.more->just_joined.begin(), s.more->just_joined.end(),
                                                     [&](const joined& j) { return j.at == at && seq <= j.seq; });
    if (!has_come_back) leaving.push_back(at);
  }
  if (s.more)
    std::erase_if(s.more->just_joined,
                  [&](const joined& each) { return each.seq <= seq && !find_follower(index, each.at); });
  tidy(s);
  const auto key = s.key;
  for (const auto at : leaving)
    if (is_open(index, key)) remove_and_tell(at, index, now);
}

void loop_fan_out::feed_followers(std::uint32_t index, const arrival& event, steady_time now) {
  if (!streams_[index].more || streams_[index].more->followers.empty()) return;
  const auto key = streams_[index].key;
  std::vector<slot> who;
  for (const auto& each : streams_[index].more->followers) who.push_back(each.at);
  for (const auto at : who) {
    if (!is_open(index, key)) return;
    auto* each = find_follower(index, at);
    if (!each) continue;
    std::vector<arrival> out;
    const auto then = each->cursor.take(event, out);
    if (!out.empty()) send_to(at, index, out, now);
    if (!is_open(index, key) || !find_follower(index, at)) continue;
    if (then == catch_up::next::ask && each->is_begun) ask_for(index, at, now);
    if (then == catch_up::next::lost) lose(index, at, now);
  }
  if (is_open(index, key)) promote(index);
}

void loop_fan_out::send_to(slot at, std::uint32_t index, std::span<const arrival> events, steady_time now) {
  const auto key = streams_[index].key;
  if (!events.empty()) streams_[index].touched = ++passed_;
  std::vector<shared_frame> frames;
  std::size_t count = 0;
  const auto send = [&] {
    if (frames.empty()) return;
    deliver(at, frames.size() == 1 ? frames.front() : join_frames(frames), delivery::message, std::exchange(count, 0));
    frames.clear();
  };
  for (const auto& event : events) {
    if (!readers_[at].reader || !is_open(index, key)) return;
    if (has_departed(streams_[index], at, event)) {
      send();
      auto* reader = readers_[at].reader;
      remove_and_tell(at, index, now);
      reader->on_departed_in_replay(key);
      return;
    }
    if (event.frame && event.source->skip_connection != readers_[at].id) {
      frames.push_back(event.frame);
      ++count;
    }
    if (key.kind == entity_kind::user) {
      send();
      readers_[at].reader->on_own_event(*event.source);
    }
  }
  send();
}

void loop_fan_out::promote(std::uint32_t index) {
  const auto is_there = [&](const follower& each) {
    const auto& s = streams_[index];
    if (!each.cursor.is_settled() || s.more->own) return false;
    // Ahead of the stream it may be, for a replay tells of events that are still on their way here; behind it while it
    // is yet to be fed.
    return s.at.is_known() ? s.at.seq == each.cursor.after().seq : s.live.empty();
  };
  auto& s = streams_[index];
  if (!s.more || std::none_of(s.more->followers.begin(), s.more->followers.end(), is_there)) return;
  flush(index);  // they have had these events
  auto& followers = s.more->followers;
  for (std::size_t i = 0; i < followers.size();) {
    if (!is_there(followers[i])) {
      ++i;
      continue;
    }
    if (!s.at.is_known()) s.at = followers[i].cursor.after();
    s.live.push_back(followers[i].at);
    if (i + 1 != followers.size()) followers[i] = std::move(followers.back());
    followers.pop_back();
  }
  tidy(s);
}

void loop_fan_out::on_ready(entity_key stream) {
  const auto index = index_.find(stream);
  if (index == key_index::none || std::exchange(streams_[index].is_ready, true)) return;
  std::vector<slot> readers = streams_[index].live;
  if (streams_[index].more)
    for (const auto& each : streams_[index].more->followers) readers.push_back(each.at);
  for (const auto at : readers) {
    if (!readers_[at].reader || !is_open(index, stream)) continue;
    if (const auto* who = find_follower(index, at); who && who->is_begun) ask_for(index, at, {});
    if (readers_[at].reader) readers_[at].reader->on_stream_ready(stream);
  }
}

}  // namespace throng
