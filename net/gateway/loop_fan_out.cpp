// SPDX-License-Identifier: Apache-2.0
#include "net/gateway/loop_fan_out.hpp"

#include <algorithm>
#include <utility>

#include "storage/model/assert.hpp"

namespace throng {

namespace {

delivery delivery_of(delivery_class priority) { return static_cast<delivery>(priority); }

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
