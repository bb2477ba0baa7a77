// SPDX-License-Identifier: Apache-2.0
#include "actors/stream/event_ring.hpp"

#include <doctest/doctest.h>

#include "actors/proto/event.pb.h"
#include "storage/model/assert.hpp"

namespace throng {

namespace {

using std::chrono::minutes;
using std::chrono::seconds;

constexpr steady_time start{std::chrono::hours(1)};

std::shared_ptr<const Event> event_at(std::int64_t at) {
  auto event = std::make_shared<Event>();
  event->set_at(at);
  return event;
}

/// Positions after those of the ring's beginning, one a second.
void append(event_ring& ring, std::size_t count, std::size_t bytes = 10) {
  for (std::size_t each = 0; each < count; ++each) {
    auto seq = ring.end() + 1;
    ring.append(seq, event_at(static_cast<std::int64_t>(seq)), bytes, start + seconds(seq));
  }
}

std::vector<seq_t> after(const event_ring& ring, seq_t seq) {
  std::vector<seq_t> all;
  ReplayReply reply;
  REQUIRE(ring.replay(seq, reply));
  for (const auto& each : reply.events()) {
    CHECK(each.event().at() == static_cast<std::int64_t>(each.seq()));
    all.push_back(each.seq());
  }
  return all;
}

errc refusal(const event_ring& ring, seq_t seq) {
  ReplayReply reply;
  reply.add_events();  // what is there already stays as it is
  const auto outcome = ring.replay(seq, reply);
  CHECK(reply.events_size() == 1);
  REQUIRE_FALSE(outcome);
  return outcome.code();
}

}  // namespace

TEST_CASE("event ring: gives exactly what comes after a position, oldest first") {
  event_ring ring({}, 7);
  append(ring, 4);
  CHECK(after(ring, 7) == std::vector<seq_t>{8, 9, 10, 11});
  CHECK(after(ring, 9) == std::vector<seq_t>{10, 11});
  CHECK(after(ring, 11).empty());
}

TEST_CASE("event ring: what was before it, or never was, is too_old") {
  event_ring ring({}, 7);
  append(ring, 1);
  CHECK(refusal(ring, 6) == errc::too_old);
  CHECK(refusal(ring, 9) == errc::too_old);
}

TEST_CASE("event ring: an empty one has missed nothing at its end") {
  event_ring ring({}, 7);
  CHECK(after(ring, 7).empty());
  CHECK(refusal(ring, 0) == errc::too_old);
}

TEST_CASE("event ring: keeps at most so many events, and the oldest go first") {
  event_ring ring({3, 1'000, minutes(5)});
  append(ring, 10);
  CHECK(ring.count() == 3);
  CHECK(after(ring, 7) == std::vector<seq_t>{8, 9, 10});
  CHECK(refusal(ring, 6) == errc::too_old);
}

TEST_CASE("event ring: keeps at most so many bytes, and counts those of what has gone no more") {
  event_ring ring({1'000, 100, minutes(5)});
  append(ring, 25);
  CHECK(ring.count() == 10);
  CHECK(ring.bytes() == 100);
}

TEST_CASE("event ring: an event larger than all the bytes isn't kept, and the next ones are") {
  event_ring ring({1'000, 100, minutes(5)});
  append(ring, 2);
  append(ring, 1, 101);
  CHECK(ring.count() == 0);
  CHECK(ring.bytes() == 0);
  append(ring, 2);
  CHECK(after(ring, 3) == std::vector<seq_t>{4, 5});
  CHECK(refusal(ring, 2) == errc::too_old);
}

TEST_CASE("event ring: an event older than the window goes with the next one") {
  event_ring ring({1'000, 1'000, minutes(5)});
  append(ring, 2);  // at 1 s and 2 s
  ring.append(3, event_at(3), 10, start + seconds(1) + minutes(5) + seconds(1));
  CHECK(after(ring, 1) == std::vector<seq_t>{2, 3});
  CHECK(refusal(ring, 0) == errc::too_old);
}

TEST_CASE("event ring: lets go of the events that have left it") {
  event_ring ring({2, 1'000, minutes(5)});
  auto first = event_at(1);
  std::weak_ptr<const Event> seen = first;
  ring.append(1, std::move(first), 10, start);
  append(ring, 2);
  CHECK(seen.expired());
}

TEST_CASE("event ring: a hole in the positions is an impossible state") {
  event_ring ring({}, 7);
  CHECK_THROWS_AS(ring.append(9, event_at(9), 1, start), broken_invariant);
}

TEST_CASE("event ring: what moves is the newest that fits, as old as it was") {
  event_ring ring({.events_max = 100, .bytes_max = 10'000, .window = minutes(5)});
  append(ring, 10, 100);
  const auto now = start + seconds(20);
  const auto handed = ring.handover(350, now);
  CHECK(handed.end_seq() == 10);
  CHECK(handed.entries_size() == 3);

  event_ring elsewhere({.events_max = 100, .bytes_max = 10'000, .window = minutes(5)}, 10);
  const steady_time other_clock{seconds(5)};  // one that has only just begun
  REQUIRE(elsewhere.take_over(handed, other_clock));
  CHECK(after(elsewhere, 7) == std::vector<seq_t>{8, 9, 10});
  CHECK(refusal(elsewhere, 6) == errc::too_old);
  CHECK(elsewhere.bytes() == 300);
  // The eighth was 12 s old then.
  elsewhere.append(11, event_at(11), 10, other_clock + minutes(5) - seconds(12));
  CHECK(elsewhere.count() == 4);
  elsewhere.append(12, event_at(12), 10, other_clock + minutes(5) - seconds(11));
  CHECK(elsewhere.count() == 4);
}

TEST_CASE("event ring: what is too old doesn't move, nor what belongs to another end") {
  event_ring ring({.events_max = 100, .bytes_max = 10'000, .window = minutes(5)});
  append(ring, 3);
  CHECK(ring.handover(10'000, start + minutes(6)).entries_size() == 0);
  const auto handed = ring.handover(10'000, start + seconds(3));
  event_ring elsewhere({}, 4);
  CHECK_FALSE(elsewhere.take_over(handed, start));
  CHECK(elsewhere.end() == 4);
  CHECK(elsewhere.count() == 0);
  auto more_than_there_can_be = handed;
  more_than_there_can_be.set_end_seq(2);
  event_ring third({}, 2);
  CHECK_FALSE(third.take_over(more_than_there_can_be, start));
}

TEST_CASE("event ring: what was taken over moves on as it came, among what is new") {
  event_ring first({});
  append(first, 3);
  event_ring second({}, 3);
  REQUIRE(second.take_over(first.handover(10'000, start + seconds(3)), start + seconds(3)));
  append(second, 2);
  event_ring third({}, 5);
  REQUIRE(third.take_over(second.handover(10'000, start + seconds(5)), start + seconds(5)));
  CHECK(after(third, 0) == std::vector<seq_t>{1, 2, 3, 4, 5});
}

TEST_CASE("event ring: an event that can't be read counts as gone, and so does all before it") {
  event_ring ring({});
  append(ring, 3);
  auto handed = ring.handover(10'000, start + seconds(3));
  handed.mutable_entries(1)->set_event("\xff");
  event_ring elsewhere({}, 3);
  REQUIRE(elsewhere.take_over(handed, start));
  CHECK(after(elsewhere, 2) == std::vector<seq_t>{3});
  CHECK(refusal(elsewhere, 1) == errc::too_old);
  CHECK(refusal(elsewhere, 0) == errc::too_old);
}

TEST_CASE("event ring: takes over no more than it may keep") {
  event_ring ring({});
  append(ring, 10);
  event_ring small({.events_max = 3, .bytes_max = 10'000, .window = minutes(5)}, 10);
  REQUIRE(small.take_over(ring.handover(10'000, start + seconds(10)), start + seconds(10)));
  CHECK(after(small, 7) == std::vector<seq_t>{8, 9, 10});
  CHECK(refusal(small, 6) == errc::too_old);
}

}  // namespace throng
