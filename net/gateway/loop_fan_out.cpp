// SPDX-License-Identifier: Apache-2.0
#include "net/gateway/loop_fan_out.hpp"

#include <algorithm>
#include <utility>

#include "actors/proto/event.pb.h"
#include "storage/model/assert.hpp"

namespace throng {

namespace {

delivery delivery_of(delivery_class priority) { return static_cast<delivery>(priority); }

/// The person who leaves the channel with this event; none if it is about something else.
user_id leaver_of(const arrival& event) {
  if (event.source->stream.kind != entity_kind::channel || !event.source->event) return {};
  const auto* body = dynamic_cast<const Event*>(event.source->event.get());
  if (!body || !body->has_member() || body->member().is_joined()) return {};
  return user_id{body->member().user()};
}

template <class T, class Predicate>
void erase_one(std::vector<T>& from, Predicate matches) {
  const auto found = std::find_if(from.begin(), from.end(), matches);
  if (found == from.end()) return;
  if (found != from.end() - 1) *found = std::move(from.back());
  from.pop_back();
}

}  // namespace

loop_fan_out::loop_fan_out(node_index node, std::size_t loop_index, stream_directory& directory, replay_source& source,
                           const catch_up_limits& limits, std::uint32_t first_generation)
    : id_base_(std::uint64_t{node.value} << 8 | loop_index),
      first_generation_(first_generation),
      loop_index_(loop_index),
      directory_(directory),
      source_(source),
      limits_(limits) {}

// -- connections
// -------------------------------------------------------------------------------------------------------

loop_fan_out::slot loop_fan_out::attach(stream_reader& reader) {
  slot at;
  if (free_readers_.empty()) {
    THRONG_ASSERT(readers_.size() < readers_max);
    at = static_cast<slot>(readers_.size());
    readers_.emplace_back();
  } else {
    at = free_readers_.back();
    free_readers_.pop_back();
  }
  auto& place = readers_[at];
  const auto generation = ((place.id ? place.id >> 20 : first_generation_) + 1) & 0xFFFFFF;
  place.id = id_base_ << 44 | generation << 20 | at;
  place.reader = &reader;
  place.since = passed_;
  ++reader_count_;
  return at;
}

stream_reader* loop_fan_out::find(std::uint64_t id) const {
  const auto at = static_cast<slot>(id & (readers_max - 1));
  if (at >= readers_.size() || readers_[at].id != id) return nullptr;
  return readers_[at].reader;
}

void loop_fan_out::detach(slot at, steady_time now) {
  const auto streams = std::exchange(readers_[at].streams, {});
  readers_[at].reader = nullptr;
  readers_[at].user = {};
  for (const auto index : streams) {
    drop(at, index);
    close_if_unread(index, now);
  }
  free_readers_.push_back(at);
  --reader_count_;
}

// -- subscriptions
// -----------------------------------------------------------------------------------------------------

std::uint32_t loop_fan_out::open(entity_key key, team_id team, stream_start& start) {
  start = directory_.add(key, team, loop_index_);
  auto index = index_.find(key);
  if (index != key_index::none) {
    if (start.is_ready && !streams_[index].is_ready) on_ready(key);
    return index;
  }
  if (free_streams_.empty()) {
    index = static_cast<std::uint32_t>(streams_.size());
    streams_.emplace_back();
  } else {
    index = free_streams_.back();
    free_streams_.pop_back();
  }
  auto& s = streams_[index];
  s.key = key;
  s.at = start.at;
  s.stamp = start.stamp;
  s.is_ready = start.is_ready;
  index_.insert(key, index);
  return index;
}

void loop_fan_out::close_if_unread(std::uint32_t index, steady_time now) {
  auto& s = streams_[index];
  if (!s.live.empty() || (s.more && !s.more->followers.empty())) return;
  directory_.remove(s.key, loop_index_, now);
  index_.erase(s.key);
  if (s.turn) turns_[s.turn - 1].events.clear();
  s = stream{};
  free_streams_.push_back(index);
}

loop_fan_out::extras& loop_fan_out::more(stream& s) {
  if (!s.more) s.more = std::make_unique<extras>();
  return *s.more;
}

void loop_fan_out::tidy(stream& s) {
  if (s.more && s.more->followers.empty() && s.more->just_joined.empty() && !s.more->own && !s.more->presence)
    s.more.reset();
}

bool loop_fan_out::reads(slot at, std::uint32_t index) const {
  const auto& streams = readers_[at].streams;
  return std::find(streams.begin(), streams.end(), index) != streams.end();
}

bool loop_fan_out::is_subscribed(slot at, entity_key stream) const {
  const auto index = index_.find(stream);
  return index != key_index::none && reads(at, index);
}

loop_fan_out::start_kind loop_fan_out::add_live(slot at, std::uint32_t index) {
  flush(index);  // what came before this reader
  streams_[index].live.push_back(at);
  readers_[at].streams.push_back(index);
  return streams_[index].is_ready ? start_kind::live : start_kind::pending;
}

loop_fan_out::start_kind loop_fan_out::add_follower(slot at, std::uint32_t index, stream_position after, bool begin,
                                                    bool is_lost, std::uint64_t stamp) {
  flush(index);
  auto& s = streams_[index];
  more(s).followers.push_back({at, begin, false, is_lost, catch_up(after, limits_), stamp});
  readers_[at].streams.push_back(index);
  if (!s.is_ready) return start_kind::pending;
  if (begin) ask_for(index, at, {});
  return start_kind::live;
}

loop_fan_out::start_kind loop_fan_out::subscribe(slot at, entity_key stream, team_id team) {
  stream_start start;
  const auto index = open(stream, team, start);
  if (reads(at, index)) return start_kind::live;
  return add_live(at, index);
}

loop_fan_out::start_kind loop_fan_out::subscribe_after(slot at, entity_key stream, team_id team, stream_position after,
                                                       bool begin) {
  stream_start start;
  const auto index = open(stream, team, start);
  if (reads(at, index)) return start_kind::live;
  const auto& s = streams_[index];
  const bool is_catching_up = s.more && s.more->own;
  const bool is_same_epoch = !after.is_known() || after.epoch == s.at.epoch;
  if (s.is_ready && !is_catching_up && s.at.is_known() && s.at.seq == after.seq && is_same_epoch)
    return add_live(at, index);
  return add_follower(at, index, after, begin, false);
}

loop_fan_out::start_kind loop_fan_out::subscribe_since(slot at, entity_key stream, team_id team, std::uint64_t stamp,
                                                       bool begin) {
  stream_start start;
  const auto index = open(stream, team, start);
  if (reads(at, index)) return start_kind::live;
  if (stamp == 0 || start.stamp != stamp) return add_follower(at, index, {}, begin, stamp == 0, stamp);
  if (!start.first.is_known()) return add_live(at, index);
  return subscribe_after(at, stream, team, start.first, begin);
}

void loop_fan_out::begin_following(slot at) {
  const auto streams = readers_[at].streams;  // a gap's callbacks may change it
  for (const auto index : streams) {
    auto* who = find_follower(index, at);
    if (!who || who->is_begun) continue;
    who->is_begun = true;
    if (streams_[index].is_ready) ask_for(index, at, {});
  }
}

loop_fan_out::follower* loop_fan_out::find_follower(std::uint32_t index, slot at) {
  auto& s = streams_[index];
  if (!s.more) return nullptr;
  for (auto& each : s.more->followers)
    if (each.at == at) return &each;
  return nullptr;
}

void loop_fan_out::note_joined(slot at, entity_key stream, seq_t seq) {
  const auto index = index_.find(stream);
  if (index == key_index::none || !reads(at, index)) return;
  auto& s = streams_[index];
  // A follower is behind the stream: what it is told next may still be how she left before.
  const auto* follows = find_follower(index, at);
  const auto reached = follows ? follows->cursor.after() : s.at;
  if (reached.is_known() && reached.seq >= seq) return;
  more(s).just_joined.push_back({at, seq});
}

void loop_fan_out::drop(slot at, std::uint32_t index) {
  flush(index);
  auto& s = streams_[index];
  erase_one(s.live, [at](slot each) { return each == at; });
  if (!s.more) return;
  erase_one(s.more->followers, [at](const follower& each) { return each.at == at; });
  std::erase_if(s.more->just_joined, [at](const joined& each) { return each.at == at; });
  tidy(s);
}

void loop_fan_out::remove(slot at, std::uint32_t index, steady_time now) {
  drop(at, index);
  erase_one(readers_[at].streams, [index](std::uint32_t each) { return each == index; });
  close_if_unread(index, now);
}

void loop_fan_out::remove_and_tell(slot at, std::uint32_t index, steady_time now) {
  const auto key = streams_[index].key;
  auto* reader = readers_[at].reader;
  remove(at, index, now);
  if (reader) reader->on_removed(key);
}

void loop_fan_out::unsubscribe(slot at, entity_key stream, steady_time now) {
  const auto index = index_.find(stream);
  if (index != key_index::none && reads(at, index)) remove(at, index, now);
}

std::vector<loop_fan_out::cursor> loop_fan_out::cursors(slot at) const {
  std::vector<cursor> list;
  list.reserve(readers_[at].streams.size());
  for (const auto index : readers_[at].streams) {
    const auto& s = streams_[index];
    if (s.key.kind == entity_kind::presence) continue;
    cursor mine{s.key, s.at, s.stamp, false};
    if (s.more && s.more->own) mine.at = s.more->own->after();
    if (s.more)
      for (const auto& each : s.more->followers)
        if (each.at == at) mine = {s.key, each.cursor.after(), each.is_lost ? 0 : s.stamp, false};
    mine.is_untouched = s.touched <= readers_[at].since;
    list.push_back(mine);
  }
  return list;
}

// -- what comes in
// -----------------------------------------------------------------------------------------------------

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

// -- catching up
// -------------------------------------------------------------------------------------------------------

void loop_fan_out::ask_for_stream(std::uint32_t index, steady_time) {
  auto& s = streams_[index];
  const auto token = next_token_++;
  asked_.emplace(token, asked{s.key, no_slot});
  s.more->own_token = token;
  ++figures_.replays;
  s.more->asks_again = false;
  source_.replay(s.key, s.more->own->after(), s.stamp, readers_[s.live.front()].user, token);
}

void loop_fan_out::ask_for(std::uint32_t index, slot at, steady_time now) {
  auto* who = find_follower(index, at);
  if (who->is_asking) return;
  if (who->is_lost) return lose(index, at, now);
  who->is_asking = true;
  const auto token = next_token_++;
  asked_.emplace(token, asked{streams_[index].key, at});
  ++figures_.replays;
  source_.replay(streams_[index].key, who->cursor.after(), who->stamp, readers_[at].user, token);
}

void loop_fan_out::on_page(std::uint64_t token, epoch_t epoch, seq_t end_seq, std::span<const arrival> events,
                           steady_time now, std::optional<seq_t> begin) {
  const auto found = asked_.find(token);
  if (found == asked_.end()) return;
  const auto what = found->second;
  asked_.erase(found);
  const auto index = index_.find(what.stream);
  if (index == key_index::none) return;
  std::vector<arrival> out;
  if (what.at == no_slot) {
    auto& s = streams_[index];
    if (!s.more || !s.more->own || s.more->own_token != token) return;
    if (begin) s.more->own->begin_at({epoch, *begin});
    const auto then = s.more->own->on_page(epoch, end_seq, events, out);
    continue_stream(index, then, out, now);
  } else if (auto* who = find_follower(index, what.at)) {
    who->is_asking = false;
    if (begin) who->cursor.begin_at({epoch, *begin});
    auto then = who->cursor.on_page(epoch, end_seq, events, out);
    if (std::exchange(who->asks_again, false) && then == catch_up::next::settled) then = catch_up::next::ask;
    continue_follower(index, what.at, then, out, now);
  }
  flush_all();
}

void loop_fan_out::on_lost(std::uint64_t token, bool may_read, steady_time now) {
  const auto found = asked_.find(token);
  if (found == asked_.end()) return;
  const auto what = found->second;
  asked_.erase(found);
  const auto index = index_.find(what.stream);
  if (index == key_index::none) return;
  if (what.at != no_slot) {
    auto* who = find_follower(index, what.at);
    if (!who) return;
    who->is_asking = false;
    if (may_read)
      lose(index, what.at, now);
    else
      remove_and_tell(what.at, index, now);
  } else {
    auto& s = streams_[index];
    if (!s.more || !s.more->own || s.more->own_token != token) return;
    if (may_read) {
      lose_stream(index, now);
    } else if (!s.live.empty()) {
      remove_and_tell(s.live.front(), index, now);
      if (is_open(index, what.stream) && !streams_[index].live.empty())
        ask_for_stream(index, now);
      else if (is_open(index, what.stream))
        streams_[index].more->own.reset();
    }
  }
  flush_all();
}

void loop_fan_out::continue_stream(std::uint32_t index, catch_up::next then, std::span<const arrival> out,
                                   steady_time now) {
  const auto key = streams_[index].key;
  auto own = std::move(streams_[index].more->own);  // so that what comes out is passed on, not held again
  pass_on_all(index, out, now);
  if (!is_open(index, key)) return;
  auto& s = streams_[index];
  if (s.live.empty()) {  // all have left: only followers, who have their own cursors
    tidy(s);
    return;
  }
  if (then == catch_up::next::settled && !(s.more && s.more->asks_again)) {
    s.at = own->after();
    promote(index);
    tidy(s);
    return;
  }
  more(s).own = std::move(own);
  if (then == catch_up::next::lost)
    lose_stream(index, now);
  else
    ask_for_stream(index, now);
}

void loop_fan_out::lose_stream(std::uint32_t index, steady_time now) {
  const auto key = streams_[index].key;
  std::vector<arrival> held;
  auto own = std::move(streams_[index].more->own);
  const auto behind = own->on_lost(held);
  flush(index);
  streams_[index].at = behind;
  if (!own->is_settled()) streams_[index].more->own = std::move(own);  // its end is unknown: the next event tells
  ++figures_.gaps;
  const auto frame = source_.gap_frame(key, behind);
  const auto readers = streams_[index].live;
  for (const auto at : readers) deliver(at, frame, delivery::message, 1);
  for (const auto at : readers)
    if (is_open(index, key) && readers_[at].reader) readers_[at].reader->on_gap(key);
  if (!is_open(index, key)) return;
  // Followers that thought they were there are in the gap too.
  std::vector<slot> behind_it;
  if (behind.is_known() && streams_[index].more)
    for (const auto& each : streams_[index].more->followers)
      if (each.cursor.is_settled() && each.cursor.after().seq < behind.seq) behind_it.push_back(each.at);
  for (const auto at : behind_it)
    if (is_open(index, key) && find_follower(index, at)) lose(index, at, now);
  if (!is_open(index, key)) return;
  pass_on_all(index, held, now);
  if (is_open(index, key)) tidy(streams_[index]);
}

void loop_fan_out::continue_follower(std::uint32_t index, slot at, catch_up::next then, std::span<const arrival> out,
                                     steady_time now) {
  const auto key = streams_[index].key;
  send_to(at, index, out, now);
  if (!is_open(index, key) || !find_follower(index, at)) return;
  switch (then) {
    case catch_up::next::ask:
      ask_for(index, at, now);
      break;
    case catch_up::next::lost:
      lose(index, at, now);
      break;
    case catch_up::next::settled:
      promote(index);
      break;
  }
}

void loop_fan_out::lose(std::uint32_t index, slot at, steady_time now) {
  const auto key = streams_[index].key;
  auto* who = find_follower(index, at);
  who->is_lost = false;
  std::vector<arrival> held;
  const auto behind = who->cursor.on_lost(held, streams_[index].at);
  ++figures_.gaps;
  deliver(at, source_.gap_frame(key, behind), delivery::message, 1);
  if (readers_[at].reader) readers_[at].reader->on_gap(key);
  if (!is_open(index, key) || !find_follower(index, at)) return;
  send_to(at, index, held, now);
  if (is_open(index, key)) promote(index);
}

// -- a turn's copying
// --------------------------------------------------------------------------------------------------

void loop_fan_out::append(std::uint32_t index, const arrival& event) {
  auto& s = streams_[index];
  if (s.live.empty()) return;
  if (!s.turn) {
    if (turn_count_ == turns_.size()) turns_.emplace_back();
    turns_[turn_count_].stream = index;
    turns_[turn_count_].events.clear();
    s.turn = static_cast<std::uint32_t>(++turn_count_);
  }
  turns_[s.turn - 1].events.push_back({event.frame, event.source->skip_connection, event.source->priority});
}

void loop_fan_out::deliver(slot at, const shared_frame& frames, delivery kind, std::size_t event_count) {
  if (!readers_[at].reader) return;
  ++figures_.buffers;
  figures_.deliveries += event_count;
  if (event_count > 1) figures_.joined_events += event_count;
  readers_[at].reader->deliver(frames, kind);
}

void loop_fan_out::flush(std::uint32_t index) {
  auto& s = streams_[index];
  if (!s.turn) return;
  auto& events = turns_[s.turn - 1].events;
  if (events.empty()) return;

  std::vector<shared_frame> frames;
  frames.reserve(events.size());
  // Joined with a message, typing and presence can't be left out any more: they go or stay together.
  auto kind = delivery::typing;
  std::vector<slot> skipping;
  for (const auto& each : events) {
    frames.push_back(each.frame);
    kind = std::min(kind, delivery_of(each.priority));
    if (each.skip && find(each.skip)) skipping.push_back(static_cast<slot>(each.skip & (readers_max - 1)));
  }
  const auto joined = frames.size() == 1 ? frames.front() : join_frames(frames);
  for (const auto at : s.live) {
    if (!skipping.empty() && std::find(skipping.begin(), skipping.end(), at) != skipping.end()) continue;
    deliver(at, joined, kind, frames.size());
  }

  std::sort(skipping.begin(), skipping.end());
  skipping.erase(std::unique(skipping.begin(), skipping.end()), skipping.end());
  for (const auto at : skipping) {
    if (std::find(s.live.begin(), s.live.end(), at) == s.live.end()) continue;
    std::vector<shared_frame> others;
    for (const auto& each : events)
      if (each.skip != readers_[at].id)
        others.push_back(each.frame);
      else
        ++figures_.skips;
    if (!others.empty()) deliver(at, others.size() == 1 ? others.front() : join_frames(others), kind, others.size());
  }
  events.clear();
}

void loop_fan_out::flush_all() {
  for (std::size_t i = 0; i < turn_count_; ++i) {
    auto& each = turns_[i];
    if (!each.events.empty()) flush(each.stream);
    if (streams_[each.stream].turn == i + 1) streams_[each.stream].turn = 0;
  }
  turn_count_ = 0;
}

}  // namespace throng
