// SPDX-License-Identifier: Apache-2.0
// What a disk that fails to sync does to a commit. The syncs of this program fail when told to: SQLite's calls find the
// two functions below before those of the C library.
#include <atomic>
#include <cerrno>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/storage/sqlite/sqlite_harness.hpp"

namespace {

std::atomic<int> syncs_to_fail{0};

int sync_or_fail(long number, int descriptor) {
  if (syncs_to_fail.load() > 0 && syncs_to_fail.fetch_sub(1) > 0) {
    errno = EIO;
    return -1;
  }
  return static_cast<int>(::syscall(number, descriptor));
}

}  // namespace

extern "C" int fdatasync(int descriptor) { return sync_or_fail(SYS_fdatasync, descriptor); }
extern "C" int fsync(int descriptor) { return sync_or_fail(SYS_fsync, descriptor); }

namespace throng {
namespace {

constexpr channel_id lobby{400};

std::vector<commit_unit> post_unit(std::int64_t number) {
  message_record row;
  row.channel = lobby;
  row.ts = {number};
  row.seq = static_cast<seq_t>(number);
  row.data = "text";
  return {commit_unit{{}, {insert_message{row}}}};
}

/// Runs `work` with one post in the store, in a process of its own that ends as after kill −9 (a store that is closed
/// tidies up); its exit code.
template <class Work>
int in_child(const sqlite_harness& at, Work work) {
  auto child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    auto opened = at.try_open();
    ::_exit(opened && (*opened)->commit(post_unit(1)).ok() ? work(**opened) : 99);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status));
  return WEXITSTATUS(status);
}

seq_t stored_end(const sqlite_harness& at) { return at.open()->make_reader()->end_of(key_of(lobby))->seq; }

TEST_CASE("sqlite: a commit whose sync fails is refused, and doesn't come back after a kill") {
  sqlite_harness at;
  auto refuse_second = [](store& rows) {
    syncs_to_fail = 1;
    auto refused = rows.commit(post_unit(2));
    if (refused.ok()) return 2;
    if (refused.code() != errc::service_unavailable) return 3;
    return rows.make_reader()->end_of(key_of(lobby))->seq == 1 ? 0 : 4;
  };
  CHECK(in_child(at, refuse_second) == 0);
  CHECK(stored_end(at) == 1);
}

TEST_CASE("sqlite: after a sync that failed, the next commits go on and stay") {
  sqlite_harness at;
  auto fail_each_once = [](store& rows) {
    for (std::int64_t number = 2; number <= 5; ++number) {
      syncs_to_fail = 1;
      if (rows.commit(post_unit(number)).ok()) return 2;
      auto again = rows.commit(post_unit(number));
      if (!again || !again->front()) return 3;
    }
    return 0;
  };
  CHECK(in_child(at, fail_each_once) == 0);
  CHECK(stored_end(at) == 5);
}

TEST_CASE("sqlite: when nobody can tell whether a commit is stored, the process ends instead of an answer") {
  sqlite_harness at;
  auto fail_for_good = [](store& rows) {
    syncs_to_fail = 1'000'000;
    (void)rows.commit(post_unit(2));
    return 3;
  };
  CHECK(in_child(at, fail_for_good) == 1);
  CHECK(stored_end(at) >= 1);  // the second may have been stored; nobody was told
}

}  // namespace
}  // namespace throng
