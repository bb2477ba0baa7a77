// SPDX-License-Identifier: Apache-2.0
#include "cluster/task.hpp"

#include <string>
#include <vector>

#include <doctest/doctest.h>

namespace throng {

namespace {

class job_list final : public executor {
 public:
  void post(std::function<void()> job) override { jobs.push_back(std::move(job)); }
  void run() {
    auto now = std::exchange(jobs, {});
    for (auto& each : now) each();
  }
  std::vector<std::function<void()>> jobs;
};

struct counted {
  explicit counted(int& count) : alive(count) { ++alive; }
  ~counted() { --alive; }
  counted(const counted&) = delete;
  int& alive;
};

/// Waits for one callback; the caller keeps `done`.
task<std::string> wait_for(executor_ptr where, std::function<void(std::string)>* done) {
  co_return co_await await_callback<std::string>(where, [&](std::function<void(std::string)> call) { *done = call; });
}

task<void> outer(executor_ptr where, std::function<void(std::string)>* done, int& alive, std::string* heard) {
  counted guard(alive);
  auto text = co_await wait_for(where, done);
  *heard = text + "!";
}

}  // namespace

TEST_CASE("task: it goes on through its executor, not where the callback is called") {
  auto jobs = std::make_shared<job_list>();
  std::function<void(std::string)> done;
  int alive = 0;
  std::string heard;
  spawn(outer(jobs, &done, alive, &heard));
  REQUIRE(done);
  done("ready");
  CHECK(heard.empty());
  jobs->run();
  CHECK(heard == "ready!");
  CHECK(alive == 0);
}

TEST_CASE("task: a callback that goes away uncalled takes the whole chain with it") {
  auto jobs = std::make_shared<job_list>();
  std::function<void(std::string)> done;
  int alive = 0;
  std::string heard;
  spawn(outer(jobs, &done, alive, &heard));
  CHECK(alive == 1);
  done = nullptr;
  CHECK(alive == 0);
  CHECK(heard.empty());
}

TEST_CASE("task: a job that its executor drops takes the whole chain with it") {
  auto jobs = std::make_shared<job_list>();
  std::function<void(std::string)> done;
  int alive = 0;
  std::string heard;
  spawn(outer(jobs, &done, alive, &heard));
  done("ready");
  done = nullptr;
  CHECK(alive == 1);
  jobs->jobs.clear();
  CHECK(alive == 0);
}

TEST_CASE("task: an exception comes out of the job that caused it, and the frames are gone") {
  auto jobs = std::make_shared<job_list>();
  std::function<void(int)> done;
  int alive = 0;
  auto failing = [](executor_ptr where, std::function<void(int)>* keep, int& count) -> task<void> {
    counted guard(count);
    co_await await_callback<int>(where, [&](std::function<void(int)> call) { *keep = call; });
    throw std::runtime_error("broken");
  };
  spawn(failing(jobs, &done, alive));
  done(1);
  CHECK_THROWS_WITH(jobs->run(), "broken");
  CHECK(alive == 0);
  auto at_once = []() -> task<void> {
    throw std::runtime_error("at once");
    co_return;
  };
  CHECK_THROWS_WITH(spawn(at_once()), "at once");
}

TEST_CASE("task: a callback that is dropped before it is stored takes the chain with it at once") {
  auto jobs = std::make_shared<job_list>();
  int alive = 0;
  auto deserted = [](executor_ptr where, int& count) -> task<void> {
    counted guard(count);
    co_await await_callback<int>(where, [](std::function<void(int)>) {});
    FAIL("nobody has called it");
  };
  spawn(deserted(jobs, alive));
  CHECK(alive == 0);
  CHECK(jobs->jobs.empty());
}

TEST_CASE("task: one that is called before it is stored goes on through its executor too") {
  auto jobs = std::make_shared<job_list>();
  int alive = 0, heard = 0;
  auto hasty = [](executor_ptr where, int& count, int& into) -> task<void> {
    counted guard(count);
    into = co_await await_callback<int>(where, [](std::function<void(int)> call) { call(7); });
  };
  spawn(hasty(jobs, alive, heard));
  CHECK(heard == 0);
  jobs->run();
  CHECK(heard == 7);
  CHECK(alive == 0);
}

TEST_CASE("task: when starting throws, the coroutine hears of it, and a call that comes all the same finds nobody") {
  auto jobs = std::make_shared<job_list>();
  std::function<void(int)> kept;
  int alive = 0;
  auto failing = [](executor_ptr where, std::function<void(int)>* keep, int& count) -> task<void> {
    counted guard(count);
    co_await await_callback<int>(where, [&](std::function<void(int)> call) {
      *keep = std::move(call);
      throw std::runtime_error("it didn't start");
    });
  };
  CHECK_THROWS_WITH(spawn(failing(jobs, &kept, alive)), "it didn't start");
  CHECK(alive == 0);
  kept(1);
  kept = nullptr;
  jobs->run();
  CHECK(alive == 0);
}

}  // namespace throng
