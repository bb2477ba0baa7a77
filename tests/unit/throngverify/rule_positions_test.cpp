// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include "tests/unit/throngverify/handmade.hpp"

using namespace throng;
using namespace throng::verify;

TEST_CASE("positions: a hole is a violation, unless a gap is told before") {
  for (const int told : {0, 1, 2}) {
    handmade run;
    run.post();
    const auto missed = run.post(run.ann, {run.at_ann});
    if (told == 1) run.log.gap_told(run.at_ben, run.town_name, 1, missed.seq);
    if (told == 2) run.log.gap_told(run.at_ben, run.town_name, 0, 0);  // it ends somewhere
    run.post();
    const auto report = run.judge();
    CHECK(violated(report) == (told ? "" : "positions delivery"));
    if (!told) CHECK(first_of(report, rule::positions).find("seq 3 follows a hole") != std::string::npos);
  }
}

TEST_CASE("positions: behind a gap it goes on where the gap said") {
  handmade run;
  run.post();
  run.post(run.ann, {run.at_ann});
  run.log.gap_told(run.at_ben, run.town_name, 1, 2);
  run.post(run.ann, {run.at_ann});
  run.post();
  CHECK(!run.judge()[rule::positions].is_ok());
}

TEST_CASE("positions: what comes twice is a violation") {
  handmade run;
  const auto post = run.post();
  run.tell(run.at_ben, post.op, post.ts, post.seq);
  CHECK(violated(run.judge()) == "positions");
}

TEST_CASE("positions: a resumed socket goes on where the one before ended") {
  struct {
    bool is_resumed, is_replayed, is_repeated;
    const char* expected;
  } const cases[] = {
      {true, true, false, ""},
      {true, false, false, "positions delivery"},  // it missed what came while it was away
      {true, true, true, "positions"},             // it had that already
      {false, false, false, ""},                   // told that it isn't resumed: it reads the history instead
  };
  for (const auto& each : cases) {
    handmade run;
    const auto seen = run.post();
    run.close(run.at_ben);
    const auto missed = run.post(run.ann, {run.at_ann});
    const auto failed = run.log.socket_opened(run.ben, "n2", run.at_ben);  // a try that got nowhere
    run.close(failed);
    const auto again = run.open(run.ben, failed, each.is_resumed);
    if (each.is_repeated) run.tell(again, seen.op, seen.ts, seen.seq);
    if (each.is_replayed) run.tell(again, missed.op, missed.ts, missed.seq);
    run.post(run.ann, {run.at_ann, again});
    CHECK(violated(run.judge()) == each.expected);
  }
}

TEST_CASE("positions: the epoch of a stream never falls") {
  handmade run;
  run.epoch = 2;
  run.post();
  run.epoch = 1;
  const auto post = run.post();
  (void)post;
  CHECK(!run.judge()[rule::positions].is_ok());
}

TEST_CASE("positions: what was posted over the socket itself isn't told there") {
  for (const bool is_own : {true, false}) {
    handmade run;
    run.post();
    auto post = run.make_call(happening::post, run.ben);
    if (is_own) post.over = run.at_ben;
    run.log.invoked(post);
    const auto ts = run.next_ts();
    run.store(ts, post.op);
    run.tell(run.at_ann, post.op, ts, run.next_seq());
    run.log.acknowledged(post, ts);
    run.post();
    CHECK(violated(run.judge()) == (is_own ? "" : "positions delivery"));
  }
}

TEST_CASE("positions: who leaves and comes back hears nothing of the time between") {
  for (const bool has_left : {true, false}) {
    handmade run;
    run.post();
    if (has_left) {
      const auto leave = run.invoke(happening::leave, run.ben);
      const auto at = run.next_seq();
      run.tell_member(run.at_ann, "member_left_channel", handmade::ben_id, at);
      run.tell_member(run.at_ben, "member_left_channel", handmade::ben_id, at);
      run.log.acknowledged(leave);
    }
    run.post(run.ann, {run.at_ann});
    run.post(run.ann, {run.at_ann});
    if (has_left) {
      const auto join = run.invoke(happening::join, run.ben);
      run.tell_member(run.at_ann, "member_joined_channel", handmade::ben_id, run.next_seq());
      run.log.acknowledged(join);
    }
    run.post();
    CHECK(violated(run.judge()) == (has_left ? "" : "positions delivery"));
  }
}

TEST_CASE("positions: a leave doesn't excuse a hole elsewhere in the stream") {
  handmade run;
  const auto leave = run.invoke(happening::leave, run.ben);
  run.tell_member(run.at_ann, "member_left_channel", handmade::ben_id, run.next_seq());
  run.tell_member(run.at_ben, "member_left_channel", handmade::ben_id, run.seq);
  run.log.acknowledged(leave);
  const auto join = run.invoke(happening::join, run.ben);
  run.tell_member(run.at_ann, "member_joined_channel", handmade::ben_id, run.next_seq());
  run.tell_member(run.at_ben, "member_joined_channel", handmade::ben_id, run.seq);
  run.log.acknowledged(join);
  run.post(run.ann, {run.at_ann});
  run.post();
  CHECK(violated(run.judge()) == "positions delivery");
}
