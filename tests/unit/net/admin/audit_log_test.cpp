// SPDX-License-Identifier: Apache-2.0
#include "net/admin/audit_log.hpp"

#include <fstream>
#include <sys/stat.h>

#include <doctest/doctest.h>

#include "tests/support/temporary_folder.hpp"

namespace throng::test {
namespace {

wall_time at(int second) { return wall_time(std::chrono::seconds(1'767'225'600 + second)); }

std::size_t lines_of(const std::string& path) {
  std::ifstream file(path);
  std::size_t count = 0;
  for (std::string line; std::getline(file, line);) ++count;
  return count;
}

TEST_CASE("audit: what was done is there after a restart, the newest first, with its outcome") {
  const temporary_folder folder;
  const auto path = (folder.path() / "audit.jsonl").string();
  {
    audit_log audit(path);
    const auto first = audit.begin(at(1), "operator", "127.0.0.1:7", "kill \"U1\"");
    CHECK(audit.newest(1).at(0).outcome == "under way");
    audit.end(first, "ok: user:U1 was killed");
    (void)audit.begin(at(2), "operator", "127.0.0.1:8", "drain n3");
    audit.flush();
  }
  struct stat about {};
  REQUIRE(::stat(path.c_str(), &about) == 0);
  CHECK((about.st_mode & 0777) == 0600);

  audit_log again(path);
  const auto all = again.newest(10);
  REQUIRE(all.size() == 2);
  CHECK(all[0].line == "drain n3");
  CHECK(all[0].outcome == "the node ended before it was done");
  CHECK(all[1] == audit_record{1, at(1), "operator", "127.0.0.1:7", "kill \"U1\"", "ok: user:U1 was killed"});
  CHECK(again.begin(at(3), "operator", "x", "undo") == 3);
  CHECK(again.newest(1).at(0).line == "undo");
}

TEST_CASE("audit: past the bound the oldest go, in memory and in the file") {
  const temporary_folder folder;
  const auto path = (folder.path() / "audit.jsonl").string();
  audit_log audit(path);
  constexpr auto count = 5 * audit_log::records_max;
  for (std::size_t i = 1; i <= count; ++i) {
    audit.end(audit.begin(at(0), "operator", "x", "command " + std::to_string(i)), std::string(1'000, 'o'));
    if (i % 500 == 0) audit.flush();
  }
  audit.flush();
  const auto all = audit.newest(count);
  CHECK(all.size() == audit_log::records_max);
  CHECK(all.front().line == "command " + std::to_string(count));
  CHECK(all.front().outcome.size() < 500);
  CHECK(lines_of(path) <= 4 * audit_log::records_max + 1);
  CHECK(audit_log(path).newest(count) == all);
}

TEST_CASE("audit: a torn last line and a file that can't be written don't stop it") {
  const temporary_folder folder;
  const auto path = (folder.path() / "audit.jsonl").string();
  {
    audit_log audit(path);
    audit.end(audit.begin(at(1), "operator", "x", "undo"), "ok");
    audit.flush();
  }
  std::ofstream(path, std::ios::app) << R"({"number":2,"at_us":17)";
  CHECK(audit_log(path).newest(10).size() == 1);

  audit_log nowhere((folder.path() / "missing" / "audit.jsonl").string());
  nowhere.end(nowhere.begin(at(1), "operator", "x", "undo"), "ok");
  nowhere.flush();
  CHECK(nowhere.newest(10).size() == 1);
}

}  // namespace
}  // namespace throng::test
