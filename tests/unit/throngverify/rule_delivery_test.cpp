// SPDX-License-Identifier: Apache-2.0
// Who must be told, who mustn't, by whom, and what watchers see.
#include <doctest/doctest.h>

#include "tests/unit/throngverify/handmade.hpp"

using namespace throng;
using namespace throng::verify;

TEST_CASE("delivery: the newest post must come too, though no hole shows that it is missing") {
  handmade run;
  run.post();
  const auto last = run.post(run.ann, {run.at_ann});
  const auto report = run.judge();
  CHECK(violated(report) == "delivery");
  CHECK(first_of(report, rule::delivery).find(to_text(last.op)) != std::string::npos);
}

TEST_CASE("delivery: also of a post without an answer that is in the history") {
  handmade run;
  const auto fault = run.log.fault_begun("kill", "n1");
  const auto open = run.invoke(happening::post, run.ann);
  run.log.unknown(open, "connection lost");
  run.log.fault_ended(fault);
  run.store(run.next_ts(), open.op);
  CHECK(violated(run.judge()) == "delivery");
}

TEST_CASE("delivery: who wasn't there all the time, or may have left, need not have it") {
  handmade run;
  run.post(run.ben, {run.at_ann, run.at_ben});
  SUBCASE("she was cut off and didn't come back") {
    run.close(run.at_ann);
    run.post(run.ben, {run.at_ben});
  }
  SUBCASE("she came back without resuming") {
    run.close(run.at_ann);
    run.post(run.ben, {run.at_ben});
    run.open(run.ann, run.at_ann, false);
  }
  SUBCASE("she may have left") {
    const auto fault = run.log.fault_begun("kill", "n1");
    const auto leave = run.invoke(happening::leave, run.ann);
    run.log.unknown(leave, "timeout");
    run.log.fault_ended(fault);
    run.post(run.ben, {run.at_ben});
  }
  SUBCASE("she was told of a gap") {
    run.post(run.ben, {run.at_ben});
    run.log.gap_told(run.at_ann, run.town_name, 1, 2);
  }
  CHECK(violated(run.judge()) == "");
}

TEST_CASE("delivery: a member from her join's acknowledgement on") {
  for (const bool is_told : {true, false}) {
    handmade run;
    const auto at_eve = run.open(run.eve);
    const auto join = run.invoke(happening::invite, run.ann, {}, handmade::eve_id);
    run.log.acknowledged(join);
    run.post(run.ann, is_told ? std::vector{run.at_ann, run.at_ben, at_eve} : std::vector{run.at_ann, run.at_ben});
    CHECK(violated(run.judge()) == (is_told ? "" : "delivery"));
  }
}

TEST_CASE("delivery: of edits too, and a post that is told again after an edit counts") {
  handmade run;
  run.close(run.at_ben);
  const auto post = run.post(run.ann, {run.at_ann});
  const auto edit = run.invoke(happening::edit, run.ann, post.ts);
  run.tell_change(run.at_ann, edit.op, post.ts, run.next_seq());
  run.log.acknowledged(edit);
  run.stored.back() = {post.ts, edit.op, true};
  const auto again = run.open(run.ben, run.at_ben, true);
  auto replayed = run.frame(again, edit.op, post.ts, post.seq);
  replayed.is_edited = true;
  run.log.received(replayed);
  SUBCASE("both") {
    run.tell_change(again, edit.op, post.ts, run.seq);
    CHECK(violated(run.judge()) == "");
  }
}

TEST_CASE("delivery: an edit that a member never hears of is a violation") {
  handmade run;
  const auto post = run.post();
  const auto edit = run.invoke(happening::edit, run.ann, post.ts);
  run.tell_change(run.at_ann, edit.op, post.ts, run.next_seq());
  run.log.acknowledged(edit);
  run.stored.back() = {post.ts, edit.op, true};
  CHECK(violated(run.judge()) == "delivery");
}

TEST_CASE("delivery: a run that never settled proves nothing") {
  handmade run;
  run.post();
  const auto report = check(run.log.take());
  CHECK(!report.is_clean());
  CHECK(!report[rule::delivery].unproven.empty());
}

TEST_CASE("members: who was never in the channel is told nothing") {
  handmade run;
  const auto at_eve = run.open(run.eve);
  run.post(run.ann, {run.at_ann, run.at_ben, at_eve});
  CHECK(violated(run.judge()) == "members");
}

TEST_CASE("members: who has left is told nothing that was posted since") {
  struct {
    bool is_acknowledged, comes_back;
    const char* expected;
  } const cases[] = {{true, false, "members"}, {false, false, ""}, {true, true, ""}};
  for (const auto& each : cases) {
    handmade run;
    run.post();
    const auto fault = run.log.fault_begun("kill", "n1");
    const auto leave = run.invoke(happening::kick, run.ann, {}, handmade::ben_id);
    if (each.is_acknowledged)
      run.log.acknowledged(leave);
    else
      run.log.unknown(leave, "timeout");
    if (each.comes_back) run.log.unknown(run.invoke(happening::join, run.ben), "timeout");
    run.log.fault_ended(fault);
    run.post();
    CHECK(violated(run.judge()) == each.expected);
  }
}

TEST_CASE("members: what was posted before she left may come late") {
  handmade run;
  const auto post = run.post(run.ann, {run.at_ann});
  run.log.acknowledged(run.invoke(happening::leave, run.ben));
  run.tell(run.at_ben, post.op, post.ts, post.seq);
  CHECK(violated(run.judge()) == "");
}

TEST_CASE("writers: one position is one event for all") {
  handmade run;
  const auto a = run.invoke(happening::post, run.ann);
  const auto b = run.invoke(happening::post, run.ben);
  const auto first = run.next_ts(), second = run.next_ts();
  const auto at = run.next_seq();
  run.tell(run.at_ann, a.op, first, at);
  run.tell(run.at_ben, b.op, second, at);
  run.store(first, a.op);
  run.store(second, b.op);
  run.log.acknowledged(a, first);
  run.log.acknowledged(b, second);
  CHECK(violated(run.judge()) == "writers delivery");
}

TEST_CASE("writers: no older epoch commits what was invoked when a newer one had been seen") {
  for (const bool was_seen : {true, false}) {
    handmade run;
    run.post();
    const auto early = run.invoke(happening::post, run.ben);
    run.epoch = 2;
    if (was_seen) run.post(run.ann, {run.at_ann});
    const auto late = run.invoke(happening::post, run.ben);
    run.epoch = 1;
    const auto& judged = was_seen ? late : early;
    const auto ts = run.next_ts();
    run.store(ts, judged.op);
    run.tell(run.at_ben, judged.op, ts, run.next_seq());
    run.log.acknowledged(judged, ts);
    run.log.refused(was_seen ? early : late, "not_in_channel");
    CHECK(run.judge()[rule::writers].is_ok() == !was_seen);
  }
}

TEST_CASE("writers: what is told again later carries the epoch of who tells it") {
  handmade run;
  run.close(run.at_ben);
  const auto post = run.post(run.ann, {run.at_ann});
  run.epoch = 3;
  const auto again = run.open(run.ben, run.at_ben, true);
  run.tell(again, post.op, post.ts, post.seq);
  CHECK(violated(run.judge()) == "");
}

TEST_CASE("writers: that somebody is told later by who has an older epoch is no commit in it") {
  handmade run;
  run.post();
  run.epoch = 4;
  run.post();
  const auto post = run.post(run.ann, {run.at_ann});
  run.epoch = 2;
  const auto late = run.open(run.ben);
  run.tell(late, post.op, post.ts, post.seq);
  CHECK(run.judge()[rule::writers].is_ok());
}

TEST_CASE("writers: a deleted post that is told again is the same event") {
  handmade run;
  const auto post = run.post(run.ann, {run.at_ann});
  run.log.acknowledged(run.invoke(happening::remove, run.ann, post.ts));
  run.stored.clear();
  auto tombstone = run.frame(run.at_ben, {}, post.ts, post.seq);
  tombstone.subtype = "tombstone";
  run.log.received(tombstone);
  CHECK(violated(run.judge()) == "");
}

TEST_CASE("writers: a post has one position") {
  handmade run;
  const auto post = run.post();
  const auto again = run.next_seq();
  for (const auto socket : {run.at_ann, run.at_ben}) run.tell(socket, post.op, run.next_ts(), again);
  CHECK(!run.judge()[rule::writers].is_ok());
}

TEST_CASE("presence: the last that an open socket saw is the truth") {
  struct {
    std::vector<bool> seen;
    bool is_watched, is_closed;
    const char* expected;
  } const cases[] = {
      {{true, false, true}, true, false, ""},
      {{true, false}, true, false, "presence"},
      {{}, true, false, "presence"},
      {{false}, true, true, ""},
      {{false}, false, false, ""},
  };
  for (const auto& each : cases) {
    handmade run;
    if (each.is_watched) run.log.presence_watched(run.at_ann, handmade::ben_id);
    for (const bool is_active : each.seen) run.log.presence_seen(run.at_ann, handmade::ben_id, is_active);
    if (each.is_closed) run.close(run.at_ann);
    run.log.settled();
    run.log.presence_truth(handmade::ben_id, true);
    run.read({});
    const auto report = check(run.log.take());
    CHECK(violated(report) == each.expected);
  }
}

TEST_CASE("calm: planned moves excuse no call without an answer, a kill and its aftermath do") {
  struct {
    const char* kind;
    std::chrono::seconds after;
    const char* expected;
  } const cases[] = {{"move", std::chrono::seconds(0), "calm"},
                     {"empty", std::chrono::seconds(0), "calm"},
                     {"kill", std::chrono::seconds(0), ""},
                     {"kill", std::chrono::seconds(5), ""},
                     {"kill", std::chrono::seconds(60), "calm"}};
  for (const auto& each : cases) {
    handmade run;
    const auto fault = run.log.fault_begun(each.kind, "n1");
    if (each.after.count() != 0) run.log.fault_ended(fault);
    run.wait(each.after);
    const auto post = run.invoke(happening::post, run.ann);
    run.log.refused(post, "request_timeout");
    CHECK(violated(run.judge()) == each.expected);
  }
}

TEST_CASE("calm: that a node drains is seen by who talks to it, and by nobody else") {
  struct {
    const char *target, *node;
    const char* expected;
  } const cases[] = {{"n1", "n1", ""}, {"n1", "n2", "calm"}, {"n1", "", ""}, {"all, one after the other", "n2", ""}};
  for (const auto& each : cases) {
    handmade run;  // its sockets are at n1
    run.log.fault_begun("drain", each.target);
    auto post = run.make_call(happening::post, run.ann);
    post.node = each.node;
    run.log.invoked(post);
    run.log.unknown(post, "timeout");
    CHECK(violated(run.judge()) == each.expected);
  }
}

TEST_CASE("calm: who ends her own websocket can't expect an answer over it") {
  handmade run;
  auto post = run.make_call(happening::post, run.ann);
  post.over = run.at_ann;
  run.log.invoked(post);
  run.log.unknown(post, "the websocket ended");
  run.close(run.at_ann);
  CHECK(violated(run.judge()) == "");
}
