// SPDX-License-Identifier: Apache-2.0
// A stream, its ring of recent events, and a reader that catches up while more is published: every event exactly once
// and in order, or an explicit gap. The random cases print their seed when they fail.
#include "net/gateway/catch_up.hpp"

#include <algorithm>
#include <deque>
#include <random>
#include <string>

#include <doctest/doctest.h>

using namespace throng;

namespace {

constexpr entity_key stream{entity_kind::channel, 4};

arrival event_at(epoch_t epoch, seq_t seq, delivery_class priority = delivery_class::message, std::size_t bytes = 10) {
  publication told;
  told.stream = stream;
  told.epoch = epoch;
  told.seq = seq;
  told.priority = priority;
  return {std::make_shared<const publication>(told), std::make_shared<const std::string>(bytes, 'x')};
}

std::vector<arrival> events(epoch_t epoch, seq_t from, seq_t to) {
  std::vector<arrival> list;
  for (auto seq = from; seq <= to; ++seq) list.push_back(event_at(epoch, seq));
  return list;
}

std::vector<seq_t> seqs(const std::vector<arrival>& list) {
  std::vector<seq_t> numbers;
  for (const auto& each : list) numbers.push_back(each.source->seq);
  return numbers;
}

using numbers = std::vector<seq_t>;

}  // namespace

TEST_CASE("catch_up: what was replayed comes before what was held, and nothing twice") {
  catch_up cursor({1, 5});
  std::vector<arrival> out;
  CHECK(cursor.take(event_at(1, 8), out) == catch_up::next::ask);
  CHECK(cursor.take(event_at(1, 9), out) == catch_up::next::ask);
  CHECK(out.empty());
  const auto page = events(1, 6, 8);
  CHECK(cursor.on_page(1, 8, page, out) == catch_up::next::settled);
  CHECK(seqs(out) == numbers{6, 7, 8, 9});
  CHECK(cursor.after() == stream_position{1, 9});
  CHECK(cursor.held_bytes() == 0);
}

TEST_CASE("catch_up: a page that ends before the stream does asks for the next") {
  catch_up cursor({1, 0});
  std::vector<arrival> out;
  const auto first = events(1, 1, 2);
  CHECK(cursor.on_page(1, 4, first, out) == catch_up::next::ask);
  const auto second = events(1, 3, 4);
  CHECK(cursor.on_page(1, 4, second, out) == catch_up::next::settled);
  CHECK(seqs(out) == numbers{1, 2, 3, 4});
}

TEST_CASE("catch_up: a settled reader notices a lost event and asks for it") {
  catch_up cursor({1, 0});
  std::vector<arrival> out;
  REQUIRE(cursor.on_page(1, 0, {}, out) == catch_up::next::settled);
  CHECK(cursor.take(event_at(1, 1), out) == catch_up::next::settled);
  CHECK(cursor.take(event_at(1, 3), out) == catch_up::next::ask);
  CHECK(seqs(out) == numbers{1});
  const auto page = events(1, 2, 3);
  CHECK(cursor.on_page(1, 3, page, out) == catch_up::next::settled);
  CHECK(seqs(out) == numbers{1, 2, 3});
}

TEST_CASE("catch_up: a settled reader leaves out what it has had") {
  catch_up cursor({1, 3});
  std::vector<arrival> out;
  REQUIRE(cursor.on_page(1, 3, {}, out) == catch_up::next::settled);
  CHECK(cursor.take(event_at(1, 2), out) == catch_up::next::settled);
  CHECK(cursor.take(event_at(1, 3), out) == catch_up::next::settled);
  CHECK(out.empty());
}

TEST_CASE("catch_up: the next event of a new epoch follows without a question") {
  catch_up cursor({1, 3});
  std::vector<arrival> out;
  REQUIRE(cursor.on_page(1, 3, {}, out) == catch_up::next::settled);
  CHECK(cursor.take(event_at(2, 4), out) == catch_up::next::settled);
  CHECK(cursor.after() == stream_position{2, 4});
}

TEST_CASE("catch_up: a new epoch that starts lower is asked about, not taken for a repetition") {
  catch_up cursor({1, 9});
  std::vector<arrival> out;
  REQUIRE(cursor.on_page(1, 9, {}, out) == catch_up::next::settled);
  CHECK(cursor.take(event_at(2, 7), out) == catch_up::next::ask);
  CHECK(out.empty());
  CHECK(cursor.on_lost(out) == stream_position{2, 6});
  CHECK(seqs(out) == numbers{7});
  CHECK(cursor.after() == stream_position{2, 7});
}

TEST_CASE("catch_up: typing is not held, other events without a number are, in their place") {
  catch_up cursor({1, 0});
  std::vector<arrival> out;
  cursor.take(event_at(1, 1), out);
  cursor.take(event_at(1, 0, delivery_class::typing), out);
  cursor.take(event_at(1, 0), out);
  cursor.take(event_at(1, 2), out);
  const auto page = events(1, 1, 1);
  CHECK(cursor.on_page(1, 1, page, out) == catch_up::next::settled);
  CHECK(seqs(out) == numbers{1, 0, 2});
}

TEST_CASE("catch_up: a sign-out doesn't wait for what is missing, and isn't forgotten at the bound") {
  catch_up cursor({1, 0}, {.held_bytes_max = 1'000, .idle_rounds_max = 8});
  std::vector<arrival> out;
  cursor.take(event_at(1, 5), out);
  auto sign_out = event_at(1, 0);
  sign_out.frame = nullptr;
  CHECK(cursor.take(sign_out, out) == catch_up::next::ask);
  for (seq_t seq = 6; seq <= 50; ++seq) cursor.take(event_at(1, seq, delivery_class::message, 100), out);
  CHECK(seqs(out) == numbers{0});
}

TEST_CASE("catch_up: at its bound it forgets the held events and asks for them again") {
  catch_up cursor({1, 0}, {.held_bytes_max = 1'000, .idle_rounds_max = 8});
  std::vector<arrival> out;
  for (seq_t seq = 1; seq <= 50; ++seq) {
    cursor.take(event_at(1, seq, delivery_class::message, 100), out);
    CHECK(cursor.held_bytes() <= 1'000);
  }
  // The stream answered a while ago, when it was at 20.
  const auto first = events(1, 1, 20);
  CHECK(cursor.on_page(1, 20, first, out) == catch_up::next::ask);
  const auto second = events(1, 21, 50);
  CHECK(cursor.on_page(1, 50, second, out) == catch_up::next::settled);
  CHECK(seqs(out) == seqs(events(1, 1, 50)));
}

TEST_CASE("catch_up: a stream that can't tell makes a gap, and the held events follow it") {
  catch_up cursor({1, 5});
  std::vector<arrival> out;
  cursor.take(event_at(3, 90), out);
  cursor.take(event_at(3, 91), out);
  CHECK(cursor.on_lost(out) == stream_position{3, 89});
  CHECK(seqs(out) == numbers{90, 91});
  CHECK(cursor.is_settled());
  CHECK(cursor.take(event_at(3, 92), out) == catch_up::next::settled);
  CHECK(out.size() == 3);
}

TEST_CASE("catch_up: a gap of unknown end is told again, with its end, when an event shows it") {
  catch_up cursor({1, 5});
  std::vector<arrival> out;
  CHECK_FALSE(cursor.on_lost(out).is_known());
  CHECK(cursor.take(event_at(1, 5), out) == catch_up::next::settled);  // had
  CHECK(cursor.take(event_at(3, 77), out) == catch_up::next::lost);
  CHECK(out.empty());
  CHECK(cursor.on_lost(out) == stream_position{3, 76});
  CHECK(seqs(out) == numbers{77});
  CHECK(cursor.is_settled());
}

TEST_CASE("catch_up: a gap ends where the owner knows the stream to be") {
  catch_up cursor({1, 5});
  std::vector<arrival> out;
  CHECK(cursor.on_lost(out, {2, 40}) == stream_position{2, 40});
  CHECK(cursor.take(event_at(2, 41), out) == catch_up::next::settled);
  CHECK(seqs(out) == numbers{41});
}

TEST_CASE("catch_up: held events with a hole between them are part of the gap up to the hole") {
  catch_up cursor({1, 5});
  std::vector<arrival> out;
  for (const seq_t seq : {8, 9, 12, 12, 13}) cursor.take(event_at(1, seq), out);
  CHECK(cursor.on_lost(out) == stream_position{1, 11});
  CHECK(seqs(out) == numbers{12, 13});
}

TEST_CASE("catch_up: pages that bring nothing end in a gap, not in questions for ever") {
  catch_up cursor({1, 5}, {.held_bytes_max = 64 * 1024, .idle_rounds_max = 3});
  std::vector<arrival> out;
  CHECK(cursor.on_page(1, 9, {}, out) == catch_up::next::ask);
  CHECK(cursor.on_page(1, 9, {}, out) == catch_up::next::ask);
  CHECK(cursor.on_page(1, 9, {}, out) == catch_up::next::lost);
}

// -- random interleavings
// ----------------------------------------------------------------------------------------------

namespace {

/// One stream that commits, publishes over a wire that may lose and repeat events, and answers Replay from a ring.
class world {
 public:
  explicit world(unsigned seed) : random_(seed), seed_(seed) {
    const seq_t start = pick(0, 20);
    end_ = start;
    told_ = start;
    const bool is_strict = pick(0, 1) == 0;  // a link that loses nothing
    loses_ = is_strict ? 0 : pick(0, 30);
    ring_size_ = pick(0, 3) == 0 ? pick(1, 10) : 1'000;
    page_size_ = pick(1, 8);
    const catch_up_limits limits{.held_bytes_max = pick(0, 2) == 0 ? std::size_t{400} : std::size_t{100'000},
                                 .idle_rounds_max = 8};
    for (auto i = pick(0, 15); i > 0; --i) ++end_;  // missed while it was away
    cursor_ = std::make_unique<catch_up>(stream_position{1, start}, limits);
  }

  void run() {
    ask();
    for (int step = 0; step < 400; ++step) {
      switch (pick(0, 3)) {
        case 0:
          publish();
          break;
        case 1:
          deliver();
          break;
        case 2:
          answer();
          break;
        default:
          work_on_answer();
          break;
      }
    }
    loses_ = 0;
    publish();  // an event that surely arrives shows what was lost before it
    for (int i = 0; i < 10'000 && (!wire_.empty() || is_asking_); ++i) {
      deliver();
      work_on_answer();
      answer();
    }
    if (!wire_.empty() || !cursor_->is_settled()) fail("it never settled");
    if (told_ != end_) fail("told up to " + std::to_string(told_) + " of " + std::to_string(end_));
  }

  std::size_t gaps = 0;

 private:
  struct reply {
    seq_t end;
    bool is_too_old;
    std::vector<arrival> events;
  };

  unsigned pick(unsigned low, unsigned high) { return std::uniform_int_distribution(low, high)(random_); }

  void publish() {
    ++end_;
    if (pick(1, 100) > loses_) wire_.push_back(event_at(1, end_));
    if (loses_ && pick(0, 9) == 0) wire_.push_back(event_at(1, end_));
  }

  void deliver() {
    if (wire_.empty()) return;
    std::vector<arrival> out;
    const auto then = cursor_->take(wire_.front(), out);
    wire_.pop_front();
    tell(out);
    if (then == catch_up::next::ask) ask();
    if (then == catch_up::next::lost) lose();
  }

  void lose() {
    std::vector<arrival> out;
    const auto behind = cursor_->on_lost(out);
    ++gaps;
    may_go_on_ = behind.is_known();
    if (may_go_on_) {
      if (behind.seq < told_) fail("a gap went back");
      told_ = behind.seq;
    }
    tell(out);
  }

  void ask() {
    if (is_asking_) return;
    is_asking_ = true;
    asked_after_ = cursor_->after().seq;
  }

  /// The stream answers at some moment between the question and the answer's arrival.
  void work_on_answer() {
    if (!is_asking_ || answer_) return;
    reply made{end_, asked_after_ + ring_size_ < end_, {}};
    for (auto seq = asked_after_ + 1; seq <= end_ && made.events.size() < page_size_; ++seq)
      made.events.push_back(event_at(1, seq));
    answer_ = made;
  }

  void answer() {
    if (!answer_) return;
    const auto arrived = *std::exchange(answer_, std::nullopt);
    is_asking_ = false;
    std::vector<arrival> out;
    auto then = catch_up::next::lost;
    if (!arrived.is_too_old) then = cursor_->on_page(1, arrived.end, arrived.events, out);
    tell(out);
    if (then == catch_up::next::lost) lose();
    if (then == catch_up::next::ask) ask();
  }

  /// What the client has been told, event by event: dense, but for gaps that were told too.
  void tell(const std::vector<arrival>& out) {
    for (const auto& each : out) {
      if (!may_go_on_) fail("an event followed a gap of unknown end");
      if (each.source->seq != told_ + 1)
        fail("event " + std::to_string(each.source->seq) + " followed " + std::to_string(told_));
      told_ = each.source->seq;
    }
  }

  void fail(const std::string& why) { FAIL("seed " << seed_ << ": " << why); }

  std::mt19937 random_;
  const unsigned seed_;
  seq_t end_ = 0;
  seq_t told_ = 0;
  unsigned loses_ = 0;
  seq_t ring_size_ = 0;
  std::size_t page_size_ = 0;
  std::unique_ptr<catch_up> cursor_;
  std::deque<arrival> wire_;
  bool is_asking_ = false;
  seq_t asked_after_ = 0;
  std::optional<reply> answer_;
  bool may_go_on_ = true;
};

}  // namespace

TEST_CASE("catch_up: whatever the order, each event comes once and in order, or after an explicit gap") {
  std::size_t with_gaps = 0;
  for (unsigned seed = 1; seed <= 3'000; ++seed) {
    world one(seed);
    one.run();
    with_gaps += one.gaps > 0;
  }
  // Both kinds of ends were among them.
  CHECK(with_gaps > 100);
  CHECK(with_gaps < 2'000);
}
