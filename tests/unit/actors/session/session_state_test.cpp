// SPDX-License-Identifier: Apache-2.0
#include "actors/session/session_state.hpp"

#include <doctest/doctest.h>

using namespace throng;
using namespace std::chrono_literals;

namespace {

constexpr steady_time start{1000s};
constexpr ticket_bytes ticket_a{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
constexpr ticket_bytes ticket_b{9, 9, 9};
constexpr ticket_bytes next_time{8, 8, 8};

OpenSessionRequest opening(bool is_resume = false, std::uint64_t user = 5) {
  OpenSessionRequest request;
  request.mutable_caller()->set_team(1);
  request.mutable_caller()->set_user(user);
  request.set_token_hash("hash");
  request.set_is_resume(is_resume);
  return request;
}

AttachRequest attaching(const ticket_bytes& ticket, std::uint64_t connection) {
  AttachRequest request;
  request.set_ticket(ticket.data(), ticket.size());
  request.set_connection(connection);
  request.set_node(1);
  return request;
}

DetachNotice leaving(std::uint64_t connection, std::uint64_t seq = 7) {
  DetachNotice notice;
  notice.set_connection(connection);
  auto& cursor = *notice.add_cursors();
  cursor.set_kind(1);
  cursor.set_id(4);
  cursor.set_seq(seq);
  return notice;
}

session_state attached_session(session_state::limits limits = {}) {
  session_state session(limits);
  REQUIRE(session.open(opening(), ticket_a, start));
  REQUIRE(session.attach(attaching(ticket_a, 100), next_time, start));
  return session;
}

}  // namespace

TEST_CASE("session: a ticket opens one socket once") {
  session_state session({});
  REQUIRE(session.open(opening(), ticket_a, start));
  auto reply = session.attach(attaching(ticket_a, 100), next_time, start + 1s);
  REQUIRE(reply);
  CHECK(reply->caller().user() == 5);
  CHECK_FALSE(reply->is_resumed());
  CHECK(session.is_connected());
  CHECK(session.attach(attaching(ticket_a, 101), next_time, start + 2s).code() == errc::invalid_auth);
}

TEST_CASE("session: a wrong, short or expired ticket opens nothing") {
  session_state session({});
  CHECK(session.attach(attaching(ticket_a, 100), next_time, start).code() == errc::invalid_auth);
  REQUIRE(session.open(opening(), ticket_a, start));
  CHECK(session.attach(attaching(ticket_b, 100), next_time, start).code() == errc::invalid_auth);
  AttachRequest shorter;
  shorter.set_ticket(ticket_a.data(), 15);
  CHECK(session.attach(shorter, next_time, start).code() == errc::invalid_auth);
  CHECK(session.attach(attaching(ticket_a, 100), next_time, start + 30s).code() == errc::invalid_auth);
  CHECK(session.ends_at() == start + 30s);
}

TEST_CASE("session: a new ticket replaces the old one") {
  session_state session({});
  REQUIRE(session.open(opening(), ticket_a, start));
  REQUIRE(session.open(opening(), ticket_b, start));
  CHECK_FALSE(session.attach(attaching(ticket_a, 100), next_time, start));
  CHECK(session.attach(attaching(ticket_b, 100), next_time, start));
}

TEST_CASE("session: a ticket's time is the asker's, within the limit") {
  session_state session({});
  auto request = opening();
  request.set_ticket_ttl_ms(2'000);
  REQUIRE(session.open(request, ticket_a, start));
  CHECK(session.ends_at() == start + 2s);
  request.set_ticket_ttl_ms(3'600'000);
  REQUIRE(session.open(request, ticket_a, start));
  CHECK(session.ends_at() == start + 30s);
}

TEST_CASE("session: outlives its socket by the window, and no longer") {
  auto session = attached_session();
  CHECK_FALSE(session.ends_at());
  REQUIRE(session.detach(leaving(100), start + 60s));
  CHECK(session.ends_at() == start + 60s + 5min);
  CHECK(session.is_alive());
}

TEST_CASE("session: a resume gets the cursors and the watch list back, once") {
  auto session = attached_session();
  WatchPresenceRequest watch;
  watch.set_connection(100);
  for (std::uint64_t user : {8, 9, 8}) watch.add_users(user);
  REQUIRE(session.watch(watch));
  REQUIRE(session.detach(leaving(100), start));
  REQUIRE(session.open(opening(true), ticket_b, start + 1s));
  auto reply = session.attach(attaching(ticket_b, 101), next_time, start + 2s);
  REQUIRE(reply);
  CHECK(reply->is_resumed());
  REQUIRE(reply->cursors_size() == 1);
  CHECK(reply->cursors(0).seq() == 7);
  CHECK(reply->watched_users_size() == 2);

  // Nothing is known of where the second socket is: a third can't be called a resume.
  REQUIRE(session.open(opening(true), ticket_a, start + 3s));
  auto third = session.attach(attaching(ticket_a, 102), next_time, start + 3s);
  REQUIRE(third);
  CHECK_FALSE(third->is_resumed());
  CHECK(third->replaced_connection() == 101);
}

TEST_CASE("session: what the client says it has seen wins over what the socket was sent") {
  auto session = attached_session();
  auto request = opening(true);
  *request.add_cursors() = leaving(0, 3).cursors(0);
  SUBCASE("the socket's end is noticed before") {
    REQUIRE(session.detach(leaving(100, 7), start));
    REQUIRE(session.open(request, ticket_b, start));
  }
  SUBCASE("the socket's end is noticed after") {
    REQUIRE(session.open(request, ticket_b, start));
    REQUIRE(session.detach(leaving(100, 7), start));
  }
  SUBCASE("the socket's end isn't noticed") { REQUIRE(session.open(request, ticket_b, start)); }
  auto reply = session.attach(attaching(ticket_b, 101), next_time, start);
  REQUIRE(reply);
  CHECK(reply->is_resumed());
  CHECK(reply->cursors(0).seq() == 3);
}

TEST_CASE("session: of a stream the client doesn't name, the position counts if nothing was sent that could be lost") {
  auto session = attached_session();
  DetachNotice notice;
  notice.set_connection(100);
  for (std::uint64_t stream = 1; stream <= 3; ++stream) {
    auto& cursor = *notice.add_cursors();
    cursor.set_kind(1);
    cursor.set_id(stream);
    cursor.set_seq(70 + stream);
    cursor.set_is_untouched(stream != 2);
  }
  REQUIRE(session.detach(notice, start));
  auto request = opening(true);
  auto& seen = *request.add_cursors();
  seen.set_kind(1);
  seen.set_id(1);
  seen.set_seq(5);
  REQUIRE(session.open(request, ticket_b, start));
  auto reply = session.attach(attaching(ticket_b, 101), next_time, start);
  REQUIRE(reply);
  CHECK(reply->is_resumed());
  REQUIRE(reply->cursors_size() == 2);
  CHECK(reply->cursors(0).seq() == 5);
  CHECK(reply->cursors(1).id() == 3);
  CHECK(reply->cursors(1).seq() == 73);
}

TEST_CASE("session: a reconnect ticket opens one socket afresh, as long as the session lives") {
  auto session = attached_session();
  REQUIRE(session.detach(leaving(100), start));
  auto reply = session.attach(attaching(next_time, 101), ticket_b, start + 1min);
  REQUIRE(reply);
  CHECK_FALSE(reply->is_resumed());
  CHECK(session.attach(attaching(next_time, 102), ticket_a, start + 1min).code() == errc::invalid_auth);
  CHECK(session.end());
  CHECK(session.attach(attaching(ticket_b, 102), ticket_a, start + 1min).code() == errc::invalid_auth);
}

TEST_CASE("session: the end of a replaced socket doesn't end the new one") {
  auto session = attached_session();
  REQUIRE(session.open(opening(true), ticket_b, start));
  auto reply = session.attach(attaching(ticket_b, 101), next_time, start);
  REQUIRE(reply);
  CHECK(reply->replaced_connection() == 100);
  CHECK_FALSE(session.detach(leaving(100), start));
  CHECK(session.is_connected());
  WatchPresenceRequest watch;
  watch.set_connection(100);
  CHECK_FALSE(session.watch(watch));
}

TEST_CASE("session: somebody else's session can neither be resumed nor taken over") {
  auto session = attached_session();
  CHECK(session.open(opening(true, 6), ticket_b, start).code() == errc::not_found);
  CHECK(session.open(opening(false, 6), ticket_b, start).code() == errc::conflict);
  auto other_token = opening(true);
  other_token.set_token_hash("another");
  CHECK(session.open(other_token, ticket_b, start).code() == errc::not_found);
}

TEST_CASE("session: one that ended can't be resumed, and can begin anew") {
  session_state unborn({});
  CHECK(unborn.open(opening(true), ticket_a, start).code() == errc::not_found);
  auto session = attached_session();
  CHECK(session.end());
  CHECK_FALSE(session.end());
  CHECK(session.open(opening(true), ticket_a, start).code() == errc::not_found);
  CHECK_FALSE(session.ends_at());
  REQUIRE(session.open(opening(), ticket_a, start));
  CHECK(session.attach(attaching(ticket_a, 5), next_time, start)->replaced_connection() == 0);
}

TEST_CASE("session: cursors and watched people are bounded") {
  session_state::limits limits;
  limits.cursors_max = 1;
  limits.watched_max = 2;
  auto session = attached_session(limits);
  WatchPresenceRequest watch;
  watch.set_connection(100);
  for (std::uint64_t user = 1; user < 10; ++user) watch.add_users(user);
  REQUIRE(session.watch(watch));
  CHECK(session.snapshot(start, {}).watched_users_size() == 2);

  auto notice = leaving(100);
  *notice.add_cursors() = notice.cursors(0);
  REQUIRE(session.detach(notice, start));
  auto request = opening(true);
  *request.mutable_cursors() = notice.cursors();
  CHECK(session.open(request, ticket_b, start).code() == errc::invalid_arguments);
  REQUIRE(session.open(opening(true), ticket_b, start));
  CHECK_FALSE(session.attach(attaching(ticket_b, 101), next_time, start)->is_resumed());
}

TEST_CASE("session: a ticket that was given out in the last moment still works") {
  auto session = attached_session();
  REQUIRE(session.detach(leaving(100), start));
  auto late = start + 5min - 1s;
  REQUIRE(session.open(opening(true), ticket_b, late));
  CHECK(session.ends_at() == late + 30s);
  CHECK(session.attach(attaching(ticket_b, 101), next_time, late + 20s)->is_resumed());
}

// -- gateways that are elsewhere, or gone

namespace {

AnnounceRequest announcing(const AttachReply& attached, std::uint64_t connection, std::uint32_t node = 1) {
  AnnounceRequest request;
  request.set_seed(attached.seed());
  request.set_connection(connection);
  request.set_node(node);
  request.set_node_incarnation(1);
  request.add_watched_users(12);
  return request;
}

wall_time wall_at(std::chrono::seconds second) { return wall_time(std::chrono::seconds(1'767'225'600) + second); }

/// Attached on connection 100 of node 1, and what its gateway was told.
AttachReply attach_first(session_state& session) {
  REQUIRE(session.open(opening(), ticket_a, start));
  auto reply = session.attach(attaching(ticket_a, 100), next_time, start, wall_at(0s));
  REQUIRE(reply);
  return *reply;
}

}  // namespace

TEST_CASE("session: one that has died with its node is brought back by its gateway, as it was") {
  session_state before({}), after({});
  const auto attached = attach_first(before);
  const auto outcome = after.announce(announcing(attached, 100), start + 60s);
  REQUIRE(outcome);
  CHECK(outcome->what == session_state::announced::revived);
  CHECK(after.is_connected());
  CHECK(after.caller().user() == 5);
  CHECK(after.token_hash() == "hash");
  CHECK(after.is_reconnect(std::string_view(reinterpret_cast<const char*>(next_time.data()), next_time.size())));
  CHECK(after.snapshot(start + 60s, wall_at(60s)).started() == before.snapshot(start + 60s, wall_at(60s)).started());
  CHECK(after.snapshot(start + 60s, wall_at(60s)).watched_users_size() == 1);
  CHECK(after.detach(leaving(100), start + 61s));  // and goes on
  REQUIRE(after.open(opening(true), ticket_b, start + 62s));
  CHECK(after.attach(attaching(ticket_b, 200), next_time, start + 62s, wall_at(62s))->is_resumed());
}

TEST_CASE("session: where its client came last is where it is told to come back") {
  session_state session({});
  auto request = opening();
  request.set_base_url("ws://n3.example");
  REQUIRE(session.open(request, ticket_a, start));
  auto first = attaching(ticket_a, 100);
  CHECK(session.attach(first, next_time, start, wall_at(0s))->base_url() == "ws://n3.example");
  first = attaching(next_time, 200);
  first.set_base_url("ws://n1.example");
  CHECK(session.attach(first, next_time, start, wall_at(1s))->base_url() == "ws://n1.example");
  PartRequest leaves;
  leaves.set_connection(200);
  CHECK(session.part(leaves, ticket_b, start)->base_url() == "ws://n1.example");
}

TEST_CASE("session: of two sockets that are announced the later one counts, in whatever order they come") {
  session_state before({});
  const auto first = attach_first(before);
  REQUIRE(before.open(opening(true), ticket_b, start + 1s));
  const auto second = before.attach(attaching(ticket_b, 200), next_time, start + 1s, wall_at(-30s));  // a slower clock
  REQUIRE(second);
  SUBCASE("the older one first") {
    session_state after({});
    REQUIRE(after.announce(announcing(first, 100), start + 9s));
    const auto outcome = after.announce(announcing(*second, 200), start + 9s);
    REQUIRE(outcome);
    CHECK(outcome->what == session_state::announced::replaced);
    CHECK(outcome->previous == 100);
    CHECK(after.connection() == 200);
  }
  SUBCASE("the later one first") {
    session_state after({});
    REQUIRE(after.announce(announcing(*second, 200), start + 9s));
    CHECK(after.announce(announcing(first, 100), start + 9s).code() == errc::conflict);
    CHECK(after.connection() == 200);
  }
  SUBCASE("it never died") {
    CHECK(before.announce(announcing(first, 100), start + 9s).code() == errc::conflict);
    const auto outcome = before.announce(announcing(*second, 200), start + 9s);
    REQUIRE(outcome);
    CHECK(outcome->what == session_state::announced::known);
  }
}

TEST_CASE("session: who has another's seed, none, or one of a session that was ended, announces nothing") {
  session_state session({});
  auto attached = attach_first(session);
  AttachReply foreign;
  SessionSeed seed;
  REQUIRE(seed.ParseFromString(attached.seed()));
  seed.mutable_caller()->set_user(6);
  seed.set_attachment(seed.attachment() + 1);
  foreign.set_seed(seed.SerializeAsString());
  CHECK(session.announce(announcing(foreign, 300), start).code() == errc::conflict);
  CHECK(session.announce(announcing(AttachReply{}, 300), start).code() == errc::invalid_arguments);
  session.end();
  CHECK(session.announce(announcing(attached, 100), start).code() == errc::conflict);
  CHECK_FALSE(session.is_alive());
}

TEST_CASE("session: when its gateway is gone it waits for its client, who knows where it was") {
  session_state session({});
  REQUIRE(session.open(opening(), ticket_a, start));
  auto request = attaching(ticket_a, 100);
  request.set_node_incarnation(7);
  REQUIRE(session.attach(request, next_time, start, wall_at(0s)));
  CHECK_FALSE(session.lose_gateway(2, 9, start + 1s));
  CHECK_FALSE(session.lose_gateway(1, 6, start + 1s));  // an earlier life of that node
  CHECK(session.lose_gateway(1, 7, start + 1s));
  CHECK_FALSE(session.is_connected());
  CHECK(session.ends_at() == start + 1s + 5min);
  auto resume = opening(true);
  auto& cursor = *resume.add_cursors();
  cursor.set_kind(1);
  cursor.set_id(4);
  cursor.set_epoch(1);
  cursor.set_seq(3);
  REQUIRE(session.open(resume, ticket_b, start + 2s));
  const auto back = session.attach(attaching(ticket_b, 200), next_time, start + 2s, wall_at(2s));
  REQUIRE(back);
  CHECK(back->is_resumed());
  CHECK(back->cursors(0).seq() == 3);
}

TEST_CASE("session: one of which nothing is known goes on under its id only for a client that knows where it was") {
  session_state session({});
  CHECK(session.open(opening(true), ticket_a, start).code() == errc::not_found);
  auto resume = opening(true);
  resume.add_cursors()->set_seq(3);
  CHECK(session.open(resume, ticket_a, start));
  CHECK(session.starts_at_cursors());
  session.end();
  CHECK(session.open(resume, ticket_a, start).code() == errc::not_found);  // it was ended: known
}

TEST_CASE("session: who is sent elsewhere comes back to where its socket was, and only once") {
  session_state session({});
  attach_first(session);
  PartRequest part;
  part.set_connection(99);
  CHECK(session.part(part, ticket_b, start + 1s).code() == errc::not_found);
  part.set_connection(100);
  *part.mutable_cursors() = leaving(100, 42).cursors();
  const auto parted = session.part(part, ticket_b, start + 1s);
  REQUIRE(parted);
  CHECK_FALSE(session.is_connected());
  CHECK_FALSE(session.detach(leaving(100, 50), start + 2s));  // the close that follows changes nothing
  auto back = session.attach(attaching(ticket_b, 200), next_time, start + 3s, wall_at(3s));
  REQUIRE(back);
  CHECK(back->is_resumed());
  REQUIRE(back->cursors_size() == 1);
  CHECK(back->cursors(0).seq() == 42);
  CHECK(session.attach(attaching(ticket_b, 201), next_time, start + 3s).code() == errc::invalid_auth);
}

TEST_CASE("session: who misses the goodbye and follows the earlier address boots afresh") {
  session_state session({});
  attach_first(session);
  PartRequest part;
  part.set_connection(100);
  *part.mutable_cursors() = leaving(100, 42).cursors();
  REQUIRE(session.part(part, ticket_b, start + 1s));
  const auto back = session.attach(attaching(next_time, 200), ticket_a, start + 3s, wall_at(3s));
  REQUIRE(back);
  CHECK_FALSE(back->is_resumed());
}

TEST_CASE("session: moves to a node with another clock, and goes on") {
  auto session = attached_session();
  WatchPresenceRequest watched;
  watched.set_connection(100);
  watched.add_users(3);
  REQUIRE(session.watch(watched));
  REQUIRE(session.detach(leaving(100), start + 10s));
  REQUIRE(session.open(opening(true), ticket_b, start + 20s));
  session_state moved({});
  const steady_time there{5s};
  REQUIRE(moved.take_over(session.handover(start + 30s), there));
  CHECK(moved.now_in() == session_state::phase::detached);
  CHECK(moved.ends_at() == there + 5min - 20s);
  CHECK_FALSE(moved.attach(attaching(ticket_a, 101), next_time, there));
  CHECK_FALSE(moved.attach(attaching(ticket_b, 101), next_time, there + 20s));  // 30 s after it was given out
  auto attached = moved.attach(attaching(ticket_b, 101), next_time, there + 19s);
  REQUIRE(attached);
  CHECK(attached->is_resumed());
  CHECK(attached->cursors(0).seq() == 7);
  CHECK(attached->watched_users(0) == 3);
  CHECK(attached->token_hash() == "hash");
}

TEST_CASE("session: doesn't take over what it couldn't have become") {
  auto handed = attached_session().handover(start);
  session_state small({.cursors_max = 1});
  handed.add_cursors();
  handed.add_cursors();
  CHECK_FALSE(small.take_over(handed, start));
  handed.clear_cursors();
  handed.set_phase(static_cast<SessionHandover::Phase>(17));
  CHECK_FALSE(small.take_over(handed, start));
  CHECK(small.now_in() == session_state::phase::unborn);
}
