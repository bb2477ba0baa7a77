// SPDX-License-Identifier: Apache-2.0
#include "storage/router/lane_book.hpp"

#include <algorithm>
#include <map>
#include <random>
#include <string>

#include <doctest/doctest.h>

namespace throng {
namespace {

using namespace std::chrono_literals;

constexpr unsigned lanes = 2;

/// A reshard's random life around the book: units come, lanes take, databases commit, refuse or hand back, maps change.
/// It checks what must hold at each step.
class model {
 public:
  explicit model(std::uint64_t seed) : random_(seed) { change_map(); }

  void step() {
    switch (below(10)) {
      case 0:
      case 1:
      case 2:
        return submit();
      case 3:
      case 4:
      case 5:
        return take(any_lane());
      case 6:
      case 7:
      case 8:
        return finish(any_lane(), below(3) == 0);
      default:
        if (below(4) == 0) return change_map();
        now_ += std::chrono::milliseconds(below(below(50) == 0 ? 3000 : 30));
    }
  }

  /// No more freezing, no more maps: everything must come to an end, in a bounded number of rounds.
  void drain() {
    for (auto& lane : all_lanes()) open(*lane);
    for (int round = 0; round < 1000 && book_.unsettled() > 0; ++round) {
      now_ += 1ms;
      for (auto& lane : all_lanes()) {
        take(*lane);
        finish(*lane, false);
      }
    }
    CHECK(book_.unsettled() == 0);
    for (auto& [number, count] : answers_) REQUIRE(count == 1);
    CHECK(answers_.size() == submitted_);
    for (const auto& shard : book_.serving()) {
      CHECK(shard->figures.waiting_units == 0);
      CHECK(shard->figures.waiting_bytes == 0);
    }
  }
  std::size_t committed() const { return committed_; }
  std::size_t expired() const { return expired_; }
  std::size_t handed_back_late() const { return handed_back_late_; }

 private:
  std::uint64_t below(std::uint64_t bound) {
    return std::uniform_int_distribution<std::uint64_t>(0, bound - 1)(random_);
  }

  std::vector<std::shared_ptr<commit_lane>> all_lanes() const {
    std::vector<std::shared_ptr<commit_lane>> all;
    for (const auto& shard : shards_) all.insert(all.end(), shard->lanes.begin(), shard->lanes.end());
    return all;
  }
  commit_lane& any_lane() {
    auto all = all_lanes();
    return *all[below(all.size())];
  }
  static void open(commit_lane& lane) { lane.is_open = true; }

  /// A random division of the keyspace; ranges that it had before stay the same shards.
  void change_map() {
    lane_book::shard_list serving;
    ksid_t begin = 0;
    do {
      ksid_t end = 0;
      if (begin <= 14ull << 60 && below(3) != 0) end = begin + ((1 + below(3)) << 60);
      if (end <= begin) end = 0;
      key_range range{begin, end};
      std::shared_ptr<commit_shard> shard;
      for (const auto& known : book_.serving())
        if (known->range == range) shard = known;
      if (!shard) {
        shard = lane_book::make_shard(range, lanes);
        shards_.push_back(shard);
      }
      serving.push_back(std::move(shard));
      begin = end;
    } while (begin != 0);
    std::vector<pending_unit> torn;
    book_.apply(std::move(serving), now_, torn);
    REQUIRE(torn.empty());
    std::erase_if(shards_, [](const auto& shard) {
      return std::all_of(shard->lanes.begin(), shard->lanes.end(),
                         [](const auto& lane) { return lane->is_retired && !lane->is_in_flight; });
    });
  }

  void submit() {
    auto slot = static_cast<std::uint16_t>(below(16) << 8 | below(2));
    auto number = ++submitted_;
    pending_unit one;
    one.unit.guard = {{slot}, 1};
    one.unit.ops.clear();
    one.claim.bytes = 10;
    one.claim.slot = {slot};
    one.claim.since = now_;
    one.claim.done = [this, slot, number](const result<>&) {
      REQUIRE(++answers_[number] == 1);
      REQUIRE(answered_[slot] < number);  // in the order of the slot
      answered_[slot] = number;
    };
    numbers_[number] = slot;
    // The number travels as the epoch, which the book doesn't look at.
    one.unit.guard.epoch = number;
    REQUIRE_FALSE(book_.admit(one));
    book_.place(std::move(one));
  }

  void take(commit_lane& lane) {
    if (in_flight_.contains(&lane)) return;
    if (!lane.is_open && below(3) == 0) open(lane);
    lane_batch batch;
    auto step = book_.next(lane, now_, batch);
    switch (step.what) {
      case lane_book::next_step::commit:
        REQUIRE(is_apart(batch));
        REQUIRE(lane.is_open);
        in_flight_.emplace(&lane, std::move(batch));
        break;
      case lane_book::next_step::refuse:
        CHECK(step.why.code == errc::service_unavailable);
        expired_ += batch.claims.size();
        answer(lane, batch, {.failed = batch.claims.size()});
        break;
      case lane_book::next_step::wait:
        REQUIRE(step.until > now_);
        break;
      case lane_book::next_step::idle:
        REQUIRE((lane.waiting.empty() || !lane.after.empty()));
        break;
      case lane_book::next_step::leave:
        REQUIRE(lane.is_retired);
        break;
    }
  }

  /// From all that is in flight: no slot is in two lanes' hands.
  bool is_apart(const lane_batch& batch) const {
    for (const auto& claim : batch.claims)
      for (const auto& [other, flying] : in_flight_)
        for (const auto& theirs : flying.claims)
          if (theirs.slot == claim.slot) return false;
    return true;
  }

  void finish(commit_lane& lane, bool is_frozen) {
    auto flying = in_flight_.extract(&lane);
    if (flying.empty()) return;
    if (is_frozen) {
      handed_back_late_ += lane.is_retired;
      return book_.hand_back(lane, flying.mapped(), now_);
    }
    for (std::size_t i = 0; i < flying.mapped().units.size(); ++i) {
      auto slot = flying.mapped().claims[i].slot.value;
      auto number = flying.mapped().units[i].guard.epoch;
      REQUIRE(last_committed_[slot] < number);  // in the order of the slot, and once
      last_committed_[slot] = number;
      ++committed_;
    }
    answer(lane, flying.mapped(), {.was_tried = true, .spent = 1us});
  }
  void answer(commit_lane& lane, lane_batch& batch, const lane_book::outcome& came_to) {
    for (auto& claim : batch.claims) claim.done(done);
    book_.settle(lane, batch, came_to, now_);
  }

  std::mt19937_64 random_;
  steady_time now_{1h};
  const table_routes routes_ = table_routes::standard();
  lane_book book_{routes_, {.batch_units_max = 5}, 1000ms};
  lane_book::shard_list shards_;  // all that ever were
  std::map<commit_lane*, lane_batch> in_flight_;
  std::map<std::uint64_t, std::uint16_t> numbers_;
  std::map<std::uint64_t, int> answers_;
  std::map<std::uint16_t, std::uint64_t> answered_, last_committed_;
  std::uint64_t submitted_ = 0;
  std::size_t committed_ = 0, expired_ = 0, handed_back_late_ = 0;
};

TEST_CASE("lane book: through any reshards each unit is answered once, and each slot's in order") {
  std::size_t committed = 0, expired = 0, handed_back_late = 0;
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    CAPTURE(seed);
    model life(seed);
    for (int i = 0; i < 1500; ++i) life.step();
    life.drain();
    committed += life.committed();
    expired += life.expired();
    handed_back_late += life.handed_back_late();
  }
  // The lives had what they are about.
  CHECK(committed > 10'000);
  CHECK(expired > 100);
  CHECK(handed_back_late > 100);
}

struct fixture {
  const table_routes routes = table_routes::standard();
  lane_book book{routes, {.batch_units_max = 2, .waiting_units_max = 4, .waiting_bytes_max = 100}, 1000ms};
  steady_time now{1h};
  lane_batch batch;
  std::vector<std::shared_ptr<commit_shard>> made;

  /// A unit that waits holds its shard, which holds the unit: a router ends that by answering all of them.
  ~fixture() {
    for (auto& shard : made)
      for (auto& lane : shard->lanes) lane->waiting.clear();
  }

  std::shared_ptr<commit_shard> apply(const char* range) {
    auto shard = lane_book::make_shard(parse_key_range(range).value(), 1);
    made.push_back(shard);
    shard->lanes[0]->is_open = true;
    std::vector<pending_unit> torn;
    book.apply({shard}, now, torn);
    return shard;
  }
  pending_unit unit(std::uint16_t slot, std::size_t bytes = 10) {
    pending_unit one;
    one.unit.guard = {{slot}, 1};
    one.claim.slot = {slot};
    one.claim.bytes = bytes;
    one.claim.since = now;
    one.claim.done = [](const result<>&) {};
    return one;
  }
  std::optional<error> add(std::uint16_t slot, std::size_t bytes = 10) {
    auto one = unit(slot, bytes);
    auto refused = book.admit(one);
    if (!refused) book.place(std::move(one));
    return refused;
  }
};
using next_step = lane_book::next_step;

TEST_CASE("lane book: a shard's bounds count what waits and what is in flight") {
  fixture f;
  auto shard = f.apply("-");
  for (std::uint16_t slot = 0; slot < 4; ++slot) CHECK_FALSE(f.add(slot));
  CHECK(f.add(9)->code == errc::overloaded);
  CHECK(f.book.next(*shard->lanes[0], f.now, f.batch).what == next_step::commit);
  CHECK(f.batch.claims.size() == 2);
  CHECK(f.add(9)->code == errc::overloaded);
  f.book.settle(*shard->lanes[0], f.batch, {.was_tried = true}, f.now);
  CHECK(f.add(9, 81)->code == errc::overloaded);  // bytes
  CHECK_FALSE(f.add(9, 80));
  CHECK(shard->figures.refused_units == 3);
  CHECK(shard->figures.units == 2);
  f.book.stop();
  CHECK(f.add(1)->code == errc::stopping);
}

TEST_CASE("lane book: a frozen shard is tried again after a growing pause, and at once under a new map") {
  fixture f;
  auto shard = f.apply("-");
  auto& lane = *shard->lanes[0];
  f.add(1);
  f.add(2);
  std::vector<std::chrono::milliseconds> pauses;
  for (int i = 0; i < 6; ++i) {
    REQUIRE(f.book.next(lane, f.now, f.batch).what == next_step::commit);
    f.book.hand_back(lane, f.batch, f.now);
    auto step = f.book.next(lane, f.now, f.batch);
    REQUIRE(step.what == next_step::wait);
    pauses.push_back(std::chrono::duration_cast<std::chrono::milliseconds>(step.until - f.now));
    f.now = step.until;
  }
  CHECK(pauses == std::vector{10ms, 20ms, 40ms, 80ms, 160ms, 200ms});
  CHECK(shard->held_units() == 2);
  REQUIRE(f.book.next(lane, f.now, f.batch).what == next_step::commit);
  f.book.hand_back(lane, f.batch, f.now);
  std::vector<pending_unit> torn;
  f.book.apply({shard}, f.now, torn);  // the same ranges: something else changed
  CHECK(f.book.next(lane, f.now, f.batch).what == next_step::commit);
  CHECK(f.batch.claims[0].slot == slot_id{1});
}

TEST_CASE("lane book: what is held longer than it may be is refused, what came later waits on") {
  fixture f;
  auto shard = f.apply("-");
  auto& lane = *shard->lanes[0];
  f.add(1);
  REQUIRE(f.book.next(lane, f.now, f.batch).what == next_step::commit);
  f.book.hand_back(lane, f.batch, f.now);
  f.now += 600ms;
  f.add(2);
  f.now += 400ms;
  auto step = f.book.next(lane, f.now, f.batch);
  CHECK(step.what == next_step::refuse);
  CHECK(step.why.code == errc::service_unavailable);
  REQUIRE(f.batch.claims.size() == 1);
  CHECK(f.batch.claims[0].slot == slot_id{1});
  f.book.settle(lane, f.batch, {.failed = 1}, f.now);
  CHECK(f.book.next(lane, f.now, f.batch).what == next_step::commit);  // tries with the other
}

TEST_CASE("lane book: the lane of a new range waits for what the old one has in flight, and lets it go first") {
  fixture f;
  auto former = f.apply("-");
  f.add(1);
  REQUIRE(f.book.next(*former->lanes[0], f.now, f.batch).what == next_step::commit);
  auto current = f.apply("-");  // another shard of the same range
  f.add(1, 20);
  lane_batch other;
  CHECK(f.book.next(*current->lanes[0], f.now, other).what == next_step::idle);
  SUBCASE("answered") { f.book.settle(*former->lanes[0], f.batch, {.was_tried = true}, f.now); }
  SUBCASE("handed back") { f.book.hand_back(*former->lanes[0], f.batch, f.now); }
  REQUIRE(f.book.next(*current->lanes[0], f.now, other).what == next_step::commit);
  CHECK(other.claims.back().bytes == 20);
  CHECK(other.claims.size() == current->figures.waiting_units);
  CHECK(f.book.next(*former->lanes[0], f.now, f.batch).what == next_step::leave);
  CHECK(former->figures.waiting_units == 0);
}

TEST_CASE("lane book: a stop answers what is held, and finishes the rest") {
  fixture f;
  auto shard = f.apply("-");
  auto& lane = *shard->lanes[0];
  f.add(1);
  SUBCASE("held") {
    REQUIRE(f.book.next(lane, f.now, f.batch).what == next_step::commit);
    f.book.hand_back(lane, f.batch, f.now);
    f.book.stop();
    auto step = f.book.next(lane, f.now, f.batch);
    CHECK(step.what == next_step::refuse);
    CHECK(step.why.code == errc::stopping);
  }
  SUBCASE("not held") {
    f.book.stop();
    CHECK(f.book.next(lane, f.now, f.batch).what == next_step::commit);
  }
  f.book.settle(lane, f.batch, {}, f.now);
  CHECK(f.book.next(lane, f.now, f.batch).what == next_step::leave);
}

TEST_CASE("lane book: a task keeps its place among the units, and is alone in its batch") {
  fixture f;
  auto shard = f.apply("-");
  auto& lane = *shard->lanes[0];
  f.add(1);
  auto task = f.unit(1);
  task.claim.task = std::make_unique<lane_task>([](store&) -> result<> { return done; });
  f.book.place(std::move(task));
  f.add(1);
  for (bool is_task : {false, true, false}) {
    REQUIRE(f.book.next(lane, f.now, f.batch).what == next_step::commit);
    CHECK(f.batch.claims.size() == 1);
    CHECK(f.batch.is_task() == is_task);
    f.book.settle(lane, f.batch, {.was_tried = true}, f.now);
  }
  CHECK(shard->figures.units == 2);
  CHECK(f.book.unsettled() == 0);
}

}  // namespace
}  // namespace throng
