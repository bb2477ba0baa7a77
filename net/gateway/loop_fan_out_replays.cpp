// SPDX-License-Identifier: Apache-2.0
// Of LOOP FAN OUT: asking for what readers have missed, and the gaps that they are told where nobody knows.
#include <algorithm>
#include <utility>

#include "net/gateway/loop_fan_out.hpp"

namespace throng {

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

loop_fan_out::asked loop_fan_out::take_asked(std::uint64_t token) {
  const auto node = asked_.extract(token);
  return node ? node.mapped() : asked{};
}

void loop_fan_out::on_page(std::uint64_t token, epoch_t epoch, seq_t end_seq, std::span<const arrival> events,
                           steady_time now, std::optional<seq_t> begin) {
  const auto what = take_asked(token);
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
  const auto what = take_asked(token);
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

}  // namespace throng
