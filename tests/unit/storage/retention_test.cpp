// SPDX-License-Identifier: Apache-2.0
#include "storage/retention.hpp"

#include <algorithm>
#include <deque>

#include <doctest/doctest.h>

#include "tests/support/failing_store.hpp"
#include "tests/unit/storage/sqlite/sqlite_harness.hpp"

namespace throng {
namespace {

using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr entity_key stream{entity_kind::user, 7};
constexpr channel_id lobby{400};
const wall_time start_wall{std::chrono::seconds(1'767'225'600)};

/// A store with a manual queue, a clock and a retention of one hour.
struct bench {
  sqlite_harness at;
  std::unique_ptr<store> real = at.open();
  failing_store rows{*real};
  std::unique_ptr<manual_commit_queue> queue = make_manual_commit_queue(rows, {});
  retention::options options = make_options();
  steady_time now{hours(1)};
  wall_time wall = start_wall;

  static retention::options make_options() {
    retention::options made;
    made.jobs = {{trim_kind::events, hours(1), seconds(60)}};
    made.pace.rest_times = 0;  // the store's time isn't the tests'
    made.pace.rows_first = made.pace.rows_min = made.pace.rows_max = 10;
    return made;
  }
  void commit(std::vector<write_op> ops) {
    queue->submit({{}, std::move(ops)}, [](result<> outcome) { REQUIRE(outcome.ok()); });
    queue->pump();
  }
  void append(seq_t first, seq_t last) {
    std::vector<write_op> ops;
    for (auto seq = first; seq <= last; ++seq) ops.push_back(insert_event{{stream, seq, wall, "x"}});
    commit(std::move(ops));
  }
  void pass(std::chrono::steady_clock::duration by) {
    now += by;
    wall += std::chrono::duration_cast<microseconds>(by);
  }
  /// One second, one tick, and one more to learn what came of what it submitted; how many units that was.
  std::size_t tick(retention& job) {
    pass(seconds(1));
    job.tick(now, wall);
    auto units = queue->pump();
    if (units > 0) job.tick(now, wall);
    return units;
  }
  /// Ticks until one submits something; how many it took.
  int ticks_until_next(retention& job) {
    for (int ticks = 1; ticks <= 100'000; ++ticks)
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
  auto figures = job.read_figures();
  REQUIRE(figures.size() == 1);
  CHECK(figures[0].what == trim_kind::events);
  CHECK(figures[0].rows == 35);
  CHECK(figures[0].failures == 0);
  CHECK(b.wall - figures[0].last_through <= seconds(2));
}

TEST_CASE("retention: one trim is under way at a time, over all jobs, however long the store takes") {
  bench b;
  b.options.jobs.push_back({trim_kind::messages, hours(1), seconds(60)});
  retention job(*b.queue, b.options, 1);
  for (int i = 0; i < 300; ++i) {
    b.pass(seconds(1));
    job.tick(b.now, b.wall);
  }
  CHECK(b.queue->read_figures().waiting_units == 1);
}

TEST_CASE("retention: jobs take turns, so that a long one doesn't keep the others") {
  bench b;
  b.options.jobs.push_back({trim_kind::messages, hours(1), seconds(60)});
  retention job(*b.queue, b.options, 1);
  b.append(1, 200);
  std::vector<write_op> posts{put_channel{{lobby, {1}, ""}}};
  for (seq_t seq = 1; seq <= 200; ++seq) {
    message_record row;
    row.channel = lobby;
    row.ts = {b.wall.time_since_epoch().count() + static_cast<std::int64_t>(seq)};
    row.seq = seq;
    posts.push_back(insert_message{row});
  }
  b.commit(std::move(posts));
  b.pass(hours(2));
  for (int i = 0; i < 80; ++i) b.tick(job);
  auto figures = job.read_figures();
  CHECK(figures[0].rows == 200);
  CHECK(figures[1].rows == 200);
  CHECK(b.real->make_reader()->messages(lobby, {})->empty());
}

TEST_CASE("retention: a store that fails is tried again after a pause, and nothing is counted for it") {
  bench b;
  retention job(*b.queue, b.options, 1);
  b.append(1, 20);
  b.pass(hours(2));
  b.rows.commits.fail(1);
  b.ticks_until_next(job);
  CHECK(b.oldest_kept(20) == 1);
  CHECK(b.ticks_until_next(job) >= 45);
  CHECK(b.oldest_kept(20) == 11);
  CHECK(job.read_figures()[0].failures == 1);
  CHECK(job.read_figures()[0].rows == 10);
}

TEST_CASE("retention: a long queue is waited for, but not for ever") {
  bench b;
  b.options.waiting_units_max = 3;
  retention job(*b.queue, b.options, 1);
  b.append(1, 5);
  b.pass(hours(2));
  for (int i = 0; i < 4; ++i)
    b.queue->submit({{}, {insert_event{{stream, 6u + static_cast<seq_t>(i), b.wall, "x"}}}}, [](result<>) {});
  auto waits = [&](int ticks) {
    for (int i = 0; i < ticks; ++i) {
      b.pass(seconds(1));
      job.tick(b.now, b.wall);
    }
    return b.queue->read_figures().waiting_units;
  };
  CHECK(waits(29) == 4);
  CHECK(waits(62) == 5);  // due within 60 s, and the patience of 30
  while (b.queue->pump() > 0) {
  }
  CHECK(b.oldest_kept(9) == 6);
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

/// A queue before a writer that only has a price for each event that goes; time is simulated.
class priced_queue final : public commit_queue {
 public:
  explicit priced_queue(microseconds price) : price_(price) {}
  std::deque<wall_time> events;
  steady_time now{};
  microseconds busy{}, busy_max{};

  void submit(commit_unit unit, callback done) override {
    const auto& op = std::get<trim_rows>(unit.ops.front());
    std::size_t rows = 0;
    for (; rows < op.count_max && !events.empty() && events.front() < op.before; ++rows) events.pop_front();
    auto took = price_ * static_cast<long>(rows);
    busy += took;
    busy_max_after_start(took);
    op.report->rows = rows;
    op.report->busy_micros = took.count();
    op.report->is_through = rows < op.count_max;
    ends_ = now + took;
    done_ = std::move(done);
  }
  void pass() {
    if (done_ && now >= ends_) std::exchange(done_, nullptr)(throng::done);
  }
  figures read_figures() const override { return {}; }
  void stop() override {}

 private:
  void busy_max_after_start(microseconds took) {
    if (++trims_ > 20) busy_max = std::max(busy_max, took);
  }
  microseconds price_;
  std::size_t trims_ = 0;
  steady_time ends_{};
  callback done_;
};

TEST_CASE("retention: with many events a second it never falls behind for long, and no trim is long") {
  for (const auto& [price, per_second] : std::vector<std::pair<microseconds, int>>{
           {microseconds(10), 8'000}, {microseconds(40), 5'000}, {microseconds(200), 2'000}}) {
    CAPTURE(price.count());
    priced_queue queue(price);
    retention::options options;
    options.jobs = {{trim_kind::events, minutes(5), seconds(60)}};
    retention job(queue, options, 7);
    auto wall = start_wall;
    steady_time next{};
    const auto step = milliseconds(1);
    auto run = [&](auto length) {  // how old the oldest became
      microseconds oldest{};
      auto until = queue.now + length;
      for (; queue.now < until; queue.now += step, wall += step) {
        for (int i = 0; i < per_second / 1000; ++i) queue.events.push_back(wall);
        queue.pass();
        if (queue.now >= next) next = job.tick(queue.now, wall);
        oldest = std::max(oldest, wall - queue.events.front());
      }
      return oldest;
    };
    run(minutes(9));  // the first are due, and the pace is found
    queue.busy = {};
    CHECK(run(minutes(5)) <= minutes(7));
    CHECK(queue.busy_max <= milliseconds(20));
    CHECK(queue.busy < seconds(160));  // never much more than a half
    CHECK(job.read_figures()[0].failures == 0);
  }
}

}  // namespace
}  // namespace throng
