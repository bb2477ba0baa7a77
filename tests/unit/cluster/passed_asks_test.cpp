// SPDX-License-Identifier: Apache-2.0
#include "cluster/passed_asks.hpp"

#include <algorithm>
#include <thread>

#include <doctest/doctest.h>

using namespace throng;
using namespace std::chrono_literals;

namespace {

const steady_time start{100s};
passed_asks::passed ask(std::uint64_t correlation, std::uint16_t to, std::chrono::seconds patience = 5s) {
  return {start + patience, {{to}, 5}, {9}, correlation};
}
std::vector<std::uint64_t> ids(const std::vector<passed_asks::passed>& all) {
  std::vector<std::uint64_t> found;
  for (const auto& each : all) found.push_back(each.correlation);
  return found;
}

}  // namespace

TEST_CASE("passed asks: a node that is gone loses what went there, once and in order") {
  passed_asks all;
  for (std::uint64_t id = 1; id <= 6; ++id) all.note(ask(id, id % 2 ? 2 : 3), start);
  CHECK(ids(all.lose({{2}, 5}, start)) == std::vector<std::uint64_t>{1, 3, 5});
  CHECK(all.lose({{2}, 5}, start).empty());
  CHECK(ids(all.lose({{3}, 5}, start)) == std::vector<std::uint64_t>{2, 4, 6});
}

TEST_CASE("passed asks: nobody is told behind the deadline") {
  passed_asks all;
  all.note(ask(1, 2, 1s), start);
  all.note(ask(2, 2, 5s), start);
  CHECK(ids(all.lose({{2}, 5}, start + 2s)) == std::vector<std::uint64_t>{2});
}

TEST_CASE("passed asks: at the bound the oldest of its shard goes") {
  constexpr auto apart = passed_asks::shard_count;
  passed_asks all(3 * apart);
  for (std::uint64_t id = 1; id <= 5; ++id) all.note(ask(id * apart, 2), start);
  all.note(ask(1, 2), start);
  CHECK(ids(all.lose({{2}, 5}, start)) == std::vector<std::uint64_t>{1, 3 * apart, 4 * apart, 5 * apart});
}

TEST_CASE("passed asks: several threads pass at once, and nothing is forgotten") {
  passed_asks all;
  constexpr std::uint64_t each = 5'000;
  std::vector<std::thread> threads;
  for (std::uint64_t thread = 0; thread < 4; ++thread)
    threads.emplace_back([&all, thread] {
      for (std::uint64_t id = 1; id <= each; ++id) all.note(ask(thread * each + id, 2), start);
    });
  for (auto& thread : threads) thread.join();
  const auto lost = ids(all.lose({{2}, 5}, start));
  REQUIRE(lost.size() == 4 * each);
  CHECK(std::ranges::is_sorted(lost));
  CHECK(std::ranges::adjacent_find(lost) == lost.end());
}

TEST_CASE("passed asks: where one went last counts") {
  passed_asks all;
  all.note(ask(1, 2), start);
  all.note(ask(2, 2), start);
  all.note(ask(1, 3), start);
  CHECK(ids(all.lose({{2}, 5}, start)) == std::vector<std::uint64_t>{2});
  CHECK(ids(all.lose({{3}, 5}, start)) == std::vector<std::uint64_t>{1});
}

TEST_CASE("passed asks: who leaves knows where each is whose deadline is to come") {
  passed_asks all;
  all.note(ask(1, 2), start);
  all.note(ask(2, 2, 1s), start);
  all.note(ask(3, 2), start);
  all.note(ask(1, 3), start);
  auto known = all.all(start + 2s);
  std::ranges::sort(known, {}, &passed_asks::passed::correlation);
  CHECK(ids(known) == std::vector<std::uint64_t>{1, 3});
  CHECK(known[0].to == node_start{{3}, 5});
  CHECK(known[1].to == node_start{{2}, 5});
}

TEST_CASE("passed asks: late news of an incarnation don't touch what went to the next one") {
  passed_asks all;
  all.note(ask(1, 2), start);
  CHECK(all.lose({{2}, 4}, start).empty());
  CHECK(ids(all.lose({{2}, 6}, start)) == std::vector<std::uint64_t>{1});
}
