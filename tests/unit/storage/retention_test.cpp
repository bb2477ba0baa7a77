// SPDX-License-Identifier: Apache-2.0
#include "storage/retention.hpp"

#include <doctest/doctest.h>

#include "tests/support/failing_store.hpp"
#include "tests/unit/storage/sqlite/sqlite_harness.hpp"

namespace throng {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr entity_key stream{entity_kind::user, 7};
const wall_time start_wall{std::chrono::seconds(1'767'225'600)};

/// A store with a manual queue, a clock and a retention of one hour.
struct bench {
  sqlite_harness at;
  std::unique_ptr<store> real = at.open();
  failing_store rows{*real};
  std::unique_ptr<manual_commit_queue> queue = make_manual_commit_queue(rows, {});
  retention::options options{.events_kept = hours(1), .batch = 10, .pause = seconds(60)};
  steady_time now{hours(1)};
  wall_time wall = start_wall;

  void append(seq_t first, seq_t last) {
    commit_unit unit;
    for (auto seq = first; seq <= last; ++seq) unit.ops.push_back(insert_event{{stream, seq, wall, "x"}});
    queue->submit(std::move(unit), [](result<> outcome) { REQUIRE(outcome.ok()); });
    queue->pump();
  }
  void pass(std::chrono::steady_clock::duration by) {
    now += by;
    wall += std::chrono::duration_cast<std::chrono::microseconds>(by);
  }
  /// One second, one tick; how many units it submitted.
  std::size_t tick(retention& job) {
    pass(seconds(1));
    job.tick(now, wall);
    return queue->pump();
  }
  /// Ticks until one submits something; how many it took.
  int ticks_until_next(retention& job) {
    for (int ticks = 1; ticks <= 1000; ++ticks)
      if (tick(job) > 0) return ticks;
    FAIL("nothing was submitted");
    return 0;
  }
  seq_t oldest_kept(seq_t end) {
    for (seq_t after = 0; after < end; ++after)
      if (real->make_reader()->events_after(stream, after, 1000).ok()) return after + 1;
    return end + 1;
  }
};

TEST_CASE("retention: what is older than the bound goes in full batches at each tick, then it pauses") {
  bench b;
  retention job(*b.queue, b.options, 1);
  b.append(1, 35);
  b.pass(minutes(59));
  b.append(36, 40);
  CHECK(b.ticks_until_next(job) <= 60);
  CHECK(b.oldest_kept(40) == 1);  // nothing is old enough
  CHECK(b.tick(job) == 0);
  b.pass(minutes(2));
  CHECK(b.ticks_until_next(job) == 1);
  CHECK(b.oldest_kept(40) == 11);
  for (seq_t kept : {21, 31, 36}) {
    CHECK(b.tick(job) == 1);
    CHECK(b.oldest_kept(40) == kept);
  }
  auto pause = b.ticks_until_next(job);
  CHECK(pause >= 45);
  CHECK(pause <= 75);
  CHECK(b.oldest_kept(40) == 36);
  b.tick(job);
  CHECK(job.read_figures().trimmed == 35);
  CHECK(job.read_figures().failures == 0);
}

TEST_CASE("retention: one trim is under way at a time, however long the store takes") {
  bench b;
  retention job(*b.queue, b.options, 1);
  for (int i = 0; i < 300; ++i) {
    b.pass(seconds(1));
    job.tick(b.now, b.wall);
  }
  CHECK(b.queue->read_figures().waiting_units == 1);
}

TEST_CASE("retention: a store that fails is tried again after a pause") {
  bench b;
  retention job(*b.queue, b.options, 1);
  b.append(1, 20);
  b.pass(hours(2));
  b.rows.commits.fail(1);
  b.ticks_until_next(job);
  CHECK(b.oldest_kept(20) == 1);
  CHECK(b.ticks_until_next(job) >= 45);
  CHECK(b.oldest_kept(20) == 11);
  CHECK(job.read_figures().failures == 1);
}

TEST_CASE("retention: it may go while a trim is under way") {
  bench b;
  b.append(1, 5);
  b.pass(hours(2));
  {
    retention job(*b.queue, b.options, 1);
    for (int i = 0; i < 100; ++i) {
      b.pass(seconds(1));
      job.tick(b.now, b.wall);
    }
  }
  CHECK(b.queue->pump() == 1);
  CHECK(b.oldest_kept(5) == 6);
}

TEST_CASE("retention: nodes that start together don't trim together") {
  bench b;
  retention one(*b.queue, b.options, 1);
  auto first = b.ticks_until_next(one);
  bench c;
  retention other(*c.queue, c.options, 2);
  CHECK(c.ticks_until_next(other) != first);
}

}  // namespace
}  // namespace throng
