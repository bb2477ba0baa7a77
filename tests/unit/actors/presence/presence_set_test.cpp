// SPDX-License-Identifier: Apache-2.0
#include "actors/presence/presence_set.hpp"

#include <algorithm>
#include <string>

#include <doctest/doctest.h>

#include "actors/proto/session.pb.h"

using namespace throng;
using namespace std::chrono_literals;

namespace {

constexpr user_id ada{1}, bob{2};
constexpr session_id phone{11}, laptop{12};

/// A bucket with its own clock, past its recovery, and what it told.
struct bucket {
  explicit bucket(presence_set::limits limits = {}) : set(limits, steady_time{}) { (void)set.take_roll(now); }

  void report(user_id user, session_id session, bool is_active, bool is_connected = true, bool is_away = false) {
    presence_set::report what;
    what.user = user;
    what.session = session;
    what.is_active = is_active;
    what.is_connected = is_connected;
    what.is_away = is_away;
    CHECK(set.online(what, now, wall_time(now.time_since_epoch() / 1us * 1us)));
  }
  /// "+1" for user 1 is there, "-1" for she isn't; in the order of time.
  std::string told(std::chrono::steady_clock::duration during = 0s) {
    std::string all;
    auto until = now + during;
    for (;;) {
      auto changes = set.take_changes(now);
      for (auto user : changes.active) all += "+" + std::to_string(user.value);
      for (auto user : changes.away) all += "-" + std::to_string(user.value);
      auto due = set.next_due();
      if (!due || *due > until) break;
      REQUIRE(*due > now);  // else it would turn in circles
      now = *due;
    }
    now = until;
    return all;
  }
  /// A device's heartbeats for a while.
  std::string living(user_id user, session_id session, std::chrono::minutes during, bool is_active = false) {
    std::string all;
    for (auto passed = 0min; passed < during; ++passed) {
      report(user, session, is_active);
      all += told(1min);
    }
    return all;
  }

  presence_set set;
  steady_time now{1h};
};

}  // namespace

TEST_CASE("presence: a report that was overtaken changes nothing, also after a move") {
  bucket b;
  presence_set::report here;
  here.user = ada;
  here.session = phone;
  here.is_active = here.is_connected = true;
  here.number = 8;
  auto gone = here;
  gone.is_connected = gone.is_active = false;
  gone.number = 7;  // of the socket before
  CHECK(b.set.online(here, b.now, {}));
  CHECK(b.set.online(gone, b.now, {}).code() == errc::conflict);
  CHECK(b.told(1min) == "+1");
  presence_set next({}, steady_time{});
  next.take_over(b.set.handover(b.now), b.now);
  CHECK(next.online(gone, b.now, {}).code() == errc::conflict);
  CHECK(next.query(ada, b.now + 1min).is_online);
  gone.number = 9;
  CHECK(next.online(gone, b.now, {}));
  CHECK_FALSE(next.query(ada, b.now + 1min).is_online);
}

TEST_CASE("presence: one who comes is told once, one who goes is told after the delay") {
  bucket b;
  b.report(ada, phone, true);
  CHECK(b.told() == "+1");
  b.report(ada, phone, true);
  CHECK(b.told(5s) == "");
  b.report(ada, phone, false, false);
  CHECK(b.told(9s) == "");
  CHECK(b.told(2s) == "-1");
  CHECK(b.told(2s) == "");
  CHECK(b.set.user_count() == 0);
  CHECK(b.set.session_count() == 0);
}

TEST_CASE("presence: a quick reconnect isn't seen, with the same session or a new one") {
  bucket b;
  b.report(ada, phone, true);
  CHECK(b.told(30s) == "+1");
  b.report(ada, phone, false, false);
  CHECK(b.told(5s) == "");
  b.report(ada, phone, true);
  CHECK(b.told(30s) == "");
  b.report(ada, phone, false, false);
  CHECK(b.told(5s) == "");
  b.report(ada, laptop, true);
  CHECK(b.told(2min) == "");
}

TEST_CASE("presence: she is there as long as one of her devices is") {
  bucket b;
  b.report(ada, phone, true);
  b.report(ada, laptop, true);
  CHECK(b.told() == "+1");
  CHECK(b.set.query(ada, b.now).connection_count == 2);
  b.report(ada, phone, false, false);
  CHECK(b.told(1min) == "");
  CHECK(b.set.query(ada, b.now).connection_count == 1);
  b.set.offline(ada, laptop, b.now);
  CHECK(b.told(1s) == "-1");
}

TEST_CASE("presence: a session that falls silent leaves no ghost") {
  bucket b;
  b.report(ada, phone, true);
  CHECK(b.told(2min) == "+1");
  CHECK(b.told(59s) == "");
  CHECK(b.told(2s) == "-1");
  CHECK(b.set.session_count() == 0);
  CHECK_FALSE(b.set.query(ada, b.now).is_online);
}

TEST_CASE("presence: heartbeats keep her online, but idle makes her away") {
  bucket b;
  b.report(ada, phone, true);
  CHECK(b.told() == "+1");
  CHECK(b.living(ada, phone, 9min) == "");
  CHECK(b.living(ada, phone, 5min) == "-1");
  auto state = b.set.query(ada, b.now);
  CHECK(state.is_online);
  CHECK(state.is_auto_away);
  CHECK_FALSE(state.is_active);
  b.report(ada, phone, true);
  CHECK(b.told() == "+1");
  CHECK(b.living(ada, phone, 30min, true) == "");
}

TEST_CASE("presence: away by hand is away, whatever the devices do") {
  bucket b;
  b.report(ada, phone, true);
  CHECK(b.told(2s) == "+1");
  b.set.set_away(ada, true, b.now);
  CHECK(b.told(2s) == "-1");
  b.report(ada, phone, true);
  CHECK(b.told(2s) == "");
  CHECK(b.set.query(ada, b.now).is_manually_away);
  CHECK(b.set.query(ada, b.now).is_online);
  b.set.set_away(ada, false, b.now);
  CHECK(b.told(2s) == "+1");
}

TEST_CASE("presence: what a session remembers doesn't undo a newer choice") {
  bucket b;
  b.report(ada, phone, true, true, true);
  CHECK(b.told(2s) == "");
  CHECK_FALSE(b.set.chosen_away(ada));  // only a session says so
  b.set.set_away(ada, false, b.now);
  CHECK(b.told(2s) == "+1");
  b.report(ada, phone, true, true, true);
  CHECK(b.told(2s) == "");
  CHECK(b.set.chosen_away(ada) == false);
  CHECK(b.set.sessions_of(ada) == std::vector{phone});
  CHECK(b.set.sessions_of(bob).empty());

  // The choice came before any device.
  b.set.set_away(bob, true, b.now);
  b.report(bob, laptop, true);
  CHECK(b.told(2s) == "");
  CHECK(b.set.query(bob, b.now).is_manually_away);
}

TEST_CASE("presence: a person who flickers is told at most once a second, and ends right") {
  bucket b;
  std::string all;
  for (int i = 0; i < 100; ++i) {
    b.report(ada, phone, true);
    all += b.told(50ms);
    b.set.set_away(ada, i % 2 == 0, b.now);
    all += b.told(50ms);
  }
  all += b.told(5s);
  CHECK(all.size() / 2 <= 12);  // ten seconds
  CHECK(all.substr(all.size() - 2) == "+1");
  for (std::size_t i = 2; i < all.size(); i += 2) CHECK(all[i] != all[i - 2]);
}

TEST_CASE("presence: changes of one turn are told together") {
  bucket b;
  for (std::uint64_t user = 1; user <= 50; ++user) b.report({user}, {user}, true);
  CHECK(b.set.take_changes(b.now).active.size() == 50);
  CHECK(b.set.take_changes(b.now).active.empty());
}

TEST_CASE("presence: a bucket that has just come up doesn't trust its ignorance") {
  bucket b;
  b.now = steady_time{} + 1s;
  SUBCASE("one who is there is told at once, as watchers may think she isn't") {
    b.report(ada, phone, true);
    CHECK(b.told(2s) == "+1");
  }
  SUBCASE("one who goes may have other devices that haven't spoken yet") {
    b.set.offline(ada, phone, b.now);
    CHECK(b.told(3s) == "");
    b.report(ada, laptop, false);
    CHECK(b.told(2min) == "+1");
  }
  SUBCASE("one who goes and has no other device is told in the end") {
    b.set.offline(ada, phone, b.now);
    CHECK(b.told(3s) == "");
    CHECK(b.told(2s) == "-1");
    CHECK(b.told(2s) == "");
    CHECK(b.set.user_count() == 0);
  }
}

TEST_CASE("presence: strangers are away and offline, and asking about them keeps nothing") {
  bucket b;
  auto state = b.set.query(bob, b.now);
  CHECK_FALSE(state.is_active);
  CHECK_FALSE(state.is_online);
  b.set.offline(bob, phone, b.now);
  CHECK(b.set.user_count() == 0);
  CHECK_FALSE(b.set.next_due());
}

TEST_CASE("presence: users and devices are bounded") {
  presence_set::limits limits;
  limits.users_max = 2;
  limits.devices_max = 3;
  bucket b(limits);
  for (std::uint64_t session = 1; session <= 10; ++session) {
    b.report(ada, {session}, true);
    b.now += 1s;
  }
  CHECK(b.set.session_count() == 3);
  CHECK(b.set.query(ada, b.now).connection_count == 3);
  b.report(bob, phone, true);
  presence_set::report third;
  third.user = {3};
  third.is_connected = true;
  CHECK(b.set.online(third, b.now, {}).code() == errc::overloaded);
  CHECK_FALSE(b.set.set_away({3}, true, b.now));
  CHECK(b.set.user_count() == 2);
}

namespace {

presence_set::report on_gateway(user_id user, session_id session, std::uint32_t node, std::uint64_t incarnation) {
  presence_set::report what;
  what.user = user;
  what.session = session;
  what.node = node;
  what.node_incarnation = incarnation;
  what.is_active = what.is_connected = true;
  return what;
}

}  // namespace

TEST_CASE("presence: a gateway's sessions leave together when it is gone, and quick ones aren't missed") {
  bucket b({.flap_delay = 5s});
  for (std::uint64_t i = 1; i <= 50; ++i) (void)b.set.online(on_gateway({i}, {100 + i}, 3, 1), b.now, {});
  (void)b.set.online(on_gateway({1}, {999}, 2, 1), b.now, {});   // has another device elsewhere
  (void)b.set.online(on_gateway({2}, {1000}, 3, 2), b.now, {});  // and she is on that node's next life already
  b.told(10s);
  b.set.lose_node(3, 1, b.now);
  CHECK(b.told(3s).empty());
  (void)b.set.online(on_gateway({3}, {103}, 2, 1), b.now, {});  // came back at another gateway
  const auto all = b.told(3s);
  CHECK(all.find("-4-5-6") != std::string::npos);
  CHECK(std::count(all.begin(), all.end(), '-') == 47);
  CHECK(all.find('+') == std::string::npos);
  for (std::uint64_t i = 1; i <= 50; ++i) CHECK(b.set.query({i}, b.now).is_online == (i <= 3));
}

TEST_CASE("presence: a bucket that begins anew says at once who is there, and at the roll who isn't") {
  presence_set set({.flap_delay = 5s, .recovery = 5s}, steady_time(1h));
  (void)set.online(on_gateway(ada, phone, 2, 1), steady_time(1h + 300ms), {});
  auto first = set.take_changes(steady_time(1h + 400ms));
  CHECK(first.active == std::vector<user_id>{ada});
  set.offline(bob, laptop, steady_time(1h + 1s));
  CHECK(set.take_changes(steady_time(1h + 2s)).away.empty());
  CHECK_FALSE(set.take_roll(steady_time(1h + 4s)));
  REQUIRE(set.next_due());
  CHECK(*set.next_due() <= steady_time(1h + 5s));
  const auto roll = set.take_roll(steady_time(1h + 5s));
  REQUIRE(roll);
  CHECK(*roll == std::vector<user_id>{ada});
  CHECK_FALSE(set.take_roll(steady_time(1h + 6s)));
  const auto after = set.take_changes(steady_time(1h + 6s));
  CHECK(after.active.empty());
  CHECK(after.away.empty());
}

TEST_CASE("presence: who was idle for long is not active because her bucket is new") {
  presence_set set({.away_after = 10min}, steady_time(1h));
  auto idle = on_gateway(ada, phone, 2, 1), busy = on_gateway(bob, laptop, 2, 1);
  idle.is_active = busy.is_active = false;
  idle.idle = 20min;
  busy.idle = 9min;
  (void)set.online(idle, steady_time(1h), {});
  (void)set.online(busy, steady_time(1h), {});
  CHECK(set.query(ada, steady_time(1h)).is_auto_away);
  CHECK_FALSE(set.query(ada, steady_time(1h)).is_active);
  CHECK(set.query(bob, steady_time(1h)).is_active);
  CHECK_FALSE(set.query(bob, steady_time(1h + 61s)).is_active);
}

TEST_CASE("presence: moves with what it knows, what it told, and when it will say what") {
  bucket old;
  old.report(ada, phone, true);
  old.report(ada, laptop, true, false);
  old.report(bob, session_id{21}, true);
  CHECK(old.told(1min) == "+1+2");
  bucket moved;
  moved.now = steady_time{} + 5s;  // its node has only just begun
  moved.set = presence_set({}, moved.now);
  moved.set.take_over(old.set.handover(old.now), moved.now);
  CHECK(moved.set.user_count() == 2);
  CHECK(moved.set.session_count() == old.set.session_count());
  const auto state = moved.set.query(ada, moved.now);
  CHECK(state.is_active);
  CHECK(state.connection_count == 1);
  CHECK(moved.told(1min + 59s) == "");
  CHECK(moved.told(2s) == "-1-2");  // nothing was heard for three minutes in all
}
