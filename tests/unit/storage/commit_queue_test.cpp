// SPDX-License-Identifier: Apache-2.0
#include "storage/commit_queue.hpp"

#include <atomic>
#include <future>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include "tests/support/failing_store.hpp"
#include "tests/unit/storage/sqlite/sqlite_harness.hpp"

namespace throng {
namespace {

commit_unit post_unit(std::uint64_t channel, std::int64_t number, std::size_t bytes = 10) {
  message_record row;
  row.channel = {channel * 4};
  row.ts = {number};
  row.seq = static_cast<seq_t>(number);
  row.data = std::string(bytes, 'x');
  return {{}, {insert_message{row}}};
}

/// Holds every commit back until it is let through, so that a test decides what arrives while one is in flight.
class gated_store final : public store {
 public:
  explicit gated_store(store& real) : real_(real) {}

  /// Blocks until a commit is in flight; how many units it has.
  std::size_t wait_for_commit() { return arrived_.get_future().get(); }
  void let_through() {
    arrived_ = {};
    std::exchange(released_, {}).set_value();
  }
  void open_for_good() {
    is_open_ = true;
    released_.set_value();
  }

  result<std::vector<result<>>> commit(std::span<const commit_unit> units) override {
    if (!is_open_) {
      auto released = released_.get_future();
      arrived_.set_value(units.size());
      released.get();
    }
    return real_.commit(units);
  }
  result<> raise_fences(std::span<const fence> guards, fence_holder by) override {
    return real_.raise_fences(guards, by);
  }
  result<std::vector<fence>> fences() override { return real_.fences(); }
  std::unique_ptr<store_reader> make_reader() override { return real_.make_reader(); }

 private:
  store& real_;
  std::promise<std::size_t> arrived_;
  std::promise<void> released_;
  std::atomic<bool> is_open_ = false;
};

/// Collects answers, in the order in which they came.
struct answers {
  std::mutex mutex;
  std::vector<std::pair<int, std::string>> all;

  commit_queue::callback add(int number) {
    return [this, number](result<> outcome) {
      std::lock_guard lock(mutex);
      all.emplace_back(number, outcome ? "ok" : std::string(to_string(outcome.code())));
    };
  }
};
using answer_list = std::vector<std::pair<int, std::string>>;

TEST_CASE("commit queue: what arrives while a commit is in flight becomes one batch, up to its bounds") {
  sqlite_harness at;
  auto real = at.open();
  gated_store gate(*real);
  commit_queue::limits limits;
  limits.batch_units_max = 4;
  limits.batch_bytes_max = 20'000;
  auto queue = make_threaded_commit_queue(gate, limits);
  answers got;
  int number = 1;
  auto submit = [&](std::size_t bytes = 10) {
    queue->submit(post_unit(1, number, bytes), got.add(number));
    ++number;
  };
  submit();
  CHECK(gate.wait_for_commit() == 1);
  for (int i = 0; i < 6; ++i) submit();
  submit(15'000);
  submit(15'000);  // doesn't fit with the one before
  submit(50'000);  // fits with nothing, and is taken alone
  CHECK(queue->read_figures().waiting_units == 10);
  CHECK(queue->read_figures().waiting_bytes > 80'000);
  for (std::size_t expected : {4, 3, 1}) {
    gate.let_through();
    CHECK(gate.wait_for_commit() == expected);
  }
  gate.let_through();
  CHECK(gate.wait_for_commit() == 1);
  gate.open_for_good();
  queue->stop();
  answer_list expected;
  for (int i = 1; i < number; ++i) expected.emplace_back(i, "ok");
  CHECK(got.all == expected);
  auto figures = queue->read_figures();
  CHECK(figures.units == 10);
  CHECK(figures.batches == 5);
  CHECK(figures.failed_units == 0);
  CHECK(figures.waiting_units == 0);
  CHECK(figures.waiting_bytes == 0);
}

TEST_CASE("commit queue: each caller's units are committed and answered in order, from many threads") {
  sqlite_harness at;
  auto real = at.open();
  auto queue = make_threaded_commit_queue(*real, {});
  constexpr std::uint64_t callers = 4;
  constexpr std::int64_t posts = 300;
  std::mutex mutex;
  std::map<std::uint64_t, std::vector<std::int64_t>> answered;
  std::vector<std::thread> threads;
  for (std::uint64_t caller = 1; caller <= callers; ++caller)
    threads.emplace_back([&, caller] {
      for (std::int64_t number = 1; number <= posts; ++number)
        queue->submit(post_unit(caller, number), [&, caller, number](result<> outcome) {
          std::lock_guard lock(mutex);
          answered[caller].push_back(outcome ? number : -1);
        });
    });
  for (auto& thread : threads) thread.join();
  queue->stop();
  std::vector<std::int64_t> expected;
  for (std::int64_t number = 1; number <= posts; ++number) expected.push_back(number);
  auto reader = real->make_reader();
  for (std::uint64_t caller = 1; caller <= callers; ++caller) {
    CHECK(answered[caller] == expected);
    CHECK(reader->messages_after({caller * 4}, 0, 1000)->size() == posts);
  }
  CHECK(queue->read_figures().units == callers * posts);
}

TEST_CASE("commit queue: past its bounds it refuses, and takes units again when there is room") {
  sqlite_harness at;
  auto real = at.open();
  commit_queue::limits limits;
  limits.waiting_units_max = 2;
  limits.waiting_bytes_max = 10'000;
  auto queue = make_manual_commit_queue(*real, limits);
  answers got;
  queue->submit(post_unit(1, 1), got.add(1));
  queue->submit(post_unit(1, 2, 20'000), got.add(2));  // too many bytes
  queue->submit(post_unit(1, 3), got.add(3));
  queue->submit(post_unit(1, 4), got.add(4));  // too many units
  CHECK(got.all == answer_list{{2, "overloaded"}, {4, "overloaded"}});
  CHECK(queue->read_figures().refused_units == 2);
  CHECK(queue->pump() == 2);
  CHECK(queue->pump() == 0);
  queue->submit(post_unit(1, 5), got.add(5));
  CHECK(queue->pump() == 1);
  CHECK(got.all == answer_list{{2, "overloaded"}, {4, "overloaded"}, {1, "ok"}, {3, "ok"}, {5, "ok"}});
}

TEST_CASE("commit queue: a refused unit is answered alone, a store error to every unit, and the queue goes on") {
  sqlite_harness at;
  auto real = at.open();
  failing_store flaky(*real);
  auto queue = make_manual_commit_queue(flaky, {});
  answers got;
  queue->submit(post_unit(1, 1), got.add(1));
  queue->submit(post_unit(1, 1), got.add(2));
  queue->submit(post_unit(1, 2), got.add(3));
  CHECK(queue->pump() == 3);
  CHECK(got.all == answer_list{{1, "ok"}, {2, "conflict"}, {3, "ok"}});

  got.all.clear();
  flaky.commits.fail(1, 1, {errc::storage_full, "planned"});
  queue->submit(post_unit(1, 3), got.add(4));
  queue->submit(post_unit(1, 4), got.add(5));
  CHECK(queue->pump() == 2);
  queue->submit(post_unit(1, 3), got.add(6));
  CHECK(queue->pump() == 1);
  CHECK(got.all == answer_list{{4, "storage_full"}, {5, "storage_full"}, {6, "ok"}});
  CHECK(queue->read_figures().failed_units == 3);
  CHECK(queue->read_figures().store_errors == 1);
  CHECK(real->make_reader()->messages_after({4}, 0, 10)->size() == 3);
}

TEST_CASE("commit queue: what builds on a failed or refused unit is refused, whatever made it fail") {
  sqlite_harness at;
  auto real = at.open();
  failing_store flaky(*real);
  commit_queue::limits limits;
  limits.waiting_bytes_max = 10'000;
  auto queue = make_manual_commit_queue(flaky, limits);
  answers got;
  auto submit = [&](int number, std::shared_ptr<std::atomic<bool>> lineage, std::size_t bytes = 10) {
    auto unit = post_unit(1, number, bytes);
    unit.lineage = std::move(lineage);
    queue->submit(std::move(unit), got.add(number));
  };
  auto first = std::make_shared<std::atomic<bool>>(false);
  flaky.commits.fail(1);
  submit(1, first);
  queue->pump();
  submit(2, first);
  queue->pump();
  CHECK(got.all == answer_list{{1, "service_unavailable"}, {2, "conflict"}});

  got.all.clear();
  auto second = std::make_shared<std::atomic<bool>>(false);
  submit(3, second);
  submit(4, second, 20'000);
  queue->pump();
  CHECK(got.all == answer_list{{4, "overloaded"}, {3, "conflict"}});
  CHECK(real->make_reader()->messages_after({4}, 0, 10)->empty());
}

TEST_CASE("commit queue: stop commits what waits, then refuses") {
  sqlite_harness at;
  auto real = at.open();
  gated_store gate(*real);
  auto queue = make_threaded_commit_queue(gate, {});
  answers got;
  queue->submit(post_unit(1, 1), got.add(1));
  gate.wait_for_commit();
  for (int number = 2; number <= 5; ++number) queue->submit(post_unit(1, number), got.add(number));
  gate.open_for_good();
  queue->stop();
  CHECK(got.all.size() == 5);
  CHECK(real->make_reader()->messages_after({4}, 0, 10)->size() == 5);
  queue->submit(post_unit(1, 6), got.add(6));
  CHECK(got.all.back() == std::pair<int, std::string>{6, "stopping"});
  queue->stop();  // again is nothing
}

TEST_CASE("commit queue: a callback may submit the next unit") {
  sqlite_harness at;
  auto real = at.open();
  auto queue = make_threaded_commit_queue(*real, {});
  std::promise<void> finished;
  std::function<void(std::int64_t)> next = [&](std::int64_t number) {
    queue->submit(post_unit(1, number), [&, number](result<> outcome) {
      if (!outcome || number == 50)
        finished.set_value();
      else
        next(number + 1);
    });
  };
  next(1);
  finished.get_future().get();
  CHECK(real->make_reader()->messages_after({4}, 0, 100)->size() == 50);
  queue->stop();
}

TEST_CASE("commit queue: the manual one stops like the threaded one") {
  sqlite_harness at;
  auto real = at.open();
  commit_queue::limits limits;
  limits.batch_units_max = 2;
  auto queue = make_manual_commit_queue(*real, limits);
  answers got;
  for (int number = 1; number <= 5; ++number) queue->submit(post_unit(1, number), got.add(number));
  CHECK(queue->pump() == 2);
  queue->stop();
  CHECK(got.all.size() == 5);
  queue->submit(post_unit(1, 6), got.add(6));
  CHECK(got.all.back() == std::pair<int, std::string>{6, "stopping"});
}

}  // namespace
}  // namespace throng
