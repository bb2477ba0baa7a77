// SPDX-License-Identifier: Apache-2.0
#include "actors/stream/replay_since.hpp"

#include <doctest/doctest.h>

using namespace throng;

namespace {

/// A stream whose event `seq` happened at 100 × seq, and which has nothing up to `trimmed` any more.
struct fake_stream {
  seq_t end = 0;
  seq_t trimmed = 0;
  std::vector<seq_t> asked;

  task<result<ReplayReply>> replay(ReplayRequest request) {
    asked.push_back(request.after_seq());
    if (request.after_seq() < trimmed || end - request.after_seq() > request.count_max()) co_return errc::too_old;
    ReplayReply reply;
    reply.set_end_seq(end);
    for (auto seq = request.after_seq() + 1; seq <= end; ++seq) {
      auto& next = *reply.add_events();
      next.set_seq(seq);
      next.mutable_event()->set_at(static_cast<std::int64_t>(100 * seq));
    }
    co_return reply;
  }
  result<ReplayReply> since(std::int64_t when, std::uint32_t count_max = 1'000) {
    ReplayRequest request;
    request.set_since(when);
    request.set_count_max(count_max);
    result<ReplayReply> outcome = errc::internal_error;
    spawn(keep(std::move(request), outcome));
    return outcome;
  }
  task<> keep(ReplayRequest request, result<ReplayReply>& outcome) {
    const auto by_position = [this](const ReplayRequest& each) { return replay(each); };
    outcome = co_await replay_since(std::move(request), end, by_position);
  }
};

}  // namespace

TEST_CASE("replay since: a quiet stream is known by its last event alone") {
  fake_stream stream{500, 0, {}};
  const auto reply = stream.since(50'001);
  REQUIRE(reply);
  CHECK(reply->after_seq() == 500);
  CHECK(reply->end_seq() == 500);
  CHECK(reply->events_size() == 0);
  CHECK(stream.asked == std::vector<seq_t>{499});
}

TEST_CASE("replay since: what has happened since then, and not before, is told with its place") {
  fake_stream stream{500, 0, {}};
  for (const seq_t missed : {1, 2, 31, 33, 999}) {
    const auto first = 501 - std::min<seq_t>(missed, 500);
    const auto reply = stream.since(static_cast<std::int64_t>(100 * first));
    REQUIRE(reply);
    CHECK(reply->after_seq() == first - 1);
    REQUIRE(reply->events_size() == static_cast<int>(501 - first));
    CHECK(reply->events(0).seq() == first);
  }
}

TEST_CASE("replay since: a stream in which nothing has ever happened") {
  fake_stream stream;
  const auto reply = stream.since(1);
  REQUIRE(reply);
  CHECK(reply->after_seq() == 0);
  CHECK(reply->events_size() == 0);
}

TEST_CASE("replay since: what can't be told any more is no answer") {
  fake_stream busy{5'000, 0, {}};
  CHECK(busy.since(1, 1'000).code() == errc::too_old);
  CHECK(busy.since(100 * 4'000, 1'000).code() == errc::too_old);  // the one before isn't in the answer
  CHECK(busy.since(100 * 4'002, 1'000));
  fake_stream trimmed{100, 100, {}};
  CHECK(trimmed.since(1).code() == errc::too_old);
  fake_stream partly{100, 60, {}};
  CHECK(partly.since(100 * 99));
  CHECK(partly.since(100 * 61).code() == errc::too_old);
}
