// SPDX-License-Identifier: Apache-2.0
// The copying core of the fan-out with fake connections and a fake region. Frames are short texts ("5;"), so a joined
// buffer is their concatenation.
#include "net/gateway/loop_fan_out.hpp"

#include <map>
#include <random>
#include <string>

#include <doctest/doctest.h>

#include "actors/proto/event.pb.h"

using namespace throng;

namespace {

constexpr entity_key room{entity_kind::channel, 4};
constexpr entity_key hall{entity_kind::channel, 8};
constexpr team_id team{9};
constexpr steady_time now{};

struct reader final : stream_reader {
  void deliver(const shared_frame& frames, delivery kind) override {
    told += *frames;
    buffers.push_back(*frames);
    kinds.push_back(kind);
  }
  void on_stream_ready(entity_key stream) override { ready.push_back(stream); }
  void on_gap(entity_key stream) override { gaps.push_back(stream); }
  void on_own_event(const publication& p) override {
    told += "own" + std::to_string(p.seq) + ";";
    if (on_own) on_own();
  }
  void on_presence(const publication& p, const shared_frame&) override {
    ++presence;
    const auto& change = static_cast<const Event&>(*p.event).presence();
    for (const auto user : change.users()) seen += (change.is_active() ? "+" : "-") + std::to_string(user);
  }
  void on_removed(entity_key stream) override { removed.push_back(stream); }
  void on_departed_in_replay(entity_key stream) override { departed.push_back(stream); }
  void on_census(entity_key) override { ++censuses; }

  std::string told;
  std::vector<std::string> buffers;
  std::vector<delivery> kinds;
  std::vector<entity_key> ready;
  std::vector<entity_key> gaps;
  std::vector<entity_key> removed;
  std::vector<entity_key> departed;
  int presence = 0;
  int censuses = 0;
  std::string seen;  // "+7-8": 7 is active, 8 is away
  std::function<void()> on_own;
};

struct question {
  entity_key stream;
  stream_position after;
  user_id user;
  std::uint64_t token;
  std::uint64_t stamp = 0;
};

struct asking final : replay_source {
  void replay(entity_key stream, stream_position after, std::uint64_t stamp, user_id user,
              std::uint64_t token) override {
    questions.push_back({stream, after, user, token, stamp});
  }
  void wake(entity_key bucket) override { woken.push_back(bucket); }
  shared_frame gap_frame(entity_key, stream_position behind) override {
    return std::make_shared<const std::string>("gap" + std::to_string(behind.seq) + ";");
  }
  std::vector<question> questions;
  std::vector<entity_key> woken;
};

/// One loop of a node whose subscriptions are in place at once, or when `subscribed` is called.
struct fixture {
  explicit fixture(bool at_once = true)
      : directory({},
                  {[this, at_once](entity_key stream, auto done) {
                     if (at_once)
                       done(result<>(throng::done));
                     else
                       waiting[stream] = done;
                   },
                   [](entity_key) {}},
                  [this](entity_key stream, std::uint64_t) { fan.on_ready(stream); }),
        fan(node_index{1}, 0, directory, source) {}

  loop_fan_out::slot add(reader& who, std::uint64_t user) {
    const auto at = fan.attach(who);
    fan.set_user(at, {user});
    return at;
  }
  void subscribed(entity_key stream) { waiting.at(stream)(result<>(done)); }
  /// As if published by the region and taken from the loop's inbox.
  void turn(std::vector<arrival> events, std::vector<entity_key> gapped = {}) {
    for (const auto& each : events) directory.pass(*each.source);
    fan.run_turn(events, gapped, now);
  }

  std::map<entity_key, std::function<void(result<>)>> waiting;
  asking source;
  stream_directory directory;
  loop_fan_out fan;
};

struct event_options {
  std::uint64_t skip = 0;
  delivery_class priority = delivery_class::message;
  std::shared_ptr<const Event> body = nullptr;
  epoch_t epoch = 1;
};

arrival event(entity_key stream, seq_t seq, const event_options& with = {}) {
  publication told;
  told.stream = stream;
  told.epoch = with.epoch;
  told.seq = seq;
  told.priority = with.priority;
  told.skip_connection = with.skip;
  told.event = with.body;
  const auto name =
      seq ? std::to_string(seq) : std::string(with.priority == delivery_class::typing ? "typing" : "note");
  return {std::make_shared<const publication>(told), std::make_shared<const std::string>(name + ";")};
}

std::shared_ptr<const Event> left(std::uint64_t user) {
  auto body = std::make_shared<Event>();
  body->mutable_member()->set_user(user);
  return body;
}

}  // namespace

TEST_CASE("loop_fan_out: a turn's events of one stream reach each reader in order, as one shared buffer") {
  fixture f;
  reader a, b;
  f.fan.subscribe(f.add(a, 1), room, team);
  f.fan.subscribe(f.add(b, 2), room, team);
  f.turn({event(room, 1), event(room, 2), event(room, 3)});
  CHECK(a.buffers == std::vector<std::string>{"1;2;3;"});
  CHECK(b.buffers == a.buffers);
  CHECK(f.fan.figures().deliveries == 6);
  CHECK(f.fan.figures().buffers == 2);
  CHECK(f.fan.figures().joined_events == 6);
}

TEST_CASE("loop_fan_out: streams don't mix, and who isn't subscribed hears nothing") {
  fixture f;
  reader a, b, c;
  f.fan.subscribe(f.add(a, 1), room, team);
  f.fan.subscribe(f.add(b, 2), hall, team);
  f.add(c, 3);
  f.turn({event(room, 1), event(hall, 7), event(room, 2)});
  CHECK(a.told == "1;2;");
  CHECK(b.told == "7;");
  CHECK(c.told.empty());
}

TEST_CASE("loop_fan_out: the connection that caused an event skips it, and gets the others") {
  fixture f;
  reader a, b;
  const auto at = f.add(a, 1);
  f.fan.subscribe(at, room, team);
  f.fan.subscribe(f.add(b, 1), room, team);
  f.turn({event(room, 1), event(room, 2, {.skip = f.fan.id_of(at)}), event(room, 3)});
  CHECK(a.told == "1;3;");
  CHECK(b.told == "1;2;3;");
  f.turn({event(room, 4, {.skip = f.fan.id_of(at)})});
  CHECK(a.told == "1;3;");
  CHECK(b.told == "1;2;3;4;");
  CHECK(f.fan.figures().skips == 2);
}

TEST_CASE("loop_fan_out: a slot that is used again isn't taken for the connection it had") {
  fixture f;
  reader a, b;
  const auto first = f.add(a, 1);
  const auto old_id = f.fan.id_of(first);
  f.fan.detach(first, now);
  const auto second = f.add(b, 2);
  REQUIRE(second == first);
  CHECK(f.fan.id_of(second) != old_id);
  CHECK(f.fan.find(old_id) == nullptr);
  CHECK(f.fan.find(f.fan.id_of(second)) == &b);
  f.fan.subscribe(second, room, team);
  f.turn({event(room, 1, {.skip = old_id})});
  CHECK(b.told == "1;");
}

TEST_CASE("loop_fan_out: typing travels as typing alone, and as a message when joined with one") {
  fixture f;
  reader a;
  f.fan.subscribe(f.add(a, 1), room, team);
  f.turn({event(room, 0, {.priority = delivery_class::typing})});
  f.turn({event(room, 0, {.priority = delivery_class::typing}), event(room, 1)});
  CHECK(a.kinds == std::vector<delivery>{delivery::typing, delivery::message});
}

TEST_CASE("loop_fan_out: who leaves the channel is gone at exactly that event") {
  fixture f;
  reader a, a_too, b;
  f.fan.subscribe(f.add(a, 1), room, team);
  f.fan.subscribe(f.add(a_too, 1), room, team);
  f.fan.subscribe(f.add(b, 2), room, team);
  f.turn({event(room, 1), event(room, 2, {.body = left(1)}), event(room, 3)});
  CHECK(a.told == "1;");
  CHECK(a_too.told == "1;");
  CHECK(b.told == "1;2;3;");
  CHECK(a.removed == std::vector<entity_key>{room});
  CHECK(b.removed.empty());
}

TEST_CASE("loop_fan_out: a departure from before the channel was listed again doesn't end the new membership") {
  fixture f;
  reader a, b;
  const auto at = f.add(a, 1);
  f.fan.subscribe(at, room, team);
  f.fan.subscribe(f.add(b, 2), room, team);
  f.turn({event(room, 5)});
  f.fan.note_joined(at, room, 7);  // her own stream was faster
  f.turn({event(room, 6, {.body = left(1)}), event(room, 7), event(room, 8)});
  CHECK(a.told == "5;6;7;8;");
  f.turn({event(room, 9, {.body = left(1)}), event(room, 10)});
  CHECK(a.told == "5;6;7;8;");
  CHECK(b.told == "5;6;7;8;9;10;");
}

TEST_CASE("loop_fan_out: nor does one that somebody who comes back is told only now, behind the stream") {
  fixture f;
  reader a, b;
  f.fan.subscribe(f.add(b, 2), room, team);
  f.turn({event(room, 5), event(room, 6, {.body = left(1)}), event(room, 7), event(room, 8)});
  const auto at = f.add(a, 1);
  f.fan.subscribe_after(at, room, team, {1, 5}, true);
  f.fan.note_joined(at, room, 7);
  f.turn({event(room, 9, {.body = left(3)})});  // of somebody else
  REQUIRE(f.source.questions.size() == 1);
  const std::vector<arrival> page{event(room, 6, {.body = left(1)}), event(room, 7), event(room, 8),
                                  event(room, 9, {.body = left(3)})};
  f.fan.on_page(f.source.questions[0].token, 1, 9, page, now);
  CHECK(a.told == "6;7;8;9;");
  CHECK(a.removed.empty());
  f.turn({event(room, 10), event(room, 11, {.body = left(1)}), event(room, 12)});
  CHECK(a.told == "6;7;8;9;10;");
  CHECK(b.told == "5;6;7;8;9;10;11;12;");
}

TEST_CASE("loop_fan_out: who is removed at a departure that is replayed to her hears that it may be an old one") {
  fixture f;
  reader a, b;
  const auto at = f.add(a, 1);
  f.fan.subscribe_after(at, room, team, {1, 5}, true);
  REQUIRE(f.source.questions.size() == 1);
  const std::vector<arrival> page{event(room, 6), event(room, 7, {.body = left(1)}), event(room, 8)};
  f.fan.on_page(f.source.questions[0].token, 1, 8, page, now);
  CHECK(a.told == "6;");
  CHECK(a.removed == std::vector<entity_key>{room});
  CHECK(a.departed == std::vector<entity_key>{room});
  f.fan.subscribe(f.add(b, 1), room, team);
  f.turn({event(room, 9, {.body = left(1)})});
  CHECK(b.removed == std::vector<entity_key>{room});
  CHECK(b.departed.empty());
}

TEST_CASE(
    "loop_fan_out: who was told of a gap of unknown end isn't told all from the beginning when the owner changes") {
  fixture f;
  reader a;
  const auto at = f.add(a, 1);
  f.fan.subscribe_since(at, room, team, 0, true);
  CHECK(a.told == "gap0;");
  f.turn({}, {room});
  CHECK(f.source.questions.empty());
  f.turn({event(room, 31)});
  CHECK(a.told == "gap0;gap30;31;");
}

TEST_CASE("loop_fan_out: what was published before a subscription in the same turn isn't told") {
  fixture f;
  reader owner, a;
  const entity_key own{entity_kind::user, 1};
  const auto at = f.add(owner, 1);
  f.fan.subscribe(at, own, team);
  f.fan.subscribe(f.add(a, 2), room, team);
  owner.on_own = [&] { f.fan.subscribe(at, room, team); };
  f.turn({event(room, 1), event(own, 1), event(room, 2)});
  CHECK(a.told == "1;2;");
  CHECK(owner.told == "1;own1;2;");  // its own event 1, then the room's 2
}

TEST_CASE("loop_fan_out: a lost event makes the live readers catch up together, once") {
  fixture f;
  reader a, b;
  f.fan.subscribe(f.add(a, 1), room, team);
  f.fan.subscribe(f.add(b, 2), room, team);
  f.turn({event(room, 1)});
  f.turn({event(room, 3)});
  f.turn({event(room, 4)});
  CHECK(a.told == "1;");
  REQUIRE(f.source.questions.size() == 1);
  const auto asked = f.source.questions[0];
  CHECK(asked.after == stream_position{1, 1});
  const std::vector<arrival> page{event(room, 2), event(room, 3)};
  f.fan.on_page(asked.token, 1, 3, page, now);
  CHECK(a.told == "1;2;3;4;");
  CHECK(b.told == "1;2;3;4;");
  f.turn({event(room, 5)});
  CHECK(a.told == "1;2;3;4;5;");
}

TEST_CASE("loop_fan_out: events dropped at the inbox are asked for even if nothing follows") {
  fixture f;
  reader a;
  f.fan.subscribe(f.add(a, 1), room, team);
  f.turn({event(room, 1)});
  f.turn({}, {room});
  REQUIRE(f.source.questions.size() == 1);
  const std::vector<arrival> page{event(room, 2)};
  f.fan.on_page(f.source.questions[0].token, 1, 2, page, now);
  CHECK(a.told == "1;2;");
}

TEST_CASE("loop_fan_out: repeated events are told once") {
  fixture f;
  reader a;
  f.fan.subscribe(f.add(a, 1), room, team);
  f.turn({event(room, 1), event(room, 1), event(room, 2)});
  f.turn({event(room, 2), event(room, 3)});
  CHECK(a.told == "1;2;3;");
  CHECK(f.fan.figures().duplicates == 2);
}

TEST_CASE("loop_fan_out: a post counts as passed on when it is, not when it comes") {
  fixture f;
  reader a;
  f.fan.subscribe(f.add(a, 1), room, team);
  const auto post = [](seq_t seq) {
    auto made = event(room, seq);
    made.post = {static_cast<std::int64_t>(seq)};
    return made;
  };
  const auto passed_on = [&f] {
    std::vector<seq_t> all;
    for (const auto& each : std::exchange(f.fan.passed_on(), {})) {
      CHECK(each.stream == room);
      CHECK(each.ts.micros == static_cast<std::int64_t>(each.seq));
      CHECK(each.count == 1);
      all.push_back(each.seq);
    }
    return all;
  };
  f.turn({post(1), event(room, 2)});  // the other one is no post
  CHECK(passed_on() == std::vector<seq_t>{1});
  f.turn({post(4)});  // behind a gap
  CHECK(passed_on().empty());
  REQUIRE(f.source.questions.size() == 1);
  const std::vector<arrival> page{post(3), post(4)};
  f.fan.on_page(f.source.questions[0].token, 1, 4, page, now);
  CHECK(passed_on() == std::vector<seq_t>{3, 4});
  f.turn({post(4)});  // a duplicate
  CHECK(passed_on().empty());
}

TEST_CASE("loop_fan_out: a stream that can't tell what is missing makes a gap for its readers, then goes on") {
  fixture f;
  reader a;
  f.fan.subscribe(f.add(a, 1), room, team);
  f.turn({event(room, 1)});
  f.turn({event(room, 9)});
  f.fan.on_lost(f.source.questions.at(0).token, true, now);
  f.turn({event(room, 10)});
  CHECK(a.told == "1;gap8;9;10;");
  CHECK(a.gaps == std::vector<entity_key>{room});
}

TEST_CASE("loop_fan_out: a resumed reader that missed nothing is live at once") {
  fixture f;
  reader a, b;
  f.fan.subscribe(f.add(a, 1), room, team);
  f.turn({event(room, 1), event(room, 2)});
  f.fan.subscribe_after(f.add(b, 2), room, team, {1, 2}, true);
  f.turn({event(room, 3)});
  CHECK(b.told == "3;");
  CHECK(f.source.questions.empty());
}

TEST_CASE("loop_fan_out: a resumed reader gets what it missed, then the live events, each once") {
  fixture f;
  reader a, b;
  f.fan.subscribe(f.add(a, 1), room, team);
  f.turn({event(room, 5)});
  const auto at = f.add(b, 2);
  f.fan.subscribe_after(at, room, team, {1, 3}, false);
  f.turn({event(room, 6)});
  CHECK(f.source.questions.empty());  // not before hello
  f.fan.begin_following(at);
  REQUIRE(f.source.questions.size() == 1);
  CHECK(f.source.questions[0].user == user_id{2});
  f.turn({event(room, 7)});
  // The stream answers with an event that is still on its way to this loop.
  const std::vector<arrival> page{event(room, 4), event(room, 5), event(room, 6), event(room, 7), event(room, 8)};
  f.fan.on_page(f.source.questions[0].token, 1, 8, page, now);
  CHECK(b.told == "4;5;6;7;8;");
  f.turn({event(room, 8), event(room, 9)});
  f.turn({event(room, 10)});
  CHECK(b.told == "4;5;6;7;8;9;10;");
  CHECK(a.told == "5;6;7;8;9;10;");
}

TEST_CASE("loop_fan_out: a follower's replay doesn't make the others miss events that are on their way") {
  fixture f;
  reader a, b;
  f.fan.subscribe(f.add(a, 1), room, team);  // knows no position yet
  f.fan.subscribe_after(f.add(b, 2), room, team, {1, 3}, true);
  const std::vector<arrival> page{event(room, 4), event(room, 5)};
  f.fan.on_page(f.source.questions.at(0).token, 1, 5, page, now);
  f.turn({event(room, 4), event(room, 5), event(room, 6)});
  CHECK(a.told == "4;5;6;");
  CHECK(b.told == "4;5;6;");
}

TEST_CASE("loop_fan_out: who has left meanwhile is dropped by the replay, and who may not read by its refusal") {
  fixture f;
  reader a, b;
  f.fan.subscribe_after(f.add(a, 1), room, team, {1, 3}, true);
  f.fan.subscribe_after(f.add(b, 2), room, team, {1, 3}, true);
  REQUIRE(f.source.questions.size() == 2);
  const std::vector<arrival> page{event(room, 4), event(room, 5, {.body = left(1)}), event(room, 6)};
  f.fan.on_page(f.source.questions[0].token, 1, 6, page, now);
  CHECK(a.told == "4;");
  CHECK(a.removed == std::vector<entity_key>{room});
  f.fan.on_lost(f.source.questions[1].token, false, now);
  CHECK(b.told.empty());
  CHECK(b.removed == std::vector<entity_key>{room});
  CHECK(f.fan.stream_count() == 0);
}

TEST_CASE("loop_fan_out: a subscription by name continues while it lasts, and is asked for by time when it doesn't") {
  fixture f;
  reader a, b, c;
  const auto at = f.add(a, 1);
  f.fan.subscribe(at, room, team);
  const auto cursor = f.fan.cursors(at).at(0);
  CHECK_FALSE(cursor.at.is_known());
  REQUIRE(cursor.stamp != 0);
  f.fan.detach(at, now);

  const auto again = f.add(b, 1);  // nothing has happened: live at once
  f.fan.subscribe_since(again, room, team, cursor.stamp, true);
  CHECK(f.source.questions.empty());
  f.turn({event(room, 1)});
  CHECK(b.told == "1;");
  f.fan.detach(again, now);

  const auto third = f.add(c, 1);  // 1 has happened since the name was given
  f.fan.subscribe_since(third, room, team, cursor.stamp, true);
  REQUIRE(f.source.questions.size() == 1);
  CHECK(f.source.questions[0].after == stream_position{1, 0});
  const std::vector<arrival> page{event(room, 1)};
  f.fan.on_page(f.source.questions[0].token, 1, 1, page, now);
  CHECK(c.told == "1;");

  reader d;
  f.fan.subscribe_since(f.add(d, 3), room, team, cursor.stamp + 12345, true);
  REQUIRE(f.source.questions.size() == 2);
  CHECK_FALSE(f.source.questions[1].after.is_known());
  CHECK(f.source.questions[1].stamp == cursor.stamp + 12345);
  f.turn({event(room, 2)});
  CHECK(d.told.empty());
  f.fan.on_page(f.source.questions[1].token, 1, 1, page, now, 0);
  CHECK(d.told == "1;2;");

  reader e;
  f.fan.subscribe_since(f.add(e, 4), room, team, 0, true);  // not even that is known
  CHECK(e.told == "gap2;");
}

TEST_CASE("loop_fan_out: a stream that was quiet so far is asked for by time when its subscription was renewed") {
  fixture f;
  reader a;
  f.fan.subscribe(f.add(a, 1), room, team);
  f.turn({}, {room});
  REQUIRE(f.source.questions.size() == 1);
  CHECK_FALSE(f.source.questions[0].after.is_known());
  CHECK(f.source.questions[0].stamp == f.fan.cursors(0).at(0).stamp);
  SUBCASE("nothing was missed") {
    f.fan.on_page(f.source.questions[0].token, 2, 40, {}, now, 40);
    CHECK(a.told.empty());
    CHECK(a.gaps.empty());
    f.turn({event(room, 41, {.epoch = 2})});
    CHECK(a.told == "41;");
  }
  SUBCASE("its first event was") {
    const std::vector<arrival> page{event(room, 41, {.epoch = 2})};
    f.fan.on_page(f.source.questions[0].token, 2, 41, page, now, 40);
    CHECK(a.told == "41;");
  }
  SUBCASE("nobody can tell any more") {
    f.fan.on_lost(f.source.questions[0].token, true, now);
    CHECK(a.gaps == std::vector<entity_key>{room});
  }
}

TEST_CASE("loop_fan_out: a renewal while the stream catches up is followed by one more question") {
  fixture f;
  reader a, b;
  f.fan.subscribe(f.add(a, 1), room, team);
  f.turn({event(room, 1)});
  f.turn({}, {room});
  REQUIRE(f.source.questions.size() == 1);
  f.fan.subscribe_after(f.add(b, 2), room, team, {1, 0}, true);
  REQUIRE(f.source.questions.size() == 2);
  f.turn({}, {room});  // the next owner has died too
  CHECK(f.source.questions.size() == 2);
  f.fan.on_page(f.source.questions[0].token, 2, 1, {}, now);  // the first one's answer
  REQUIRE(f.source.questions.size() == 3);
  const std::vector<arrival> all{event(room, 1)}, page{event(room, 2, {.epoch = 3})};
  f.fan.on_page(f.source.questions[1].token, 2, 1, all, now);  // the follower's, of the first one too
  REQUIRE(f.source.questions.size() == 4);
  f.fan.on_page(f.source.questions[2].token, 3, 2, page, now);
  f.fan.on_page(f.source.questions[3].token, 3, 2, page, now);
  CHECK(a.told == "1;2;");
  CHECK(b.told == "1;2;");
  CHECK(f.source.questions.size() == 4);
}

TEST_CASE("loop_fan_out: a stream whose subscription isn't in place says so, and asks for followers when it is") {
  fixture f(false);
  reader a, b;
  const auto kind = f.fan.subscribe(f.add(a, 1), room, team);
  CHECK(kind == loop_fan_out::start_kind::pending);
  f.fan.subscribe_after(f.add(b, 2), room, team, {1, 3}, true);
  CHECK(f.source.questions.empty());
  f.subscribed(room);
  CHECK(a.ready == std::vector<entity_key>{room});
  CHECK(b.ready == std::vector<entity_key>{room});
  CHECK(f.source.questions.size() == 1);
}

TEST_CASE("loop_fan_out: cursors say what was told, also while catching up") {
  fixture f;
  reader a, b;
  const auto live = f.add(a, 1);
  const auto following = f.add(b, 2);
  f.fan.subscribe(live, room, team);
  f.turn({event(room, 5)});
  f.fan.subscribe_after(following, room, team, {1, 2}, true);
  CHECK(f.fan.cursors(live).at(0).at == stream_position{1, 5});
  CHECK(f.fan.cursors(following).at(0).at == stream_position{1, 2});
}

TEST_CASE("loop_fan_out: cursors say whether anything was told since the connection came") {
  const auto den = key_of(make_channel_id(4'711, channel_kind::channel));
  fixture f;
  reader a, b;
  const auto first = f.add(a, 1);
  f.fan.subscribe(first, room, team);
  f.fan.subscribe(first, den, team);
  f.turn({event(room, 5)});
  const auto second = f.add(b, 2);
  f.fan.subscribe(second, room, team);
  const auto is_untouched = [&](loop_fan_out::slot at, entity_key stream) {
    for (const auto& each : f.fan.cursors(at))
      if (each.stream == stream) return each.is_untouched;
    FAIL("it isn't subscribed");
    return false;
  };
  CHECK_FALSE(is_untouched(first, room));
  CHECK(is_untouched(first, den));
  CHECK(is_untouched(second, room));
  f.turn({event(room, 6)});
  CHECK_FALSE(is_untouched(second, room));
}

arrival presence(entity_key bucket, const std::vector<std::uint64_t>& users, bool is_active) {
  auto body = std::make_shared<Event>();
  for (const auto user : users) body->mutable_presence()->add_users(user);
  body->mutable_presence()->set_is_active(is_active);
  return event(bucket, 0, {.priority = delivery_class::presence, .body = body});
}

TEST_CASE("loop_fan_out: of presence only what is different is told, whoever tells it") {
  fixture f;
  reader a, b;
  const entity_key bucket{entity_kind::presence, 3};
  f.fan.subscribe(f.add(a, 1), bucket, team);
  f.turn({presence(bucket, {7, 8}, true), presence(bucket, {9}, false)});
  CHECK(a.seen == "+7+8-9");
  f.turn({presence(bucket, {7}, true), presence(bucket, {8, 9, 10}, true)});
  CHECK(a.seen == "+7+8-9+9+10");

  f.fan.subscribe(f.add(b, 2), bucket, team);
  const std::vector<user_id> away{{7}, {11}}, nobody;
  f.fan.note_presence(bucket, nobody, away);  // b's question was answered: a didn't know of 7
  CHECK(a.seen == "+7+8-9+9+10-7");
  f.fan.note_presence(bucket, nobody, away);
  CHECK(a.seen == "+7+8-9+9+10-7");
}

TEST_CASE("loop_fan_out: a bucket that begins anew asks for its people, and calls the roll") {
  fixture f;
  reader a;
  const entity_key bucket{entity_kind::presence, 3};
  f.fan.subscribe(f.add(a, 1), bucket, team);
  f.turn({presence(bucket, {7, 8}, true), presence(bucket, {9}, false)});
  a.seen.clear();
  f.turn({}, {bucket});
  CHECK(f.source.woken == std::vector<entity_key>{bucket});
  CHECK(a.censuses == 1);
  CHECK(a.gaps.empty());
  auto census = std::make_shared<Event>();
  census->mutable_presence_census();
  f.turn({event(bucket, 0, {.priority = delivery_class::presence, .body = census})});
  CHECK(a.censuses == 2);
  f.turn({presence(bucket, {8}, true)});  // as it hears of her again
  CHECK(a.seen.empty());
  auto roll = std::make_shared<Event>();
  roll->mutable_presence_roll()->add_users(8);
  roll->mutable_presence_roll()->add_users(9);
  f.turn({event(bucket, 0, {.priority = delivery_class::presence, .body = roll})});
  CHECK(a.seen == "-7+9");
}

TEST_CASE("loop_fan_out: presence goes to those who subscribed the bucket, not into buffers") {
  fixture f;
  reader a, b;
  const entity_key bucket{entity_kind::presence, 3};
  f.fan.subscribe(f.add(a, 1), bucket, team);
  f.add(b, 2);
  f.turn({presence(bucket, {7}, true)});
  CHECK(a.presence == 1);
  CHECK(a.told.empty());
  CHECK(b.presence == 0);
}

TEST_CASE("loop_fan_out: whatever comes and goes, each reader is told a dense run, or of a gap") {
  for (unsigned seed = 1; seed <= 500; ++seed) {
    std::mt19937 random(seed);
    const auto pick = [&random](unsigned high) { return std::uniform_int_distribution(0u, high)(random); };
    fixture f;
    std::vector<std::unique_ptr<reader>> readers;
    std::vector<loop_fan_out::slot> slots;
    seq_t end = 10;
    std::vector<arrival> wire;
    for (int step = 0; step < 200; ++step) {
      switch (pick(5)) {
        case 0:
          if (readers.size() < 12) {
            readers.push_back(std::make_unique<reader>());
            slots.push_back(f.add(*readers.back(), readers.size()));
            if (pick(1))
              f.fan.subscribe(slots.back(), room, team);
            else
              f.fan.subscribe_after(slots.back(), room, team, {1, end - pick(5)}, true);
          }
          break;
        case 1: {  // an answer
          if (f.source.questions.empty()) break;
          const auto asked = f.source.questions.front();
          f.source.questions.erase(f.source.questions.begin());
          if (pick(9) == 0) {
            f.fan.on_lost(asked.token, true, now);
            break;
          }
          std::vector<arrival> page;
          for (auto seq = asked.after.seq + 1; seq <= end; ++seq) page.push_back(event(room, seq));
          f.fan.on_page(asked.token, 1, end, page, now);
          break;
        }
        case 2:
          f.turn(std::exchange(wire, {}));
          break;
        default:
          ++end;
          if (pick(9) != 0) wire.push_back(event(room, end));  // some are lost
      }
    }
    f.turn(std::exchange(wire, {}));
    f.turn({event(room, ++end)});
    while (!f.source.questions.empty()) {
      const auto asked = f.source.questions.front();
      f.source.questions.erase(f.source.questions.begin());
      std::vector<arrival> page;
      for (auto seq = asked.after.seq + 1; seq <= end; ++seq) page.push_back(event(room, seq));
      f.fan.on_page(asked.token, 1, end, page, now);
    }
    for (const auto& each : readers) {
      seq_t told = 0;
      bool is_wrong = false;
      std::string_view rest = each->told;
      while (!rest.empty()) {
        const auto word = rest.substr(0, rest.find(';'));
        rest.remove_prefix(word.size() + 1);
        const bool is_gap = word.starts_with("gap");
        const auto seq = std::stoull(std::string(is_gap ? word.substr(3) : word));
        if (is_gap && seq == 0) continue;  // of unknown end
        if (!is_gap && told && seq != told + 1) is_wrong = true;
        if (is_gap && seq < told) is_wrong = true;
        told = seq;
      }
      if (is_wrong || (told && told != end)) FAIL("seed " << seed << ", end " << end << ": " << each->told);
    }
  }
}
