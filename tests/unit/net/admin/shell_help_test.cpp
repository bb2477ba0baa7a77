// SPDX-License-Identifier: Apache-2.0
// The commands of the shell, and what is written about them.
#include <fstream>
#include <iterator>
#include <set>

#include <doctest/doctest.h>

#include "net/admin/shell.hpp"

namespace throng {
namespace {

std::string readme() {
  std::ifstream file(std::string(THRONG_SOURCE_DIR) + "/README.md");
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST_CASE("shell: each command has one name, a usage that starts with it, and a line in the README") {
  const auto text = readme();
  const auto begin = text.find("## The shell"), end = text.find("\n## ", begin);
  REQUIRE(begin != text.npos);
  const auto section = text.substr(begin, end - begin);
  std::set<std::string_view> names;
  for (const auto& each : shell::commands()) {
    CAPTURE(each.name);
    CHECK(names.insert(each.name).second);
    CHECK(each.usage.starts_with(each.name));
    CHECK_FALSE(each.help.empty());
    CHECK(each.run != nullptr);
    const auto named = "`" + std::string(each.name);
    const bool is_there = section.find(named + "`") != section.npos || section.find(named + " ") != section.npos;
    CHECK_MESSAGE(is_there, "README.md, \"The shell\": it has no `" << each.name << "`");
  }
}

}  // namespace
}  // namespace throng
