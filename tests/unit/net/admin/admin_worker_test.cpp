// SPDX-License-Identifier: Apache-2.0
#include "net/admin/admin_worker.hpp"

#include <future>
#include <memory>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

namespace throng {

TEST_CASE("admin worker: jobs run one after the other, and past the bound they are refused") {
  admin_worker worker(2);
  std::promise<void> has_begun, may_end;
  REQUIRE(worker.submit([&] {
    has_begun.set_value();
    may_end.get_future().wait();
  }));
  has_begun.get_future().wait();
  std::vector<int> order;
  std::promise<void> is_done;
  CHECK(worker.submit([&] { order.push_back(1); }));
  CHECK(worker.submit([&] {
    order.push_back(2);
    is_done.set_value();
  }));
  CHECK_FALSE(worker.submit([] {}));
  may_end.set_value();
  is_done.get_future().wait();
  CHECK(order == std::vector<int>{1, 2});
}

TEST_CASE("admin worker: stop waits for the job under way, and drops what waits") {
  auto worker = std::make_unique<admin_worker>(10'000'000);
  std::promise<void> has_begun, may_end;
  bool has_ended = false, has_run = false;
  REQUIRE(worker->submit([&] {
    has_begun.set_value();
    may_end.get_future().wait();
    has_ended = true;
  }));
  has_begun.get_future().wait();
  REQUIRE(worker->submit([&] { has_run = true; }));
  auto stopping = std::async(std::launch::async, [&] { worker->stop(); });
  while (worker->submit([] {}))  // refused as soon as it is told to stop
    std::this_thread::yield();
  may_end.set_value();
  stopping.wait();
  CHECK(has_ended);
  CHECK_FALSE(has_run);
  CHECK_FALSE(worker->submit([] {}));
}

}  // namespace throng
