// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include "tests/unit/throngverify/handmade.hpp"

using namespace throng;
using namespace throng::verify;

namespace {

/// The text that the history has of that message, as if nothing else had been stored.
void set_text(handmade& run, message_ts ts, op_id op) {
  for (auto& each : run.stored)
    if (each.ts == ts) each = {ts, op, true};
}

}  // namespace

TEST_CASE("edits: the last one stands") {
  handmade run;
  const auto post = run.post();
  run.edit(post, run.ann);
  run.edit(post, run.ann);
  CHECK(violated(run.judge()) == "");
}

TEST_CASE("edits: an overwritten text in the history is a violation") {
  handmade run;
  const auto post = run.post();
  const auto first = run.edit(post, run.ann);
  run.edit(post, run.ann);
  set_text(run, post.ts, first);
  CHECK(violated(run.judge()) == "edits");
}

TEST_CASE("edits: an acknowledged edit of which the history knows nothing is a violation") {
  handmade run;
  const auto post = run.post();
  run.edit(post, run.ann);
  set_text(run, post.ts, post.op);
  CHECK(violated(run.judge()) == "edits");
}

TEST_CASE("edits: of two at the same time either may stand, and one without an answer may come last") {
  for (const int winner : {0, 1, 2}) {
    handmade run;
    const auto post = run.post();
    const auto fault = run.log.fault_begun("pause", "n1");
    const auto lost = run.invoke(happening::edit, run.ann, post.ts);
    run.log.unknown(lost, "timeout");
    const auto a = run.invoke(happening::edit, run.ann, post.ts);
    const auto b = run.invoke(happening::edit, run.ben, post.ts);
    run.log.acknowledged(a);
    run.log.acknowledged(b);
    run.log.fault_ended(fault);
    // Nobody is connected who would have to be told.
    run.close(run.at_ann);
    run.close(run.at_ben);
    set_text(run, post.ts, std::vector{lost.op, a.op, b.op}[static_cast<std::size_t>(winner)]);
    CHECK(violated(run.judge()) == "");
  }
}

TEST_CASE("edits: the history must not have a text that subscribers saw change") {
  handmade run;
  const auto post = run.post();
  const auto a = run.invoke(happening::edit, run.ann, post.ts);
  const auto b = run.invoke(happening::edit, run.ben, post.ts);
  for (const auto& each : {a, b}) {
    const auto at = run.next_seq();
    for (const auto socket : {run.at_ann, run.at_ben}) run.tell_change(socket, each.op, post.ts, at);
    run.log.acknowledged(each);
  }
  set_text(run, post.ts, a.op);
  CHECK(violated(run.judge()) == "edits");
}

TEST_CASE("edits: of another message, in the history, is a violation") {
  handmade run;
  const auto first = run.post();
  const auto second = run.post();
  const auto edit = run.edit(first, run.ann);
  set_text(run, second.ts, edit);
  CHECK(violated(run.judge()) == "posts");
}

TEST_CASE("edits: a deleted message is gone, and can't be edited any more") {
  handmade run;
  const auto post = run.post();
  const auto removal = run.invoke(happening::remove, run.ann, post.ts);
  run.log.acknowledged(removal);
  SUBCASE("it is still there") { CHECK(violated(run.judge()) == "edits"); }
  SUBCASE("it is gone") {
    run.stored.clear();
    CHECK(violated(run.judge()) == "");
  }
  SUBCASE("an edit is acknowledged afterwards") {
    run.stored.clear();
    const auto late = run.invoke(happening::edit, run.ann, post.ts);
    run.log.acknowledged(late);
    CHECK(violated(run.judge()) == "edits");
  }
}
