// SPDX-License-Identifier: Apache-2.0
#include "tools/common/event_loop.hpp"

#include <fcntl.h>
#include <memory>
#include <string>
#include <sys/socket.h>
#include <vector>

#include <doctest/doctest.h>

#include "tools/common/async_socket.hpp"

using namespace throng;
using namespace std::chrono_literals;

namespace {

event_loop::time in_a_minute() { return event_loop::clock::now() + 60s; }

struct line_pair {
  explicit line_pair(event_loop& loop) {
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    here = async_socket::adopt(loop, unique_fd(ends[0]));
    there = async_socket::adopt(loop, unique_fd(ends[1]));
  }
  async_socket here, there;
};

}  // namespace

TEST_CASE("event loop: sleepers wake in the order of their times") {
  event_loop loop;
  std::vector<int> woken;
  const auto now = event_loop::clock::now();
  const auto sleep = [&](int number) -> task<void> {
    CHECK_FALSE(co_await loop.sleep_until(now + number * 1ms));
    woken.push_back(number);
  };
  for (int number : {3, 1, 2}) spawn(sleep(number));
  loop.run_until([&] { return woken.size() == 3; });
  CHECK(woken == std::vector{1, 2, 3});
}

TEST_CASE("event loop: what is sent arrives, also more than the kernel holds at once") {
  event_loop loop;
  line_pair line(loop);
  const std::string sent(4 << 20, 'x');
  std::string received;
  const auto write = [&]() -> task<void> {
    auto outcome = co_await line.here.send(sent, in_a_minute());
    CHECK(outcome.ok());
  };
  const auto read = [&]() -> task<void> {
    while (received.size() < sent.size()) {
      auto more = co_await line.there.receive(received, in_a_minute());
      REQUIRE(more.ok());
    }
  };
  spawn(write());
  spawn(read());
  loop.run_until([&] { return received.size() == sent.size(); });
  CHECK(received == sent);
}

TEST_CASE("event loop: a reader is told of its deadline, and of the other side's end") {
  event_loop loop;
  line_pair line(loop);
  std::vector<std::string> seen;
  const auto read = [&]() -> task<void> {
    std::string bytes;
    auto first = co_await line.here.receive(bytes, event_loop::clock::now() + 1ms);
    seen.push_back(first.ok() && !*first ? "too late" : "something");
    line.there.shut_down();
    auto second = co_await line.here.receive(bytes, in_a_minute());
    seen.push_back(second.ok() ? "something" : second.failure().detail);
  };
  spawn(read());
  loop.run_until([&] { return seen.size() == 2; });
  CHECK(seen == std::vector<std::string>{"too late", "the other side closed it"});
}

TEST_CASE("event loop: shutting down wakes who waits, and a stale line says so") {
  event_loop loop;
  line_pair line(loop);
  CHECK_FALSE(line.here.is_stale());
  bool is_woken = false;
  const auto read = [&]() -> task<void> {
    std::string bytes;
    auto outcome = co_await line.here.receive(bytes, in_a_minute());
    is_woken = !outcome.ok();
  };
  spawn(read());
  line.here.shut_down();
  loop.run_until([&] { return is_woken; });
  CHECK(line.there.is_stale());
}

TEST_CASE("event loop: what a coroutine throws comes out of run_until") {
  event_loop loop;
  const auto fail = [&]() -> task<void> {
    co_await loop.sleep_for(1ms);
    throw std::runtime_error("broken");
  };
  spawn(fail());
  CHECK_THROWS_WITH(loop.run_until([] { return false; }), "broken");
}

TEST_CASE("event loop: chains that still wait are destroyed with it") {
  const auto kept = std::make_shared<int>(1);
  {
    event_loop loop;
    const auto inner = [&loop](std::shared_ptr<int>) -> task<void> { co_await loop.sleep_for(1h); };
    const auto outer = [&inner](std::shared_ptr<int> held) -> task<void> { co_await inner(held); };
    spawn(outer(kept));
    CHECK(kept.use_count() > 1);
  }
  CHECK(kept.use_count() == 1);
}

TEST_CASE("event loop: what was closed says nothing more, though a child that is being started still has it") {
  event_loop loop;
  int ends[2];
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
  unique_fd here(ends[0]);
  const unique_fd there(ends[1]);
  const unique_fd of_the_child(::dup(here.value()));
  event_loop::interest gone;
  { const auto watched = loop.watch(here.value(), gone); }
  here.reset();
  REQUIRE(::send(there.value(), "x", 1, 0) == 1);
  int turns = 0;
  loop.run_until([&] { return turns++ == 2; });
  CHECK_FALSE(gone.can_read);
  CHECK_FALSE(gone.can_write);
}

TEST_CASE("event loop: a socket may outlive it") {
  auto loop = std::make_unique<event_loop>();
  line_pair line(*loop);
  loop.reset();
  CHECK(line.here.is_open());
}
