// SPDX-License-Identifier: Apache-2.0
#include "cluster/pending_asks.hpp"

#include <optional>
#include <thread>

#include <doctest/doctest.h>
#include <google/protobuf/wrappers.pb.h>

namespace throng {

using std::chrono::milliseconds;

TEST_CASE("pending asks: an answer is heard once, and a late one by nobody") {
  pending_asks asks;
  int heard = 0;
  const auto id = asks.add(steady_time{} + milliseconds(10), [&](result<message_ptr>) { ++heard; });
  CHECK(asks.waiting() == 1);
  CHECK(asks.resolve(id, message_ptr{}));
  CHECK_FALSE(asks.resolve(id, message_ptr{}));
  CHECK(asks.expire(steady_time{} + milliseconds(50)) == 0);
  CHECK(heard == 1);
  CHECK(asks.waiting() == 0);
}

TEST_CASE("pending asks: what is due is answered with deadline_exceeded, the rest waits") {
  pending_asks asks;
  std::vector<std::optional<errc>> heard(40);
  for (int i = 0; i < 40; ++i)
    asks.add(steady_time{} + milliseconds(i), [&heard, i](result<message_ptr> answer) { heard[i] = answer.code(); });
  CHECK(asks.expire(steady_time{} + milliseconds(19)) == 20);
  for (int i = 0; i < 40; ++i) CHECK(heard[i].has_value() == (i < 20));
  CHECK(heard[0] == errc::deadline_exceeded);
  CHECK(asks.expire(steady_time{} + milliseconds(19)) == 0);
  asks.stop();
  CHECK(heard[39] == errc::stopping);
  CHECK(asks.waiting() == 0);
}

TEST_CASE("pending asks: what was sent to a node that is gone is answered at once, or given back to be sent again") {
  pending_asks asks;
  std::vector<std::optional<errc>> heard(40);
  std::vector<std::uint64_t> ids;
  const auto question = std::make_shared<const google::protobuf::StringValue>();
  for (int i = 0; i < 40; ++i) {
    pending_asks::repetition again;
    if (i % 2 == 0) again = {{}, {entity_kind::user, 7}, question, {}};
    ids.push_back(asks.add(
        steady_time{} + milliseconds(i), [&heard, i](result<message_ptr> a) { heard[i] = a ? errc{} : a.code(); },
        again));
    if (i < 30) asks.sent(ids.back(), {{static_cast<std::uint16_t>(i < 20 ? 2 : 3)}, 5});
  }
  CHECK(asks.resolve(ids[0], message_ptr{}));
  asks.sent(ids[0], {{2}, 5});  // too late, and of no effect
  CHECK(asks.lose({{2}, 4}, error{errc::unavailable, "the incarnation before, and late"}).empty());
  const auto again = asks.lose({{2}, 5}, error{errc::unavailable, "node n2 is gone"});
  REQUIRE(again.size() == 9);
  for (std::size_t i = 0; i < again.size(); ++i) {
    CHECK(again[i].correlation == ids[2 + 2 * i]);
    CHECK(again[i].deadline == steady_time{} + milliseconds(2 + 2 * i));
    CHECK(again[i].again.request == question);
  }
  for (int i = 1; i < 40; ++i) CHECK(heard[i].has_value() == (i < 20 && i % 2 == 1));
  CHECK(heard[1] == errc::unavailable);
  CHECK(asks.lose({{2}, 5}, error{errc::unavailable, {}}).empty());  // they are nowhere now
  CHECK(asks.expire(steady_time{} + milliseconds(50)) == 29);
  CHECK(heard[2] == errc::deadline_exceeded);
  CHECK(asks.waiting() == 0);
}

TEST_CASE("pending asks: what went on from a node that left is lost with the next one, unless it is elsewhere by now") {
  pending_asks asks;
  std::vector<errc> heard;
  const auto add = [&] {
    return asks.add(steady_time{} + milliseconds(9), [&](result<message_ptr> a) { heard.push_back(a.code()); });
  };
  const auto gone_on = add(), moved = add();
  asks.sent(gone_on, {{2}, 5});
  asks.sent(moved, {{4}, 5});
  for (auto id : {gone_on, moved, std::uint64_t{77}}) asks.went_on(id, {2}, {{3}, 6});
  CHECK(asks.lose({{2}, 5}, error{errc::unavailable, {}}).empty());
  CHECK(heard.empty());
  CHECK(asks.lose({{3}, 6}, error{errc::unavailable, {}}).empty());
  CHECK(heard.size() == 1);
  CHECK(asks.deadline_of(moved).has_value());
  CHECK(asks.expire(steady_time{} + milliseconds(10)) == 1);
}

TEST_CASE("pending asks: the deadline of an ask is known for as long as somebody waits") {
  pending_asks asks;
  const auto answered = asks.add(steady_time{} + milliseconds(5), [](result<message_ptr>) {});
  const auto expired = asks.add(steady_time{} + milliseconds(7), [](result<message_ptr>) {});
  CHECK(asks.deadline_of(answered) == steady_time{} + milliseconds(5));
  CHECK(asks.deadline_of(expired) == steady_time{} + milliseconds(7));
  asks.resolve(answered, message_ptr{});
  CHECK(!asks.deadline_of(answered));
  asks.expire(steady_time{} + milliseconds(7));
  CHECK(!asks.deadline_of(expired));
  CHECK(!asks.deadline_of(expired + 1));
}

TEST_CASE("pending asks: a callback may ask again") {
  pending_asks asks;
  int heard = 0;
  asks.add(steady_time{}, [&](result<message_ptr>) { asks.add(steady_time{}, [&](result<message_ptr>) { ++heard; }); });
  CHECK(asks.expire(steady_time{}) == 1);
  CHECK(asks.expire(steady_time{}) == 1);
  CHECK(heard == 1);
}

TEST_CASE("pending asks: resolving and expiring at the same time answer each ask exactly once") {
  pending_asks asks;
  constexpr int count = 20'000;
  std::vector<std::atomic<int>> heard(count);
  std::vector<std::uint64_t> ids;
  for (int i = 0; i < count; ++i)
    ids.push_back(asks.add(steady_time{} + milliseconds(i), [&heard, i](result<message_ptr>) { ++heard[i]; }));
  std::thread resolver([&] {
    for (auto id : ids) asks.resolve(id, message_ptr{});
  });
  for (int i = 0; i < count; i += 100) asks.expire(steady_time{} + milliseconds(i));
  resolver.join();
  asks.stop();
  for (auto& each : heard) REQUIRE(each.load() == 1);
}

}  // namespace throng
