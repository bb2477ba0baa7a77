// SPDX-License-Identifier: Apache-2.0
#include "storage/failover/gtid_list.hpp"

#include <doctest/doctest.h>

using namespace throng::failover;

namespace {

gtid_list list(std::string_view text) {
  auto parsed = gtid_list::parse(text);
  REQUIRE(parsed);
  return *parsed;
}

gtid_history history(std::uint32_t id, std::string_view pos, std::string_view state, std::string_view slave = "") {
  return {id, list(pos), list(state), list(slave)};
}

}  // namespace

TEST_CASE("gtid list: what MariaDB prints is read, and printed the same") {
  CHECK(list("").empty());
  CHECK(to_text(list("0-1-100")) == "0-1-100");
  CHECK(to_text(list("3-7-2,0-1-100")) == "0-1-100,3-7-2");
  CHECK(to_text(list("0-1-5,\n0-2-7 ")) == "0-1-5,0-2-7");
  CHECK(to_text(list("4294967295-4294967295-18446744073709551615")) == "4294967295-4294967295-18446744073709551615");
}

TEST_CASE("gtid list: what is none is refused") {
  for (const auto* bad : {"0", "0-1", "0-1-", "-1-2", "0-1-2-3", "0-1-x", "0-1-2,", ",0-1-2", "0-1-2,,0-2-3", "a-1-2",
                          "0--1-2", "0-1--2", "4294967296-1-1", "0-1-18446744073709551616", "0-1-2,0-1-3", "0 -1-2"})
    CHECK_MESSAGE(!gtid_list::parse(bad), bad);
}

TEST_CASE("gtid list: a position covers another when no domain of it is behind") {
  CHECK(list("0-1-100").covers(list("0-1-100")));
  CHECK(list("0-2-101").covers(list("0-1-100")));  // strict mode: 101 follows 100, whoever wrote it
  CHECK_FALSE(list("0-1-99").covers(list("0-1-100")));
  CHECK(list("0-1-1").covers(list("")));
  CHECK_FALSE(list("").covers(list("0-1-1")));
  CHECK_FALSE(list("0-1-100").covers(list("0-1-1,1-1-1")));
  CHECK(list("0-1-100,1-1-1").covers(list("1-1-1")));
  CHECK_FALSE(list("0-1-100,1-1-1").covers(list("0-1-1,1-1-2")));
}

TEST_CASE("gtid list: how far a position is behind is counted in transactions") {
  CHECK(list("0-1-90").behind(list("0-1-100")) == 10);
  CHECK(list("").behind(list("0-1-3,1-1-2")) == 5);
  CHECK(list("0-1-100").behind(list("0-1-90")) == 0);
  CHECK(list("0-1-90").behind(list("0-1-95,0-2-100")) == 10);
}

TEST_CASE("gtid list: the later of what was applied and what was received") {
  CHECK(to_text(later_of(list("0-1-90"), list("0-1-100"))) == "0-1-100");
  CHECK(to_text(later_of(list("0-2-101"), list("0-1-100,1-1-1"))) == "0-2-101,1-1-1");
  CHECK(later_of(list(""), list("")).empty());
}

TEST_CASE("errant: a replica that only replicated has none") {
  CHECK(errant_transactions(history(2, "0-1-90", "0-1-90"), history(1, "0-1-100", "0-1-100")).empty());
  CHECK(errant_transactions(history(2, "", ""), history(1, "0-1-100", "0-1-100")).empty());
}

TEST_CASE("errant: a write on the replica itself is found, also when the primary has passed its number") {
  const auto ahead = errant_transactions(history(2, "0-2-101", "0-1-100,0-2-101"), history(1, "0-1-100", "0-1-100"));
  REQUIRE(ahead.size() == 1);
  CHECK(to_text(ahead[0]) == "0-2-101");
  CHECK(errant_transactions(history(2, "0-2-101", "0-1-100,0-2-101"), history(1, "0-1-200", "0-1-200")).size() == 1);
  // In a domain of its own, replication goes on: the position moves, the state remembers.
  const auto other =
      errant_transactions(history(2, "0-1-200,9-2-1", "0-1-200,9-2-1"), history(1, "0-1-200", "0-1-200"));
  REQUIRE(other.size() == 1);
  CHECK(to_text(other[0]) == "9-2-1");
}

TEST_CASE("errant: the tail of a former primary is found, what its successor has from it isn't") {
  // Server 1 wrote up to 105; server 2 was promoted at 103 and went on.
  const auto primary = history(2, "0-2-110", "0-1-103,0-2-110", "0-1-103");
  const auto tail = errant_transactions(history(1, "0-1-105", "0-1-105"), primary);
  REQUIRE(tail.size() == 1);
  CHECK(to_text(tail[0]) == "0-1-105");
  CHECK(errant_transactions(history(1, "0-1-103", "0-1-103"), primary).empty());
  // A third server that had received the tail has it too.
  CHECK(errant_transactions(history(3, "0-1-105", "0-1-105"), primary).size() == 1);
}

TEST_CASE("errant: a primary that was seeded from a backup knows what it was seeded with") {
  const auto seeded = history(3, "0-3-120", "0-3-120", "0-2-110");
  CHECK(errant_transactions(history(2, "0-2-110", "0-1-103,0-2-110"), seeded).empty());
  CHECK(errant_transactions(history(2, "0-2-111", "0-1-103,0-2-111"), seeded).size() == 1);
}
