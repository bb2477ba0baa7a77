// SPDX-License-Identifier: Apache-2.0
// Links between processes, which are killed and stopped. A process is forked before this one has threads, and becomes a
// node when it is told to.
#include <csignal>
#include <sys/wait.h>

#include <doctest/doctest.h>

#include "tests/cluster/link/link_harness.hpp"

namespace throng {
namespace {

using namespace test;

/// Node 1 in a process of its own. Sends each parcel of node 2 back to it.
class echo_process {
 public:
  echo_process() {
    REQUIRE(::pipe(down_) == 0);
    REQUIRE(::pipe(up_) == 0);
    process_ = ::fork();
    REQUIRE(process_ >= 0);
    if (process_ == 0) live();
  }
  ~echo_process() {
    kill(SIGKILL);
    for (int fd : {down_[0], down_[1], up_[0], up_[1]}) ::close(fd);
  }
  node_identity start(std::uint16_t incarnation, std::uint16_t port = 0) {
    const std::uint16_t what[] = {incarnation, port};
    REQUIRE(::write(down_[1], what, sizeof what) == sizeof what);
    REQUIRE(::read(up_[0], &port, sizeof port) == sizeof port);
    return identity(1, port, incarnation);
  }
  void kill(int signal) {
    if (process_ <= 0) return;
    ::kill(process_, signal);
    if (signal == SIGKILL) ::waitpid(std::exchange(process_, -1), nullptr, 0);
  }

 private:
  [[noreturn]] void live() {
    ::alarm(120);  // nobody waits for it any more
    std::uint16_t what[2];
    if (::read(down_[0], what, sizeof what) != sizeof what) ::_exit(1);
    {
      link_node self(
          1, [&](auto& with) { with.listen = "127.0.0.1:" + std::to_string(what[1]); }, what[0]);
      self.on_parcel([&](std::uint16_t from, std::string_view parcel) { (void)self.post(from, std::string(parcel)); });
      self.links().set_peers({identity(2)});
      const auto port = self.links().port();
      (void)!::write(up_[1], &port, sizeof port);
      for (;;) ::pause();
    }
  }

  int down_[2], up_[2];
  pid_t process_ = -1;
};

TEST_CASE("links: a process that is killed is down at once, and its successor is another incarnation") {
  echo_process first, second;
  auto peer = first.start(1);
  link_node b(2, [](auto& with) { with.detector.pause = 60s; });  // so that the silence doesn't tell
  b.links().set_peers({peer});
  REQUIRE(wait_until([&] { return b.is_up(1); }));
  b.post_surely(1, "a");
  REQUIRE(wait_until([&] { return b.received(1) == 1; }));
  const auto began = std::chrono::steady_clock::now();
  first.kill(SIGKILL);
  REQUIRE(wait_until([&] { return !b.is_up(1); }, 5s));
  CHECK(std::chrono::steady_clock::now() - began < 1s);
  CHECK(b.post(1, "b"));
  b.links().set_peers({second.start(2, 0)});
  REQUIRE(wait_until([&] { return b.is_up(1); }));
  // "a" was answered before it was acknowledged, perhaps.
  REQUIRE_FALSE(b.lost().empty());
  CHECK(b.lost().back() == "b");
  b.post_surely(1, "c");
  REQUIRE(wait_until([&] { return b.received(1) == 2; }));
  CHECK(b.parcels(1).back() == "c");
}

TEST_CASE("links: a process that stands still is down after the patience; what waits is bounded and arrives later") {
  echo_process first;
  auto peer = first.start(1);
  link_node b(2, [](auto& with) {
    with.window.window_bytes_max = 1 << 20;
    with.window.waiting_bytes_max = 2 << 20;
  });
  b.links().set_peers({peer});
  REQUIRE(wait_until([&] { return b.is_up(1); }));
  first.kill(SIGSTOP);
  std::vector<std::string> posted;
  CHECK(wait_until([&] {
    for (int i = 0; i < 100; ++i) {
      auto parcel = std::to_string(posted.size()) + std::string(500, '.');
      if (!b.post(1, parcel)) return true;
      posted.push_back(std::move(parcel));
    }
    return false;
  }));
  REQUIRE(wait_until([&] { return !b.is_up(1); }, 5s));
  CHECK(b.view(1).figures.waiting_bytes <= 2 << 20);
  CHECK(b.view(1).figures.in_flight_bytes <= (1 << 20) + (64 << 10));
  // It is dialled in vain meanwhile.
  CHECK(wait_until([&] { return b.view(1).figures.refused > 0; }));
  first.kill(SIGCONT);
  REQUIRE(wait_until([&] { return b.received(1) == posted.size(); }, 30s));
  CHECK(b.parcels(1) == posted);
  CHECK(b.lost().empty());
}

}  // namespace
}  // namespace throng
