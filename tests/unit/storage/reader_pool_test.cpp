// SPDX-License-Identifier: Apache-2.0
#include "storage/reader_pool.hpp"

#include <atomic>
#include <future>
#include <set>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include "tests/support/failing_store.hpp"
#include "tests/unit/storage/sqlite/sqlite_harness.hpp"

namespace throng {
namespace {

std::unique_ptr<store> store_with_user(const sqlite_harness& at) {
  auto opened = at.open();
  std::vector<commit_unit> units{{{}, {put_user{{{7}, {1}, "ada"}}}}};
  REQUIRE(opened->commit(units)->at(0).ok());
  return opened;
}

TEST_CASE("reader pool: a job reads on a thread of the pool, each with a reader of its own") {
  sqlite_harness at;
  auto source = store_with_user(at);
  auto pool = make_reader_pool(*source, 2, 100);
  // Two jobs that wait for each other can only end on two threads.
  std::promise<store_reader*> first, second;
  auto first_reader = first.get_future().share(), second_reader = second.get_future().share();
  std::promise<std::string> found;
  pool->read(0, [&](store_reader* reader, errc) {
    first.set_value(reader);
    second_reader.wait();
  });
  pool->read(0, [&](store_reader* reader, errc) {
    second.set_value(reader);
    first_reader.wait();
    found.set_value(reader->user({7})->data);
  });
  CHECK(first_reader.get() != second_reader.get());
  CHECK(found.get_future().get() == "ada");
  pool->stop();  // the jobs use what is destroyed before the pool
}

TEST_CASE("reader pool: past its bound a job is told so at once") {
  sqlite_harness at;
  auto source = store_with_user(at);
  auto pool = make_reader_pool(*source, 1, 2);
  std::promise<void> is_running, may_end;
  auto end = may_end.get_future().share();
  pool->read(0, [&](store_reader*, errc) {
    is_running.set_value();
    end.wait();
  });
  is_running.get_future().wait();
  std::atomic<int> read = 0;
  for (int i = 0; i < 2; ++i) pool->read(0, [&](store_reader* reader, errc) { read += reader != nullptr; });
  CHECK(pool->waiting() == 2);
  errc refused{};
  auto caller = std::this_thread::get_id();
  pool->read(0, [&](store_reader* reader, errc why) {
    CHECK(reader == nullptr);
    CHECK(std::this_thread::get_id() == caller);
    refused = why;
  });
  CHECK(refused == errc::overloaded);
  may_end.set_value();
  pool->stop();
  CHECK(read == 2);  // stop ran what waited
  pool->read(0, [&](store_reader* reader, errc why) {
    CHECK(reader == nullptr);
    refused = why;
  });
  CHECK(refused == errc::stopping);
}

TEST_CASE("reader pool: reads run beside the writer and see what was committed before") {
  sqlite_harness at;
  auto source = store_with_user(at);
  auto pool = make_reader_pool(*source, 2, 10'000);
  std::atomic<int> wrong = 0, answered = 0;
  constexpr int posts = 200;
  for (int number = 1; number <= posts; ++number) {
    message_record row;
    row.channel = {4};
    row.ts = {number};
    row.seq = static_cast<seq_t>(number);
    std::vector<commit_unit> units{{{}, {insert_message{row}}}};
    REQUIRE(source->commit(units).ok());
    pool->read(0, [&, number](store_reader* reader, errc) {
      auto end = reader->end_of(key_of(channel_id{4}));
      wrong += !end || end->seq < static_cast<seq_t>(number);
      ++answered;
    });
  }
  pool->stop();
  CHECK(wrong == 0);
  CHECK(answered == posts);
}

TEST_CASE("reader pool: the manual one runs a job a pump, and its bounds are the same") {
  sqlite_harness at;
  auto real = store_with_user(at);
  failing_store source(*real);
  auto pool = make_manual_reader_pool(source, 2);
  std::vector<errc> outcomes;
  auto job = [&](store_reader* reader, errc refused) {
    if (!reader) return outcomes.push_back(refused);
    auto user = reader->user({7});
    outcomes.push_back(user ? errc{} : user.code());
  };
  source.reads.fail(2);
  for (int i = 0; i < 3; ++i) pool->read(0, job);
  CHECK(outcomes == std::vector{errc::overloaded});
  CHECK(pool->pump());
  CHECK(pool->pump());
  CHECK_FALSE(pool->pump());
  CHECK(outcomes == std::vector{errc::overloaded, errc{}, errc::service_unavailable});
  pool->read(0, job);
  pool->stop();
  pool->read(0, job);
  CHECK(outcomes == std::vector{errc::overloaded, errc{}, errc::service_unavailable, errc{}, errc::stopping});
}

}  // namespace
}  // namespace throng
