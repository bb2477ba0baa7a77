// SPDX-License-Identifier: Apache-2.0
// Sessions and presence: sockets that come, go and come back, and who is seen to be there.
#include <algorithm>

#include <doctest/doctest.h>

#include "tests/sim/actors/people_town.hpp"

namespace throng::test {

namespace {

using namespace std::chrono_literals;
constexpr session_id phone{50}, laptop{51};

struct one_town : people_town {
  explicit one_town(people_options options = {}) : people_town(std::move(options)) {
    found();
    ada = add("ada");
    listen(key_of(presence_bucket_of(ada)));
    node.advance(2min);  // her bucket knows what it knows
    node.published().clear();
  }
  /// "+" she is there, "-" she isn't, as the gateways heard it.
  std::string heard() {
    std::string all;
    for (const auto& each : std::exchange(node.published(), {})) {
      const auto& event = event_of(each);
      if (!event.has_presence()) continue;
      CHECK(each->seq == 0);
      CHECK(each->priority == delivery_class::presence);
      REQUIRE(event.presence().users_size() == 1);
      all += event.presence().is_active() ? "+" : "-";
    }
    return all;
  }
  std::string after(duration time) {
    node.advance(time);
    return heard();
  }
  user_id ada;
};

}  // namespace

TEST_CASE("session: a ticket opens a socket, once, and not for long") {
  one_town town;
  auto ticket = town.node.must(key_of(phone), town.opening(town.ada)).ticket();
  CHECK(ticket.size() == 16);
  auto attached = town.attach(phone, ticket, 100);
  CHECK(attached.caller().user() == town.ada.value);
  CHECK_FALSE(attached.is_resumed());
  AttachRequest again;
  again.set_ticket(ticket);
  again.set_connection(101);
  CHECK(town.refusal(key_of(phone), again) == errc::invalid_auth);

  again.set_ticket(town.node.must(key_of(laptop), town.opening(town.ada)).ticket());
  town.node.advance(30s);
  CHECK(town.refusal(key_of(laptop), again) == errc::invalid_auth);
  CHECK(town.refusal(key_of(laptop), town.opening(town.ada, true)) == errc::not_found);
  CHECK(town.refusal(key_of(laptop), town.opening({404})) == errc::user_not_found);
}

TEST_CASE("session: comes back within five minutes with what it had seen, and not after") {
  one_town town;
  town.connect(town.ada, phone, 100);
  town.disconnect(phone, 100);
  town.node.advance(4min + 50s);
  auto back = town.connect(town.ada, phone, 101, true);
  CHECK(back.is_resumed());
  REQUIRE(back.cursors_size() == 1);
  CHECK(back.cursors(0).seq() == 1);
  town.disconnect(phone, 101);
  town.node.advance(5min + 1s);
  CHECK(town.refusal(key_of(phone), town.opening(town.ada, true)) == errc::not_found);
}

TEST_CASE("session: a socket stays for as long as it stays") {
  one_town town;
  town.connect(town.ada, phone, 100);
  town.node.advance(30min);
  auto back = town.connect(town.ada, phone, 101, true);
  CHECK(back.replaced_connection() == 100);
  town.disconnect(phone, 100);  // the replaced one's end comes late
  CHECK(town.presence_of(town.ada).connection_count() == 1);
}

TEST_CASE("session: doesn't survive its node, and says so") {
  one_town town;
  town.connect(town.ada, phone, 100);
  town.node.crash_and_restart();
  CHECK(town.refusal(key_of(phone), town.opening(town.ada, true)) == errc::not_found);
  CHECK(town.connect(town.ada, phone, 101).is_resumed() == false);
}

TEST_CASE("session: a person has a bounded number of them, and silent ones don't count for ever") {
  people_options options;
  options.user.sessions_max = 2;
  one_town town(options);
  town.connect(town.ada, session_id{1}, 1);
  town.connect(town.ada, session_id{2}, 2);
  CHECK(town.refusal(key_of(session_id{3}), town.opening(town.ada)) == errc::overloaded);
  // They repeat themselves, so they count on.
  town.node.advance(20min);
  CHECK(town.refusal(key_of(session_id{3}), town.opening(town.ada)) == errc::overloaded);
  town.node.must(key_of(session_id{1}), EndSessionRequest{});
  town.node.settle();
  CHECK(town.node.ask(key_of(session_id{3}), town.opening(town.ada)));
}

TEST_CASE("session: one more than a person may have ends the oldest that has no socket") {
  people_options options;
  options.user.sessions_max = 3;
  one_town town(options);
  for (std::uint64_t id : {1, 2, 3}) {
    town.connect(town.ada, session_id{id}, id);
    town.node.advance(1s);
  }
  town.disconnect(session_id{2}, 2);
  town.disconnect(session_id{3}, 3);
  town.connect(town.ada, session_id{4}, 4);
  CHECK(town.refusal(key_of(session_id{2}), town.opening(town.ada, true)) == errc::not_found);
  CHECK(town.connect(town.ada, session_id{3}, 5, true).is_resumed());
  CHECK(town.connect(town.ada, session_id{1}, 6, true).replaced_connection() == 1);  // it was left alone
  CHECK(town.refusal(key_of(session_id{5}), town.opening(town.ada)) == errc::overloaded);
}

TEST_CASE("session: somebody who comes and goes all the time is never locked out") {
  people_options options;
  options.user.sessions_max = 3;
  one_town town(options);
  for (std::uint64_t id = 1; id < 30; ++id) {
    town.connect(town.ada, session_id{id}, id);
    town.disconnect(session_id{id}, id);
  }
  for (std::uint64_t id = 30; id < 60; ++id)  // and tickets that nobody uses
    CHECK(town.node.ask(key_of(session_id{id}), town.opening(town.ada)));
  CHECK(town.refusal(key_of(session_id{29}), town.opening(town.ada, true)) == errc::not_found);
  CHECK(town.node.ask(key_of(session_id{59}), town.opening(town.ada, true)));
}

TEST_CASE("session: making room goes on with those that were not asked the last time") {
  people_options options;
  options.user.sessions_max = 3;
  options.user.sessions_asked_max = 1;
  one_town town(options);
  for (std::uint64_t id : {1, 2, 3}) {
    town.connect(town.ada, session_id{id}, id);
    town.node.advance(1s);
  }
  town.disconnect(session_id{2}, 2);
  CHECK(town.refusal(key_of(session_id{4}), town.opening(town.ada)) == errc::overloaded);  // asked the first only
  town.node.advance(1s);
  CHECK(town.node.ask(key_of(session_id{4}), town.opening(town.ada)));
  CHECK(town.refusal(key_of(session_id{2}), town.opening(town.ada, true)) == errc::not_found);
}

TEST_CASE("session: one that is ended tells its gateway on the person's stream") {
  one_town town;
  town.connect(town.ada, phone, 100);
  town.listen(key_of(town.ada));
  town.node.published().clear();
  town.node.must(key_of(phone), EndSessionRequest{});
  town.node.settle();
  auto told = std::ranges::count_if(town.node.published(), [&](const auto& each) {
    return each->stream == key_of(town.ada) && town.event_of(each).signed_out().session() == phone.value;
  });
  CHECK(told == 1);
  CHECK(town.refusal(key_of(phone), town.opening(town.ada, true)) == errc::not_found);
}

namespace {

token_record token_of(user_id user) {
  token_record token;
  token.hash.fill(9);
  token.type = token_type::user;
  token.team = acme;
  token.user = user;
  return token;
}

void store(people_town& town, const token_record& token) {
  std::vector<commit_unit> units(1);
  units[0].ops.push_back(put_token{token});
  REQUIRE(town.node.rows().commit(units));
}

OpenSessionRequest opening_with(people_town& town, const token_record& token) {
  auto request = town.opening(token.user);
  request.set_token_hash(token.hash.data(), token.hash.size());
  if (token.expires != wall_time{}) request.set_token_expires(seconds_of(token.expires));
  return request;
}

/// Why the gateway of the phone was told to close its socket, and how often.
std::vector<errc> farewells(people_town& town, user_id user) {
  std::vector<errc> reasons;
  for (const auto& each : town.node.published()) {
    if (each->stream != key_of(user) || !town.event_of(each).has_signed_out()) continue;
    if (town.event_of(each).signed_out().session() == phone.value)
      reasons.push_back(static_cast<errc>(town.event_of(each).signed_out().reason()));
  }
  return reasons;
}

}  // namespace

TEST_CASE("session: doesn't outlive its token") {
  one_town town;
  auto token = token_of(town.ada);
  token.expires = town.node.clock().wall() + 1h;
  store(town, token);
  auto opening = opening_with(town, token);
  auto reconnect = town.attach(phone, town.node.must(key_of(phone), opening).ticket(), 100).reconnect_ticket();
  town.listen(key_of(town.ada));
  town.node.advance(59min);
  CHECK(farewells(town, town.ada).empty());
  town.node.advance(1min + 1s);
  CHECK(farewells(town, town.ada) == std::vector{errc::token_expired});
  CHECK(town.presence_of(town.ada).connection_count() == 0);
  AttachRequest again;
  again.set_ticket(reconnect);
  again.set_connection(101);
  CHECK(town.refusal(key_of(phone), again) == errc::invalid_auth);
}

TEST_CASE("session: finds out that its token was revoked, if nobody told it") {
  one_town town;
  auto token = token_of(town.ada);
  store(town, token);
  auto reconnect =
      town.attach(phone, town.node.must(key_of(phone), opening_with(town, token)).ticket(), 100).reconnect_ticket();
  town.listen(key_of(town.ada));
  town.node.advance(6min);
  CHECK(farewells(town, town.ada).empty());
  token.is_revoked = true;
  store(town, token);
  SUBCASE("at its next look") {
    town.node.advance(6min);
    CHECK(farewells(town, town.ada) == std::vector{errc::token_revoked});
  }
  SUBCASE("when its reconnect ticket is used") {
    town.disconnect(phone, 100);
    AttachRequest again;
    again.set_ticket(reconnect);
    again.set_connection(101);
    CHECK(town.refusal(key_of(phone), again) == errc::token_revoked);
    CHECK(town.refusal(key_of(phone), town.opening(town.ada, true)) == errc::not_found);
  }
}

TEST_CASE("session: a new one carries on at the cursors of one that is gone") {
  one_town town;
  auto opening = town.opening(town.ada);
  auto& cursor = *opening.add_cursors();
  cursor.set_kind(static_cast<std::uint32_t>(entity_kind::workspace));
  cursor.set_id(acme.value);
  cursor.set_epoch(1);
  cursor.set_seq(3);
  auto opened = town.node.must(key_of(phone), opening);
  CHECK(opened.is_resumed());
  auto attached = town.attach(phone, opened.ticket(), 100);
  CHECK(attached.is_resumed());
  REQUIRE(attached.cursors_size() == 1);
  CHECK(attached.cursors(0).seq() == 3);
  CHECK_FALSE(town.node.must(key_of(laptop), town.opening(town.ada)).is_resumed());
}

TEST_CASE("presence: she is there while her socket is, and for the delay after") {
  one_town town;
  CHECK_FALSE(town.presence_of(town.ada).is_active());
  town.connect(town.ada, phone, 100);
  CHECK(town.after(1s) == "+");
  CHECK(town.presence_of(town.ada).is_active());
  CHECK(town.after(5min) == "");
  town.disconnect(phone, 100);
  CHECK(town.after(9s) == "");
  CHECK(town.after(2s) == "-");
  CHECK_FALSE(town.presence_of(town.ada).is_online());
}

TEST_CASE("presence: a fast reconnect isn't seen by anybody") {
  one_town town;
  town.connect(town.ada, phone, 100);
  CHECK(town.after(1s) == "+");
  for (std::uint64_t connection = 101; connection < 110; ++connection) {
    town.disconnect(phone, connection - 1);
    CHECK(town.after(3s) == "");
    town.connect(town.ada, phone, connection, true);
    CHECK(town.after(3s) == "");
  }
  CHECK(town.presence_of(town.ada).connection_count() == 1);
}

TEST_CASE("presence: idle for ten minutes is away, and doing something is back") {
  one_town town;
  town.connect(town.ada, phone, 100);
  CHECK(town.after(9min) == "+");
  CHECK(town.after(2min) == "-");
  CHECK(town.presence_of(town.ada).is_auto_away());
  town.node.must(key_of(phone), ActiveNotice{});
  CHECK(town.after(1s) == "+");
  for (int minute = 0; minute < 30; ++minute) {
    town.node.must(key_of(phone), ActiveNotice{});
    CHECK(town.after(1min) == "");
  }
}

TEST_CASE("presence: a bot with a socket doesn't go idle") {
  one_town town;
  auto request = town.opening(town.ada);
  request.mutable_caller()->set_bot(9);
  town.attach(phone, town.node.must(key_of(phone), request).ticket(), 100);
  CHECK(town.after(40min) == "+");
}

TEST_CASE("presence: away by hand lasts over reconnects and restarts") {
  one_town town;
  town.connect(town.ada, phone, 100);
  CHECK(town.after(2s) == "+");
  SetManualPresenceRequest away;
  away.set_is_away(true);
  town.node.must(key_of(town.ada), away);
  CHECK(town.after(2s) == "-");
  town.disconnect(phone, 100);
  town.connect(town.ada, phone, 101, true);
  CHECK(town.after(2min) == "");
  CHECK(town.presence_of(town.ada).is_manually_away());

  town.node.crash_and_restart();
  town.listen(key_of(presence_bucket_of(town.ada)));
  town.connect(town.ada, phone, 102);
  CHECK(town.after(10s) == "");
  CHECK_FALSE(town.presence_of(town.ada).is_active());
  away.set_is_away(false);
  town.node.must(key_of(town.ada), away);
  CHECK(town.after(2s) == "+");
}

TEST_CASE("presence: a later choice counts, though USER and bucket begin anew in between") {
  one_town town;
  const auto bucket = key_of(presence_bucket_of(town.ada));
  const auto kill = [&](entity_key key) {
    bool is_dead = false;
    town.node.inspect().kill(key, "for the test", [&](result<> outcome) { is_dead = outcome.ok(); });
    town.node.settle();
    REQUIRE(is_dead);
  };
  const auto choose = [&](bool is_away) {
    SetManualPresenceRequest request;
    request.set_is_away(is_away);
    town.node.must(key_of(town.ada), request);
  };
  const auto is_away = [&] { return town.presence_of(town.ada).is_manually_away(); };
  town.connect(town.ada, phone, 100);
  town.node.advance(2s);
  choose(true);
  REQUIRE(is_away());
  SUBCASE("the bucket knows the sessions") {
    kill(key_of(town.ada));  // the new one knows none
    choose(false);
  }
  SUBCASE("neither does, when it hears the choice") {
    kill(key_of(town.ada));
    kill(bucket);
    choose(false);
    town.node.advance(3min);  // until the session reports
  }
  CHECK_FALSE(is_away());
  CHECK(town.presence_of(town.ada).is_active());
  CHECK(town.presence_of(town.ada).connection_count() == 1);
  kill(bucket);
  town.node.advance(3min);
  CHECK_FALSE(is_away());
  CHECK(town.presence_of(town.ada).is_active());
}

TEST_CASE("presence: a session says that she is there until its bucket has heard it") {
  one_town town;
  const auto bucket = key_of(presence_bucket_of(town.ada));
  const auto must = [&](auto order) {
    bool is_done = false;
    order([&](result<> outcome) { is_done = outcome.ok(); });
    town.node.settle();
    REQUIRE(is_done);
  };
  must([&](auto then) { town.node.inspect().quarantine(bucket, 10min, "for the test", then); });
  town.connect(town.ada, phone, 100);
  CHECK(town.after(7s) == "");  // reported at 0, 2 and 6 s
  must([&](auto then) { town.node.inspect().release(bucket, then); });
  CHECK(town.after(10s) == "+");  // the heartbeat would come after 54 s
}

TEST_CASE("presence: sessions that die with their node leave no ghost") {
  one_town town;
  town.connect(town.ada, phone, 100);
  CHECK(town.after(2s) == "+");
  // As if a gateway's node had gone: the session says nothing any more.
  SessionOnlineNotice orphan;
  orphan.set_user(town.ada.value);
  orphan.set_session(99);
  orphan.set_is_connected(true);
  town.node.must(key_of(presence_bucket_of(town.ada)), orphan);
  CHECK(town.presence_of(town.ada).connection_count() == 2);
  CHECK(town.after(3min + 1s) == "");
  CHECK(town.presence_of(town.ada).connection_count() == 1);
  town.node.must(key_of(phone), EndSessionRequest{});
  CHECK(town.after(2s) == "-");
}

TEST_CASE("presence: a busy bucket still tells what has changed") {
  one_town town;
  town.connect(town.ada, phone, 100);
  // Somebody else of the bucket reports all the time.
  std::string heard;
  for (int i = 0; i < 20; ++i) {
    SessionOnlineNotice notice;
    notice.set_user(town.ada.value);
    notice.set_session(phone.value);
    notice.set_is_connected(true);
    notice.set_is_active(true);
    town.node.must(key_of(presence_bucket_of(town.ada)), notice);
    heard += town.after(100ms);
  }
  CHECK(heard == "+");
}

}  // namespace throng::test
