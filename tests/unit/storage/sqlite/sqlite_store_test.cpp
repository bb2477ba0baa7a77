// SPDX-License-Identifier: Apache-2.0
// What is particular to the SQLite store: its file, who may open it, a full disk. The rest is store_contract.hpp.
#include "storage/sqlite/sqlite_store.hpp"

#include <algorithm>
#include <csignal>
#include <fstream>
#include <iterator>
#include <string>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "storage/sqlite/sqlite_database.hpp"
#include "tests/unit/storage/sqlite/sqlite_harness.hpp"

namespace throng {
namespace {

namespace fs = std::filesystem;

constexpr channel_id lobby{400};

std::vector<commit_unit> post_unit(std::int64_t number, std::size_t bytes = 100) {
  message_record row;
  row.channel = lobby;
  row.ts = {number};
  row.seq = static_cast<seq_t>(number);
  row.data = std::string(bytes, static_cast<char>('a' + number % 26));
  return {commit_unit{{}, {insert_message{row}}}};
}

std::string content(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void write_content(const fs::path& file, const std::string& bytes) {
  std::ofstream(file, std::ios::binary | std::ios::trunc) << bytes;
}

bool contains(const error& failure, const std::string& words) {
  return failure.detail.find(words) != std::string::npos;
}

TEST_CASE("sqlite: the folder is made, and only its owner can read the files") {
  temporary_folder folder;
  auto file = folder.path() / "a" / "b" / "throng.db";
  auto opened = open_sqlite_store(file);
  REQUIRE(opened.ok());
  REQUIRE((*opened)->commit(post_unit(1)).ok());
  CHECK(fs::status(file.parent_path()).permissions() == fs::perms::owner_all);
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(file.parent_path())) {
    CAPTURE(entry.path().string());
    names.push_back(entry.path().filename());
    CHECK(entry.status().permissions() == (fs::perms::owner_read | fs::perms::owner_write));
  }
  CHECK(std::ranges::count(names, "throng.db") == 1);
  CHECK(std::ranges::count(names, "throng.db-wal") == 1);
}

TEST_CASE("sqlite: a store is open once, and says who has it") {
  sqlite_harness at;
  auto first = at.open();
  auto second = at.try_open();
  REQUIRE_FALSE(second.ok());
  CHECK(second.code() == errc::service_unavailable);
  CHECK(contains(second.failure(), at.file().string()));
  CHECK(contains(second.failure(), "in use by process " + std::to_string(::getpid())));
  first.reset();
  CHECK(at.try_open().ok());
}

TEST_CASE("sqlite: another process can't open it, until the one that has it is killed") {
  sqlite_harness at;
  int ready[2];
  REQUIRE(::pipe(ready) == 0);
  auto child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    auto own = at.try_open();
    char answer = own.ok() ? 'y' : 'n';
    if (::write(ready[1], &answer, 1) != 1) ::_exit(1);
    while (true) ::pause();
  }
  ::close(ready[1]);
  char answer = 0;
  REQUIRE(::read(ready[0], &answer, 1) == 1);
  ::close(ready[0]);
  CHECK(answer == 'y');
  auto refused = at.try_open();
  CHECK_FALSE(refused.ok());
  if (!refused) CHECK(contains(refused.failure(), "process " + std::to_string(child)));
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  CHECK(at.try_open().ok());
}

TEST_CASE("sqlite: a file that is no database is refused and left alone") {
  sqlite_harness at;
  std::string bytes = "dear diary, today nothing happened. " + std::string(10'000, '.');
  write_content(at.file(), bytes);
  auto refused = at.try_open();
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.code() == errc::fatal_error);
  CHECK(contains(refused.failure(), at.file().string()));
  CHECK(contains(refused.failure(), "not a SQLite database"));
  CHECK(content(at.file()) == bytes);
}

TEST_CASE("sqlite: another program's database is refused and left alone") {
  sqlite_harness at;
  write_content(at.file(), "");
  sqlite::database(at.file(), sqlite::database::mode::read_write, 0).run("CREATE TABLE cookies(x)");
  auto bytes = content(at.file());
  auto refused = at.try_open();
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.code() == errc::fatal_error);
  CHECK(contains(refused.failure(), "another program"));
  CHECK(content(at.file()) == bytes);
}

TEST_CASE("sqlite: a newer version's store is refused with both versions") {
  sqlite_harness at;
  at.open();
  sqlite::database(at.file(), sqlite::database::mode::read_write, 0)
      .run("INSERT INTO schema_version VALUES(99, 'tomorrow')");
  auto refused = at.try_open();
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.code() == errc::fatal_error);
  CHECK(contains(refused.failure(), "version 99"));
  CHECK(contains(refused.failure(), "up to 3"));
}

TEST_CASE("sqlite: a damaged file is refused") {
  sqlite_harness at;
  {
    auto store = at.open();
    for (std::int64_t i = 1; i <= 50; ++i) REQUIRE(store->commit(post_unit(i, 1000)).ok());
  }
  auto bytes = content(at.file());
  SUBCASE("cut off") { bytes.resize(bytes.size() / 2); }
  SUBCASE("with garbage in the middle") {
    for (std::size_t i = 0; i < 4096; ++i) bytes[bytes.size() * 3 / 4 + i] = static_cast<char>(i * 7);
  }
  write_content(at.file(), bytes);
  auto refused = at.try_open();
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.code() == errc::fatal_error);
  CHECK(contains(refused.failure(), "damaged"));
}

TEST_CASE("sqlite: a folder that can't be made is refused") {
  temporary_folder folder;
  write_content(folder.path() / "file", "");
  auto refused = open_sqlite_store(folder.path() / "file" / "throng.db");
  REQUIRE_FALSE(refused.ok());
  CHECK(contains(refused.failure(), "can't"));
}

TEST_CASE("sqlite: at its size bound it refuses, keeps what it has, and goes on when there is room") {
  sqlite_harness at;
  at.options.file_bytes_max = 2 << 20;
  auto store = at.open();
  std::int64_t number = 0;
  errc refused{};
  while (refused == errc{} && number < 1000) {
    auto outcomes = store->commit(post_unit(++number, 20'000));
    if (!outcomes) refused = outcomes.code();
  }
  CHECK(refused == errc::storage_full);
  CHECK(number > 50);
  auto reader = store->make_reader();
  CHECK(reader->end_of(key_of(lobby))->seq == static_cast<seq_t>(number - 1));
  CHECK(store->commit(post_unit(number, 20'000)).code() == errc::storage_full);  // still refused, still answering

  reader.reset();
  store.reset();
  at.options.file_bytes_max = 0;
  store = at.open();
  CHECK(store->commit(post_unit(number, 20'000)).ok());
  CHECK(store->make_reader()->end_of(key_of(lobby))->seq == static_cast<seq_t>(number));
}

// A limit on the size of files is the full disk that a test can have: write() fails in the middle of a commit. It is
// the process's, so a child has it; the child lifts it by itself, as an operator who makes room would.
int run_out_of_room(const sqlite_harness& at) {
  std::signal(SIGXFSZ, SIG_IGN);
  auto opened = at.try_open();
  if (!opened) return 1;
  auto& store = **opened;
  auto reader = store.make_reader();
  rlimit limit{};
  ::getrlimit(RLIMIT_FSIZE, &limit);
  auto unlimited = limit;
  limit.rlim_cur = 4 << 20;
  ::setrlimit(RLIMIT_FSIZE, &limit);

  std::int64_t number = 0;
  while (true) {
    auto outcomes = store.commit(post_unit(number + 1, 3'000));
    if (!outcomes) {
      if (outcomes.code() != errc::storage_full) return 2;
      break;
    }
    if (++number > 10'000) return 3;
  }
  if (store.commit(post_unit(number + 1, 3'000)).ok()) return 4;
  auto history = reader->messages_after(lobby, 0, 100'000);
  if (!history || history->size() != static_cast<std::size_t>(number)) return 5;

  ::setrlimit(RLIMIT_FSIZE, &unlimited);
  auto again = store.commit(post_unit(number + 1, 3'000));
  if (!again || !again->front()) return 6;
  if (reader->end_of(key_of(lobby))->seq != static_cast<seq_t>(number + 1)) return 7;
  return number > 50 ? 0 : 8;
}

TEST_CASE("sqlite: a full disk refuses cleanly, keeps what was committed, and is over when there is room") {
  sqlite_harness at;
  auto child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) ::_exit(run_out_of_room(at));
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);

  auto store = at.open();
  auto history = store->make_reader()->messages_after(lobby, 0, 100'000);
  REQUIRE(history.ok());
  for (std::size_t i = 0; i < history->size(); ++i) REQUIRE(history->at(i).seq == i + 1);
}

TEST_CASE("sqlite: while another program has the file locked, writes are refused and reads go on") {
  sqlite_harness at;
  at.options.busy_timeout_ms = 1;
  auto store = at.open();
  REQUIRE(store->commit(post_unit(1)).ok());
  {
    sqlite::database other(at.file(), sqlite::database::mode::read_write, 0);
    sqlite::transaction backup(other);
    CHECK(store->commit(post_unit(2)).code() == errc::service_unavailable);
    CHECK(store->raise_fence({{1}, 1}).code() == errc::service_unavailable);
    CHECK(store->make_reader()->end_of(key_of(lobby))->seq == 1);
  }
  CHECK(store->commit(post_unit(2)).ok());
  CHECK(store->make_reader()->end_of(key_of(lobby))->seq == 2);
}

TEST_CASE("sqlite: a reader whose file is away answers so, and works when it is back") {
  sqlite_harness at;
  auto store = at.open();
  REQUIRE(store->commit(post_unit(1)).ok());
  auto reader = store->make_reader();
  auto hidden = at.folder.path() / "hidden";
  fs::rename(at.file(), hidden);
  CHECK(reader->message(lobby, {1}).code() == errc::service_unavailable);
  fs::rename(hidden, at.file());
  CHECK(reader->message(lobby, {1}).ok());
}

}  // namespace
}  // namespace throng
