// SPDX-License-Identifier: Apache-2.0
// The conformance suite on the embedded topology, and what only a file does: kill -9, a second process, odd files.
#include "storage/topology/embedded_topology.hpp"

#include <csignal>
#include <fcntl.h>
#include <fstream>
#include <map>
#include <random>
#include <sys/wait.h>
#include <unistd.h>

#include <doctest/doctest.h>

#include "storage/sqlite/sqlite_store.hpp"
#include "tests/support/temporary_folder.hpp"

namespace throng {

struct embedded_harness {
  temporary_folder folder;
  std::filesystem::path file() const { return folder.path() / "below" / "topology.db"; }
  std::unique_ptr<topology_store> open() const {
    auto opened = open_embedded_topology(file());
    if (!opened) FAIL(opened.failure().detail);
    return std::move(*opened);
  }
};

}  // namespace throng

#define THRONG_TOPOLOGIES embedded_harness
#include "tests/unit/storage/topology/topology_contract.hpp"

namespace throng {
namespace {

/// A process that does `work(acks)` and is killed from outside.
class child {
 public:
  template <class Work>
  explicit child(Work work) {
    int pipe[2];
    REQUIRE(::pipe2(pipe, O_CLOEXEC) == 0);
    pid_ = ::fork();
    REQUIRE(pid_ >= 0);
    if (pid_ == 0) {
      ::close(pipe[0]);
      work(pipe[1]);
      ::_exit(3);
    }
    ::close(pipe[1]);
    acks_ = pipe[0];
  }
  ~child() {
    if (pid_ > 0) kill();
    ::close(acks_);
  }
  /// What the child wrote next; nothing once it is dead and all is read.
  std::optional<std::uint64_t> next() {
    std::uint64_t number = 0;
    if (::read(acks_, &number, sizeof number) != sizeof number) return std::nullopt;
    return number;
  }
  void kill() {
    ::kill(pid_, SIGKILL);
    int status = 0;
    CHECK(::waitpid(std::exchange(pid_, -1), &status, 0) > 0);
    CHECK(WIFSIGNALED(status));
  }

 private:
  pid_t pid_ = -1;
  int acks_ = -1;
};

void tell(int acks, std::uint64_t number) {
  if (::write(acks, &number, sizeof number) != sizeof number) ::_exit(2);
}

/// Writes numbers round about three keys, large values now and then so that a write takes several pages, and tells each
/// that was answered; holds a key all the time.
[[noreturn]] void write_until_killed(const std::filesystem::path& file, std::uint64_t first, int acks) {
  auto opened = open_embedded_topology(file);
  if (!opened) ::_exit(1);
  auto& store = **opened;
  auto held = store.hold("held", "x", any_ttl, [] {});
  if (!held) ::_exit(4);
  for (auto number = first;; ++number) {
    auto key = "k/" + std::to_string(number % 3);
    auto before = store.get(key);
    if (!before) ::_exit(5);
    auto value = std::to_string(number) + std::string(number % 7 == 0 ? 100'000 : number % 500, ' ');
    if (!store.put(key, value, *before ? (*before)->version : 0)) ::_exit(6);
    tell(acks, number);
  }
}

TEST_CASE("embedded topology: kill -9 at any point loses nothing that was answered, and ends what was held") {
  auto seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 random(seed);
  embedded_harness at;
  std::uint64_t answered = 0;
  std::uint64_t written = 0;
  topology_version last_version = 0;
  for (int round = 0; round < 20; ++round) {
    {
      child writer([&](int acks) { write_until_killed(at.file(), written + 1, acks); });
      auto until_kill = std::uniform_int_distribution(0, 100)(random);
      for (int i = 0; i < until_kill; ++i) answered = writer.next().value();
      writer.kill();
      while (auto number = writer.next()) answered = *number;
    }
    auto store = at.open();
    CHECK_FALSE(get(*store, "held"));
    std::map<std::uint64_t, topology_version> found;
    for (auto& entry : list(*store, "k/")) found[std::stoull(entry.value)] = entry.version;
    if (!found.empty()) written = found.rbegin()->first;
    CHECK(written >= answered);
    CHECK(written <= answered + 1);  // the one whose answer was on its way
    std::uint64_t back = 0;          // the last three numbers, each in its key
    for (auto at_number = found.rbegin(); at_number != found.rend(); ++at_number, ++back)
      CHECK(at_number->first == written - back);
    CHECK(back == std::min<std::uint64_t>(written, 3));
    auto version = put(*store, "probe", "", get(*store, "probe") ? get(*store, "probe")->version : 0);
    CHECK(version > last_version);
    last_version = version;
  }
}

TEST_CASE("embedded topology: a second process and a second store in this one are refused, and told who has it") {
  embedded_harness at;
  child owner([&](int acks) {
    auto opened = open_embedded_topology(at.file());
    tell(acks, opened.ok() ? static_cast<std::uint64_t>(::getpid()) : 0);
    ::pause();
  });
  auto pid = owner.next().value();
  REQUIRE(pid != 0);
  auto refused = open_embedded_topology(at.file());
  CHECK(refused.code() == errc::service_unavailable);
  CHECK(refused.failure().detail ==
        "the topology " + at.file().string() + " can't be opened: it is in use by process " + std::to_string(pid));
  owner.kill();
  auto store = at.open();
  CHECK(open_embedded_topology(at.file()).code() == errc::service_unavailable);
  store.reset();
  CHECK(open_embedded_topology(at.file()).ok());
}

TEST_CASE("embedded topology: what isn't a topology file is refused and left as it was") {
  temporary_folder folder;
  auto contents_of = [](const std::filesystem::path& file) {
    std::ifstream in(file, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(in), {});
  };
  SUBCASE("text") {
    auto file = folder.path() / "topology.db";
    auto text = "not a database, " + std::string(5000, 'x');
    std::ofstream(file) << text;
    auto refused = open_embedded_topology(file);
    CHECK(refused.code() == errc::fatal_error);
    CHECK(refused.failure().detail ==
          "the topology " + file.string() + " can't be opened: it is not a SQLite database");
    CHECK(contents_of(file) == text);
  }
  SUBCASE("the store's file") {
    auto file = folder.path() / "throng.db";
    REQUIRE(open_sqlite_store(file).ok());
    auto before = contents_of(file);
    auto refused = open_embedded_topology(file);
    CHECK(refused.code() == errc::fatal_error);
    CHECK(refused.failure().detail.ends_with("it is a SQLite database of another program"));
    CHECK(contents_of(file) == before);
  }
  SUBCASE("a folder that can't be made") {
    std::ofstream(folder.path() / "file") << "x";
    auto refused = open_embedded_topology(folder.path() / "file" / "below" / "topology.db");
    CHECK(refused.code() == errc::service_unavailable);
    CHECK(refused.failure().detail.find("can't make its folder") != std::string::npos);
  }
  SUBCASE("an empty file is taken for a new one") {
    auto file = folder.path() / "topology.db";
    std::ofstream(file).flush();
    CHECK(open_embedded_topology(file).ok());
  }
}

TEST_CASE("embedded topology: the file and its folder are for their owner only") {
  embedded_harness at;
  auto store = at.open();
  put(*store, "a", "secret", 0);
  namespace fs = std::filesystem;
  CHECK(fs::status(at.file()).permissions() == (fs::perms::owner_read | fs::perms::owner_write));
  CHECK(fs::status(at.file().parent_path()).permissions() == fs::perms::owner_all);
}

}  // namespace
}  // namespace throng
