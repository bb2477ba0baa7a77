// SPDX-License-Identifier: Apache-2.0
#include <utility>

#include <doctest/doctest.h>

#include "tests/unit/throngverify/handmade.hpp"

using namespace throng;
using namespace throng::verify;

TEST_CASE("order: two readers of the end that don't read the same are a violation") {
  handmade run;
  run.post();
  const auto second = run.post();
  run.log.settled();
  run.read(run.stored);
  SUBCASE("the same") {
    run.read(run.stored);
    CHECK(violated(check(run.log.take())) == "");
  }
  SUBCASE("another text") {
    const auto edit = run.invoke(happening::edit, run.ann, second.ts);
    run.log.refused(edit, "edit_window_closed");
    run.stored.back().is_edited = true;
    run.read(run.stored);
    CHECK(violated(check(run.log.take())) == "order");
  }
  SUBCASE("one less") {
    run.stored.pop_back();
    run.read(run.stored);
    CHECK(!check(run.log.take())[rule::order].is_ok());
  }
}

TEST_CASE("order: a history that isn't in the order of ts is a violation") {
  handmade run;
  for (int i = 0; i < 3; ++i) run.post();
  std::swap(run.stored[0], run.stored[1]);
  CHECK(violated(run.judge()) == "order");
}

TEST_CASE("order: ts rises with seq") {
  handmade run;
  const auto a = run.invoke(happening::post, run.ann);
  const auto b = run.invoke(happening::post, run.ben);
  const auto early = run.next_ts(), late = run.next_ts();
  const auto first = run.next_seq(), second = run.next_seq();
  for (const auto socket : {run.at_ann, run.at_ben}) {
    run.tell(socket, a.op, late, first);
    run.tell(socket, b.op, early, second);
  }
  run.store(early, b.op);
  run.store(late, a.op);
  run.log.acknowledged(a, late);
  run.log.acknowledged(b, early);
  CHECK(violated(run.judge()) == "order");
}

TEST_CASE("order: who posts after an acknowledgement comes behind it; what overlaps may be in either order") {
  for (const bool overlaps : {true, false}) {
    handmade run;
    run.close(run.at_ann);
    run.close(run.at_ben);
    const auto early = run.next_ts(), late = run.next_ts();
    const auto a = run.invoke(happening::post, run.ann);
    if (!overlaps) run.log.acknowledged(a, late);
    const auto b = run.invoke(happening::post, run.ben);
    if (overlaps) run.log.acknowledged(a, late);
    run.log.acknowledged(b, early);
    run.store(early, b.op);
    run.store(late, a.op);
    CHECK(violated(run.judge()) == (overlaps ? "" : "order"));
  }
}
