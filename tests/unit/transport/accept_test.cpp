// SPDX-License-Identifier: Apache-2.0
// Accepting when there is no room: it pauses, says so, resumes by itself, and never spins.
#include <fcntl.h>
#include <list>
#include <sys/resource.h>

#include <doctest/doctest.h>

#include "tests/unit/transport/test_server.hpp"

namespace throng::test {
namespace {

using namespace std::chrono_literals;

// Takes every descriptor up to a lowered limit but `spare`, and gives them back at the end.
class descriptor_shortage {
 public:
  explicit descriptor_shortage(std::size_t limit) {
    getrlimit(RLIMIT_NOFILE, &old_);
    rlimit low = old_;
    low.rlim_cur = limit;
    REQUIRE(setrlimit(RLIMIT_NOFILE, &low) == 0);
  }
  ~descriptor_shortage() {
    release(taken_.size());
    setrlimit(RLIMIT_NOFILE, &old_);
  }
  void take_all() {
    for (int fd; (fd = ::open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0;) taken_.push_back(fd);
  }
  void release(std::size_t count) {
    for (; count > 0 && !taken_.empty(); --count) {
      ::close(taken_.back());
      taken_.pop_back();
    }
  }

 private:
  rlimit old_{};
  std::vector<int> taken_;
};

TEST_CASE("server: used-up descriptors pause accepting, and it resumes when there are some again") {
  test_server server(echo);
  raw_client before(server.port());
  CHECK(before.get("/").status == 200);
  descriptor_shortage shortage(256);
  raw_client waiting(server.port());  // accepted: made before the shortage bites
  CHECK(waiting.get("/").status == 200);
  shortage.take_all();
  shortage.release(1);
  raw_client client(server.port());  // takes the last one itself, so the server can't accept it
  client.send("GET /late HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(wait_until([&] { return server.figures().accept_pauses == 1; }));
  rusage start{}, end{};
  getrusage(RUSAGE_SELF, &start);
  for (int i = 0; i < 20; ++i) CHECK(before.get("/").status == 200);  // the others are served
  CHECK(server.figures().accepted == 2);
  getrusage(RUSAGE_SELF, &end);
  CHECK(end.ru_utime.tv_sec - start.ru_utime.tv_sec <= 1);
  shortage.release(10);
  CHECK(client.read_response().body == "GET /late? ");
  CHECK(server.figures().accept_pauses == 1);
}

TEST_CASE("server: at connections_max the next client waits until one leaves") {
  auto options = small_options();
  options.connections_max = 3;
  test_server server(echo, options);
  std::list<raw_client> clients;
  for (int i = 0; i < 3; ++i) CHECK(clients.emplace_back(server.port()).get("/").status == 200);
  raw_client next(server.port());
  next.send("GET /next HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(wait_until([&] { return server.figures().accept_pauses >= 1; }));
  CHECK(server.figures().accepted == 3);
  clients.pop_front();
  CHECK(next.read_response().body == "GET /next? ");
  CHECK(server.figures().accepted == 4);
}

TEST_CASE("server: connections are spread over the io loops by their number") {
  auto options = small_options();
  options.io_threads = 2;
  std::mutex mutex;
  std::vector<int> count(2);
  test_server server(
      [&](http_request request, http_responder answer) {
        {
          const std::lock_guard lock(mutex);
          ++count[answer.loop().index()];
        }
        echo(std::move(request), std::move(answer));
      },
      options);
  std::list<raw_client> clients;
  for (int i = 0; i < 10; ++i) CHECK(clients.emplace_back(server.port()).get("/").status == 200);
  CHECK(count == std::vector<int>{5, 5});
}

TEST_CASE("server: clients that connect and leave at once don't disturb it") {
  test_server server(echo);
  for (int i = 0; i < 200; ++i) {
    raw_client client(server.port());
    const linger reset{1, 0};
    setsockopt(client.fd(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  }
  raw_client client(server.port());
  CHECK(client.get("/").status == 200);
  client.close();
  CHECK(wait_until([&] { return server.figures().connections == 0; }));
}

}  // namespace
}  // namespace throng::test
