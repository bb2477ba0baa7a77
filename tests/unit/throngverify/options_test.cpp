// SPDX-License-Identifier: Apache-2.0
#include "tools/throngverify/options.hpp"

#include <doctest/doctest.h>

using namespace throng;
using namespace throng::verify;
using namespace std::chrono_literals;

namespace {

result<options> options_of(std::vector<std::string> words) {
  std::vector<char*> pointers;
  for (auto& each : words) pointers.push_back(each.data());
  const auto line = parse_command_line(pointers, option_specs());
  if (!line) return line.failure();
  return read_options(*line);
}

}  // namespace

TEST_CASE("throngverify options: a cluster of its own, or one that is there, which isn't hurt") {
  const auto own =
      options_of({"--nodes", "5", "--minutes", "10", "--faults", "kill,db", "--mysql", "4x2", "--seed", "3"});
  REQUIRE(own);
  CHECK(own->nodes == 5);
  CHECK(own->play == 10min);
  CHECK(own->faults == std::vector{fault_kind::kill, fault_kind::db});
  CHECK(shards_of(own->mysql) == 4);
  const auto again = replay_of(*own);
  CHECK(again.find("--nodes 5 --mysql 4x2 --seconds 600 --faults kill,db --seed 3") != std::string::npos);

  const auto given = options_of({"--url", "http://127.0.0.1:1,http://127.0.0.1:2", "--admin-token", "secret"});
  REQUIRE(given);
  CHECK(given->urls.size() == 2);
  CHECK(given->faults.empty());
  CHECK_FALSE(options_of({"--url", "http://127.0.0.1:1", "--admin-token", "secret", "--faults", "kill"}));
}

TEST_CASE("throngverify options: what makes no sense is refused") {
  for (const auto* mysql : {"2", "3x1", "2x9", "x2", "2x", "02x1", "2x2x2", "0x1"}) {
    CAPTURE(mysql);
    CHECK(shards_of(mysql) == 0);
    CHECK_FALSE(options_of({"--mysql", mysql}));
  }
  CHECK_FALSE(options_of({"--rate", "0"}));
  CHECK_FALSE(options_of({"--faults", "everything"}));
  CHECK_FALSE(options_of({"--url", "ws://127.0.0.1:1", "--admin-token", "secret"}));
  CHECK_FALSE(options_of({"extra"}));
}
