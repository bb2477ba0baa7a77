// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include "tests/unit/throngverify/handmade.hpp"

using namespace throng;
using namespace throng::verify;

TEST_CASE("posts: a run in which all is well is clean, and says what it compared") {
  handmade run;
  for (int i = 0; i < 5; ++i) run.post();
  const auto report = run.judge();
  CHECK(violated(report) == "");
  CHECK(report.is_clean());
  CHECK(report[rule::posts].checked >= 10);
  CHECK(report[rule::delivery].checked == 10);
  CHECK(report[rule::positions].checked == 10);
}

TEST_CASE("posts: acknowledged and not in the history is a violation that shows the post") {
  handmade run;
  run.post();
  const auto lost = run.post();
  std::erase_if(run.stored, [&](const auto& each) { return each.op == lost.op; });
  const auto report = run.judge();
  CHECK(violated(report) == "posts");
  CHECK(first_of(report, rule::posts).find(to_text(lost.op)) != std::string::npos);
  CHECK(!report[rule::posts].violations.front().events.empty());
}

TEST_CASE("posts: a post without an answer may be there once, or not at all") {
  for (const bool is_there : {false, true}) {
    handmade run;
    const auto open = run.invoke(happening::post, run.ann);
    run.log.unknown(open, "connection lost");
    if (is_there) {
      const auto ts = run.next_ts();
      run.store(ts, open.op);
      const auto at = run.next_seq();
      for (const auto socket : {run.at_ann, run.at_ben}) run.tell(socket, open.op, ts, at);
    }
    const auto report = run.judge();
    CHECK(violated(report) == "calm");  // nothing was going on that excuses it
    CHECK(report[rule::posts].is_ok());
  }
}

TEST_CASE("posts: with a client_msg_id it is there once, however often it was tried") {
  for (const bool is_twice : {false, true}) {
    handmade run;
    auto post = run.make_call(happening::post, run.ann);
    post.has_client_msg_id = true;
    const auto fault = run.log.fault_begun("kill", "n1");
    run.log.invoked(post);
    run.log.unknown(post, "connection lost");
    run.log.invoked(post);
    const auto ts = run.next_ts();
    run.store(ts, post.op);
    if (is_twice) run.store(run.next_ts(), post.op);
    run.log.acknowledged(post, ts);
    run.log.fault_ended(fault);
    const auto at = run.next_seq();
    for (const auto socket : {run.at_ann, run.at_ben}) run.tell(socket, post.op, ts, at);
    CHECK(violated(run.judge()) == (is_twice ? "posts" : ""));
  }
}

TEST_CASE("posts: two acknowledgements of one post must agree") {
  handmade run;
  auto post = run.make_call(happening::post, run.ann);
  post.has_client_msg_id = true;
  const auto ts = run.next_ts();
  for (const auto& each : {ts, message_ts{ts.micros + 1}}) {
    run.log.invoked(post);
    run.log.acknowledged(post, each);
  }
  run.store(ts, post.op);
  const auto at = run.next_seq();
  for (const auto socket : {run.at_ann, run.at_ben}) run.tell(socket, post.op, ts, at);
  CHECK(violated(run.judge()) == "posts");
}

TEST_CASE("posts: what was refused is nowhere; an error that leaves it open is no refusal") {
  for (const auto& [error, expected] : {std::pair{"not_in_channel", "posts"}, {"request_timeout", "calm"}}) {
    handmade run;
    const auto post = run.invoke(happening::post, run.ann);
    run.log.refused(post, error);
    const auto ts = run.next_ts();
    run.store(ts, post.op);
    const auto at = run.next_seq();
    for (const auto socket : {run.at_ann, run.at_ben}) run.tell(socket, post.op, ts, at);
    const auto report = run.judge();
    CHECK(report[rule::posts].is_ok() == (std::string_view(expected) != "posts"));
  }
}

TEST_CASE("posts: a message that nobody posted is a violation, what the channel says of itself is none") {
  handmade run;
  run.store(run.next_ts(), op_id{99'999});
  CHECK(violated(run.judge()) == "posts");

  handmade fine;
  fine.log.settled();
  const auto read = fine.log.read_begun(fine.ben, handmade::town, "n1");
  fine.log.read_entry(read, fine.next_ts(), {}, "channel_join", false);
  fine.log.read_ended(read, true);
  CHECK(violated(check(fine.log.take())) == "");
}

TEST_CASE("posts: acknowledged with another ts than the history's is a violation") {
  handmade run;
  const auto post = run.invoke(happening::post, run.ann);
  const auto ts = run.next_ts();
  run.store(ts, post.op);
  run.log.acknowledged(post, {ts.micros + 500});
  const auto report = run.judge();
  CHECK(!report[rule::posts].is_ok());
}

TEST_CASE("posts: told to a subscriber and not in the history is a violation") {
  handmade run;
  const auto post = run.invoke(happening::post, run.ann);
  const auto fault = run.log.fault_begun("kill", "n1");
  run.tell(run.at_ben, post.op, run.next_ts(), run.next_seq());
  run.log.unknown(post, "connection lost");
  run.log.fault_ended(fault);
  CHECK(violated(run.judge()) == "posts");
}

TEST_CASE("posts: a deleted one may be gone, also if nobody knows whether it was deleted") {
  handmade run;
  const auto post = run.post();
  const auto fault = run.log.fault_begun("kill", "n1");
  const auto removal = run.invoke(happening::remove, run.ann, post.ts);
  run.log.unknown(removal, "timeout");
  run.log.fault_ended(fault);
  run.stored.clear();
  CHECK(violated(run.judge()) == "");
}

TEST_CASE("posts: a history that nobody read whole at the end proves nothing") {
  handmade run;
  run.post();
  run.log.settled();
  run.read(run.stored, false);
  const auto report = check(run.log.take());
  CHECK(violated(report) == "");
  CHECK(!report.is_clean());
  CHECK(report[rule::posts].unproven.size() == 1);
}

TEST_CASE("posts: a history that was cut at its bound is never clean") {
  handmade run;
  run.post();
  auto history = run.finish();
  history.is_complete = false;
  CHECK(!check(history).is_clean());
}
