// SPDX-License-Identifier: Apache-2.0
// kill -9 at any moment loses nothing that was acknowledged. A child commits numbered units through the COMMIT QUEUE
// and writes each acknowledged number into a pipe; it is killed after a random number of them, in the middle of
// whatever it was doing then; what is in the pipe must be in the store, which must also be sound.
#include <atomic>
#include <csignal>
#include <fcntl.h>
#include <random>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

#include "storage/commit_queue.hpp"
#include "tests/unit/storage/sqlite/sqlite_harness.hpp"

namespace throng {
namespace {

constexpr channel_id lobby{400};

commit_unit numbered(std::int64_t number) {
  message_record row;
  row.channel = lobby;
  row.ts = {number};
  row.seq = static_cast<seq_t>(number);
  row.data = std::string(200 + static_cast<std::size_t>(number % 3000), 'x');
  return {{}, {insert_message{row}}};
}

/// Never returns. Keeps at most 64 units in flight, so that batches of all sizes happen.
[[noreturn]] void write_until_killed(const sqlite_harness& at, std::int64_t first, int acks) {
  auto opened = at.try_open();
  if (!opened) ::_exit(1);
  auto queue = make_threaded_commit_queue(**opened, {});
  std::atomic<std::int64_t> in_flight = 0;
  for (auto number = first;; ++number) {
    for (auto now = in_flight.load(); now >= 64; now = in_flight.load()) in_flight.wait(now);
    ++in_flight;
    queue->submit(numbered(number), [&, number, acks](result<> outcome) {
      if (!outcome || ::write(acks, &number, sizeof number) != sizeof number) ::_exit(2);
      --in_flight;
      in_flight.notify_one();
    });
  }
}

TEST_CASE("sqlite: kill -9 loses nothing that was acknowledged") {
  constexpr int rounds = 10;
  auto seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 random(seed);
  sqlite_harness at;
  at.options.checkpoint_bytes = 256 << 10;  // so that some kills hit a checkpoint
  std::int64_t acked = 0;                   // by all children: all up to here must be there
  std::int64_t stored = 0;
  for (int round = 0; round < rounds; ++round) {
    int pipe[2];
    REQUIRE(::pipe2(pipe, O_CLOEXEC) == 0);
    auto child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      ::close(pipe[0]);
      write_until_killed(at, stored + 1, pipe[1]);
    }
    ::close(pipe[1]);
    auto acks_until_kill = std::uniform_int_distribution(0, 1000)(random);
    std::int64_t number = 0;
    for (int i = 0; i < acks_until_kill; ++i) {
      REQUIRE(::read(pipe[0], &number, sizeof number) == sizeof number);
      acked = number;
    }
    ::kill(child, SIGKILL);
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    REQUIRE(WIFSIGNALED(status));
    while (::read(pipe[0], &number, sizeof number) == sizeof number) acked = number;  // acknowledged before the kill
    ::close(pipe[0]);

    auto store = at.open();  // checks every page, too
    auto rows = store->make_reader()->messages_after(lobby, 0, 1'000'000);
    REQUIRE(rows.ok());
    stored = static_cast<std::int64_t>(rows->size());
    REQUIRE(stored >= acked);
    for (std::size_t i = 0; i < rows->size(); ++i) REQUIRE(rows->at(i).seq == i + 1);  // once each, without a hole
    if (stored > 0) REQUIRE(rows->back() == std::get<insert_message>(numbered(stored).ops[0]).row);
  }
  CHECK(acked > 0);
}

}  // namespace
}  // namespace throng
