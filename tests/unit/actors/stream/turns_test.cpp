// SPDX-License-Identifier: Apache-2.0
#include "actors/stream/turns.hpp"

#include <string>
#include <vector>

#include <doctest/doctest.h>

namespace throng {

namespace {

class job_list final : public executor {
 public:
  void post(std::function<void()> job) override { jobs_.push_back(std::move(job)); }
  void run() {
    while (!jobs_.empty())
      for (auto& each : std::exchange(jobs_, {})) each();
  }

 private:
  std::vector<std::function<void()>> jobs_;
};

/// Handlers that end when the test says so.
struct bench {
  std::shared_ptr<job_list> jobs = std::make_shared<job_list>();
  turns line{2};
  std::string log;
  std::vector<std::function<void(unit)>> working;

  task<result<int>> work(char name) {
    log += name;
    co_await await_callback<unit>(jobs,
                                  [&](std::function<void(unit)> finish) { working.push_back(std::move(finish)); });
    log += static_cast<char>(name - 'a' + 'A');
    co_return 1;
  }
  task<> start(std::uint64_t key, char name) {
    auto outcome = co_await line.run(jobs, key, work(name));
    if (!outcome) log += outcome.code() == errc::overloaded ? '!' : '?';
  }
  void finish_next() {
    auto next = std::move(working.front());
    working.erase(working.begin());
    next({});
    jobs->run();
  }
};

}  // namespace

TEST_CASE("turns: work on the same key goes one after the other, in the order it came") {
  bench b;
  spawn(b.start(7, 'a'));
  spawn(b.start(7, 'b'));
  spawn(b.start(7, 'c'));
  CHECK(b.log == "a");
  b.finish_next();
  b.finish_next();
  b.finish_next();
  CHECK(b.log == "aAbBcC");
  CHECK_FALSE(b.line.is_busy(7));
}

TEST_CASE("turns: work on other keys doesn't wait") {
  bench b;
  spawn(b.start(7, 'a'));
  spawn(b.start(8, 'b'));
  CHECK(b.log == "ab");
}

TEST_CASE("turns: who comes when it is somebody else's turn next goes behind") {
  bench b;
  spawn(b.start(7, 'a'));
  spawn(b.start(7, 'b'));
  auto finish = std::move(b.working.front());
  b.working.clear();
  finish({});
  spawn(b.start(7, 'c'));  // before a's end was handled
  b.jobs->run();
  CHECK(b.log == "aAb");
  b.finish_next();
  b.finish_next();
  CHECK(b.log == "aAbBcC");
}

TEST_CASE("turns: past the bound the work is refused and not run, and the others go on") {
  bench b;
  for (auto name : {'a', 'b', 'c', 'd'}) spawn(b.start(7, name));
  CHECK(b.log == "a!");
  CHECK(b.line.waiting() == 2);
  for (int each = 0; each < 3; ++each) b.finish_next();
  CHECK(b.log == "a!AbBcC");
}

}  // namespace throng
