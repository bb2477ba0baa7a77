// SPDX-License-Identifier: Apache-2.0
#include "tools/throngverify/history.hpp"

#include <thread>
#include <vector>

#include <doctest/doctest.h>

using namespace throng;
using namespace throng::verify;

TEST_CASE("history: a text tells the operation that wrote it, also among other words") {
  CHECK(find_op("hello " + to_text(op_id{17}) + " and more") == op_id{17});
  CHECK(find_op("op-op-5.") == op_id{5});
  for (const char* text : {"", "op-", "op-.", "op-12", "op-x1.", "op-0.", "op-99999999999999999999."})
    CHECK_MESSAGE(!find_op(text), text);
}

TEST_CASE("history: errors of the system leave a call's outcome open, refusals don't") {
  CHECK(is_outcome_unknown("request_timeout"));
  CHECK(is_outcome_unknown("internal_error"));
  CHECK(!is_outcome_unknown("not_in_channel"));
  CHECK(!is_outcome_unknown("ratelimited"));
}

TEST_CASE("history: what several threads record is in one order of time, and nothing is lost") {
  recorder log({});
  constexpr int thread_count = 4, posts_each = 5'000;
  std::vector<std::thread> threads;
  for (int t = 0; t < thread_count; ++t)
    threads.emplace_back([&log, t] {
      const auto me = log.add_client(user_id{static_cast<std::uint64_t>(t) + 1}, "someone");
      for (int i = 0; i < posts_each; ++i) {
        const call post{.what = happening::post, .client = me, .channel = {4}, .op = log.new_op()};
        log.invoked(post);
        log.acknowledged(post, {i + 1});
      }
    });
  for (auto& each : threads) each.join();
  const auto history = log.take();
  REQUIRE(history.events.size() == 2 * thread_count * posts_each);
  std::vector<int> ops(thread_count * posts_each + 1);
  for (std::size_t i = 0; i < history.events.size(); ++i) {
    if (i > 0) REQUIRE(history.events[i - 1].at_ns <= history.events[i].at_ns);
    ++ops.at(history.events[i].op.value);
    REQUIRE(history.events[i].user == history.user_of(history.events[i].client));
  }
  for (std::size_t op = 1; op < ops.size(); ++op) REQUIRE(ops[op] == 2);
  CHECK(history.is_complete);
}

TEST_CASE("history: at its bound it takes no more and says so") {
  recorder log({.events_max = 2});
  for (int i = 0; i < 3; ++i) log.settled();
  const auto history = log.take();
  CHECK(history.events.size() == 2);
  CHECK(!history.is_complete);
}

TEST_CASE("history: an event on a socket knows whose it is, and texts are kept once") {
  recorder log({});
  const auto ann = log.add_client(user_id{7}, "ann");
  const auto first = log.socket_opened(ann, "n1");
  const auto second = log.socket_opened(ann, "n2", first);
  log.received({.socket = second, .type = "message", .stream = "C4", .epoch = 2, .seq = 9, .channel = {4}});
  log.received({.socket = second, .type = "message", .stream = "C4", .epoch = 2, .seq = 10, .channel = {4}});
  const auto history = log.take();
  const auto& reopened = history.events[1];
  CHECK(reopened.flag);
  CHECK(reopened.other == first.value);
  CHECK(history.name(reopened.detail) == "n2");
  const auto& event = history.events[3];
  CHECK(event.client == ann);
  CHECK(history.user_of(event.client) == user_id{7});
  CHECK(history.name(event.stream) == "C4");
  CHECK(event.stream == history.events[2].stream);
}
