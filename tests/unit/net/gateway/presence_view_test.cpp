// SPDX-License-Identifier: Apache-2.0
#include "net/gateway/presence_view.hpp"

#include <algorithm>

#include <doctest/doctest.h>

using namespace throng;

namespace {

constexpr user_id ada{1}, bob{2}, cleo{3};
using people = std::vector<user_id>;

people sorted(people all) {
  std::sort(all.begin(), all.end());
  return all;
}

}  // namespace

TEST_CASE("presence view: what was told already is no news") {
  presence_view view;
  CHECK(view.note(people{ada, bob}, true) == people{ada, bob});
  CHECK(view.note(people{ada, bob}, true).empty());
  CHECK(view.note(people{bob, cleo}, false) == people{bob, cleo});
}

TEST_CASE("presence view: an answer to one client is news for the others only if they were told something else") {
  presence_view view;
  CHECK(view.learn(people{ada}, true).empty());  // nobody was told of her
  CHECK(view.learn(people{ada}, true).empty());
  CHECK(view.learn(people{ada}, false) == people{ada});
  CHECK(view.note(people{ada}, false).empty());
}

TEST_CASE("presence view: the roll finds who has vanished and who is back, of those who were spoken of") {
  presence_view view;
  view.note(people{ada, bob}, true);
  view.note(people{cleo}, false);
  const auto changes = view.call_roll(people{bob, cleo, user_id{9}});
  CHECK(changes.away == people{ada});
  CHECK(changes.active == people{cleo});
  const auto again = view.call_roll(people{bob, cleo});
  CHECK(again.away.empty());
  CHECK(again.active.empty());
  const auto nobody = view.call_roll({});
  CHECK(sorted(nobody.away) == people{bob, cleo});
}
