// SPDX-License-Identifier: Apache-2.0
// What becomes of questions, sessions and presence when a node dies, on whole nodes: gateways are played by the test.
#include <algorithm>

#include <doctest/doctest.h>

#include "tests/sim/actors/people_cluster.hpp"
#include "tests/sim/actors/people_town.hpp"

namespace throng::test {
namespace {

using namespace std::chrono_literals;

/// Three nodes, a workspace on the first, and a person whose USER is on the first too.
struct town : people_cluster {
  explicit town(duration detach_wait = {}) : people_cluster(3, detach_wait) {
    team = id_on<team_id>(1, 7);
    auto founding = people_town::founding();
    general = {must(1, key_of(team), founding).workspace().general_channel()};
    for (int i = 0; owner_of(key_of(ada)) != 1 || ada.value == 0; ++i) ada = add("ada" + std::to_string(i));
  }
  user_id add(std::string name) {
    return {must(1, key_of(team), people_town::invitation(std::move(name))).user().id()};
  }
  /// Somebody whose PRESENCE BUCKET is on that node.
  user_id add_seen_on(std::uint16_t number) {
    while (true)
      if (auto user = add("bob" + std::to_string(++count));
          owner_of(key_of(presence_bucket_of(user))) == number && owner_of(key_of(user)) != number)
        return user;
  }
  Caller caller(user_id user) const {
    Caller who;
    who.set_team(team.value);
    who.set_user(user.value);
    return who;
  }
  channel_id channel_on(std::uint16_t number) {
    while (true) {
      NewChannelRequest request;
      *request.mutable_caller() = caller(ada);
      request.set_name("room-" + std::to_string(++count));
      const channel_id made{must(1, key_of(team), std::move(request)).channel().id()};
      if (owner_of(key_of(made)) == number) return made;
    }
  }
  PostRequest post(const std::string& text, const std::string& client_msg_id = {}) const {
    PostRequest request;
    *request.mutable_caller() = caller(ada);
    request.mutable_data()->set_text(text);
    request.set_client_msg_id(client_msg_id);
    return request;
  }
  HistoryRequest history() const {
    HistoryRequest request;
    *request.mutable_caller() = caller(ada);
    return request;
  }
  std::vector<std::string> texts(channel_id channel) {
    std::vector<std::string> all;
    const auto page = must(3, key_of(channel), history());
    for (const auto& each : page.messages())
      if (each.data().subtype().empty()) all.push_back(each.data().text());
    return all;
  }

  // -- a gateway

  OpenSessionRequest opening(user_id user, bool is_resume = false) const {
    OpenSessionRequest request;
    *request.mutable_caller() = caller(user);
    request.set_token_hash("hash of " + std::to_string(user.value));
    request.set_is_resume(is_resume);
    return request;
  }
  AttachReply connect(std::uint16_t gateway, user_id user, session_id session, std::uint64_t connection,
                      bool is_resume = false) {
    AttachRequest request;
    request.set_ticket(must(gateway, key_of(session), opening(user, is_resume)).ticket());
    request.set_connection(connection);
    request.set_node(gateway);
    request.set_node_incarnation(1);
    auto reply = must(gateway, key_of(session), std::move(request));
    settle();
    return reply;
  }
  AnnounceRequest announcing(std::uint16_t gateway, const AttachReply& attached, std::uint64_t connection) const {
    AnnounceRequest request;
    request.set_seed(attached.seed());
    request.set_connection(connection);
    request.set_node(gateway);
    request.set_node_incarnation(1);
    request.set_idle_ms(1'000);
    return request;
  }
  PresenceReply::State presence_of(std::uint16_t asker, user_id user) {
    PresenceQuery query;
    query.add_users(user.value);
    return must(asker, key_of(presence_bucket_of(user)), std::move(query)).states(0);
  }
  /// What a gateway heard of that person: "+" active, "-" away, "R" in the roll, "r" not in it.
  std::string heard(std::uint16_t gateway, user_id user) {
    std::string all;
    const auto names = [&](const auto& users) {
      return std::find(users.begin(), users.end(), user.value) != users.end();
    };
    for (const auto& each : at(gateway).published) {
      if (each->stream != key_of(presence_bucket_of(user))) continue;
      const auto& event = static_cast<const Event&>(*each->event);
      if (event.has_presence() && names(event.presence().users())) all += event.presence().is_active() ? "+" : "-";
      if (event.has_presence_roll()) all += names(event.presence_roll().users()) ? "R" : "r";
    }
    std::erase_if(at(gateway).published, [&](const auto& each) { return each->stream.kind == entity_kind::presence; });
    return all;
  }

  team_id team;
  channel_id general;
  user_id ada{0};
  int count = 0;
};

template <class Request>
using answer_to = result<std::shared_ptr<const reply_of_t<Request>>>;
const error not_yet{errc::internal_error, "not answered"};

}  // namespace

TEST_CASE("node death: a change that was under way there is answered as soon as the node is declared dead") {
  town t;
  const auto room = t.channel_on(2);
  t.at(2).holds_commits = true;
  answer_to<PostRequest> answer = not_yet;
  t.ask_later(1, key_of(room), t.post("nameless"), &answer);
  t.settle();
  CHECK(answer.code() == errc::internal_error);
  t.kill(2);
  t.settle();
  CHECK(answer.code() == errc::internal_error);  // nobody knows yet that it won't come
  t.declare_dead();
  t.settle();
  CHECK(answer.code() == errc::unavailable);  // and no time has passed
  t.replace_dead();
  t.settle();
  CHECK(t.texts(room).empty());
}

TEST_CASE("node death: a read that was under way there is answered by the next owner") {
  town t;
  const auto room = t.channel_on(2);
  t.must(1, key_of(room), t.post("stored"));
  t.at(2).holds_reads = true;
  answer_to<HistoryRequest> answer = not_yet;
  t.ask_later(1, key_of(room), t.history(), &answer);
  t.settle();
  t.kill(2);
  t.declare_dead();
  t.settle();
  CHECK(answer.code() == errc::internal_error);  // it waits for somebody to have the slot
  t.replace_dead();
  t.settle();
  REQUIRE(answer);
  REQUIRE((*answer)->messages_size() >= 1);
  CHECK((*answer)->messages(0).data().text() == "stored");
}

TEST_CASE("node death: a post with a client_msg_id goes to the next owner, and is there once") {
  town t;
  const auto room = t.channel_on(2);
  t.at(2).holds_commits = true;
  answer_to<PostRequest> answer = not_yet;
  t.ask_later(1, key_of(room), t.post("named", "id-1"), &answer);
  t.settle();
  SUBCASE("it had not been committed") {}
  SUBCASE("it had been, and nobody was told") {
    while (t.at(2).commits->pump() > 0) {
    }
  }
  t.kill_and_replace(2);
  REQUIRE(answer);
  CHECK((*answer)->message().data().text() == "named");
  CHECK(t.texts(room) == std::vector<std::string>{"named"});
}

TEST_CASE("node death: what a link gives back behind the new table is asked again with the next tick") {
  town t;
  const auto room = t.channel_on(2);
  t.net().tell_losses_later();
  t.at(2).holds_commits = true;
  answer_to<PostRequest> answer = not_yet;
  t.ask_later(1, key_of(room), t.post("named", "id-1"), &answer);
  t.settle();
  t.net().hold_losses(true);
  t.kill(2);
  t.replace_dead();  // both pieces of news at once
  t.settle();
  CHECK(answer.code() == errc::internal_error);
  t.net().hold_losses(false);
  t.advance(100ms);
  REQUIRE(answer);
  CHECK(t.texts(room) == std::vector<std::string>{"named"});
}

TEST_CASE("node death: what was under way on others goes on undisturbed") {
  town t;
  const auto room = t.channel_on(3);
  t.at(3).holds_commits = true;
  answer_to<PostRequest> answer = not_yet;
  t.ask_later(1, key_of(room), t.post("elsewhere"), &answer);
  t.settle();
  t.kill_and_replace(2);
  CHECK(answer.code() == errc::internal_error);
  t.at(3).holds_commits = false;
  t.settle();
  CHECK(answer);
}

TEST_CASE("node death: a stream's subscriber is told that it was renewed, and asks by time for what it missed") {
  town t;
  const auto room = t.channel_on(2);
  t.must(1, key_of(room), t.post("long ago"));
  t.advance(30s);
  t.subscribe(1, key_of(room));
  const auto since = t.clock().wall().time_since_epoch().count() - 5'000'000;
  t.at(2).holds_commits = true;
  answer_to<PostRequest> answer = not_yet;
  t.ask_later(3, key_of(room), t.post("committed, never published", "id-1"), &answer);
  t.settle();
  while (t.at(2).commits->pump() > 0) {
  }
  t.at(1).published.clear();
  t.kill_and_replace(2);
  CHECK(std::ranges::count(t.at(1).renewed, key_of(room)) == 1);
  CHECK(t.at(1).published.empty());
  ReplayRequest request;
  request.set_since(since);
  request.set_count_max(1'000);
  request.set_user(t.ada.value);
  const auto missed = t.must(1, key_of(room), std::move(request));
  REQUIRE(missed.events_size() == 1);
  CHECK(missed.events(0).event().message().data().text() == "committed, never published");
  CHECK(missed.after_seq() + 1 == missed.events(0).seq());
}

TEST_CASE("node death: a subscription that was on its way there is in place as soon as somebody has the slot") {
  town t;
  const auto room = t.channel_on(2);
  t.kill(2);
  std::optional<result<>> outcome;
  t.door(1).subscribe(key_of(room), [&](result<> answer) { outcome = std::move(answer); });
  t.settle();
  CHECK_FALSE(outcome);
  t.declare_dead();
  t.settle();
  CHECK_FALSE(outcome);
  t.replace_dead();
  t.settle();
  REQUIRE(outcome);
  CHECK(*outcome);
  t.must(3, key_of(room), t.post("heard"));
  CHECK(std::ranges::count_if(t.at(1).published, [&](const auto& each) { return each->stream == key_of(room); }) == 1);
}

TEST_CASE("node death: a session lives on where its gateway announces it") {
  town t;
  const auto phone = t.id_on<session_id>(2, 50);
  const auto attached = t.connect(1, t.ada, phone, 100);
  t.kill_and_replace(2);
  CHECK(std::ranges::binary_search(t.at(1).moved, slot_of(key_of(phone))));
  REQUIRE(t.ask(1, key_of(phone), t.announcing(1, attached, 100)));
  const auto again = t.connect(3, t.ada, phone, 200, true);
  CHECK(again.replaced_connection() == 100);
  CHECK(t.ask(1, key_of(phone), t.announcing(1, attached, 100)).code() == errc::conflict);
}

TEST_CASE("node death: a socket on another node whose place was taken hears it over its person's stream") {
  town t;
  const auto phone = t.id_on<session_id>(3, 50);
  t.subscribe(1, key_of(t.ada));
  t.connect(1, t.ada, phone, 100);
  t.at(1).published.clear();
  t.connect(2, t.ada, phone, 200, true);
  REQUIRE(t.at(1).published.size() == 1);
  const auto& event = static_cast<const Event&>(*t.at(1).published[0]->event);
  CHECK(event.signed_out().session() == phone.value);
  CHECK(event.signed_out().connection() == 100);
}

TEST_CASE("node death: a socket waits for the one whose place it takes to say what it was sent, but not for long") {
  town t(500ms);
  const auto phone = t.id_on<session_id>(3, 50);
  t.connect(1, t.ada, phone, 100);
  auto opening = t.opening(t.ada, true);
  auto& seen = *opening.add_cursors();
  seen.set_kind(1);
  seen.set_id(77);
  seen.set_epoch(1);
  seen.set_seq(3);
  AttachRequest request;
  request.set_ticket(t.must(2, key_of(phone), opening).ticket());
  request.set_connection(200);
  request.set_node(2);
  request.set_node_incarnation(1);
  answer_to<AttachRequest> answer = not_yet;
  t.ask_later(2, key_of(phone), request, &answer);
  t.settle();
  CHECK(answer.code() == errc::internal_error);
  SUBCASE("it does") {
    DetachNotice notice;
    notice.set_connection(100);
    auto& sent = *notice.add_cursors();
    sent.set_kind(1);
    sent.set_id(78);
    sent.set_seq(12'345);
    sent.set_is_untouched(true);
    t.must(1, key_of(phone), std::move(notice));
    t.settle();
    REQUIRE(answer);
    CHECK((*answer)->cursors_size() == 2);
    CHECK((*answer)->replaced_connection() == 0);
  }
  SUBCASE("its gateway is declared dead") {
    t.kill(1);
    t.declare_dead();
    t.settle();
    REQUIRE(answer);
    CHECK((*answer)->cursors_size() == 1);
  }
  SUBCASE("it doesn't") {
    t.advance(600ms);
    REQUIRE(answer);
    CHECK((*answer)->cursors_size() == 1);
    CHECK((*answer)->replaced_connection() == 100);
  }
}

TEST_CASE("node death: a gateway's sockets leave together, and who comes back quickly is never away") {
  town t;
  const auto bob = t.add_seen_on(3);
  t.subscribe(1, key_of(presence_bucket_of(bob)));
  const auto phone = t.id_on<session_id>(1, 50), laptop = t.id_on<session_id>(3, 50);
  t.connect(2, bob, phone, 100);
  t.connect(2, bob, laptop, 101);
  t.advance(10s);
  CHECK(t.heard(1, bob) == "+R");
  t.kill_and_replace(2);
  CHECK(t.presence_of(1, bob).is_active());
  SUBCASE("not back") {
    t.advance(12s);
    CHECK(t.heard(1, bob) == "-");
    CHECK_FALSE(t.presence_of(1, bob).is_active());
  }
  SUBCASE("back at another gateway") {
    t.advance(3s);
    t.connect(3, bob, phone, 300);
    t.advance(60s);
    CHECK(t.heard(1, bob).empty());
    CHECK(t.presence_of(1, bob).is_active());
  }
}

TEST_CASE("node death: a bucket that died with its node hears of those who are there, and calls the roll") {
  town t;
  const auto bob = t.add_seen_on(2);
  const auto bucket = key_of(presence_bucket_of(bob));
  t.subscribe(1, bucket);  // bob's gateway
  t.subscribe(3, bucket);  // who watches him
  const auto phone = t.id_on<session_id>(3, 50);
  const auto attached = t.connect(1, bob, phone, 100);
  t.advance(2s);
  CHECK(t.heard(3, bob) == "+");
  t.kill_and_replace(2);
  CHECK(std::ranges::count(t.at(1).renewed, bucket) == 1);
  SUBCASE("he is announced") {
    REQUIRE(t.ask(1, key_of(phone), t.announcing(1, attached, 100)));
    CHECK(t.presence_of(3, bob).is_active());
    t.advance(10s);
    CHECK(t.heard(3, bob) == "+R");
  }
  SUBCASE("a question that comes before waits for that") {
    PresenceQuery query;
    query.add_users(bob.value);
    answer_to<PresenceQuery> answer = not_yet;
    t.ask_later(3, bucket, std::move(query), &answer);
    t.advance(500ms);
    CHECK(answer.code() == errc::internal_error);
    REQUIRE(t.ask(1, key_of(phone), t.announcing(1, attached, 100)));
    t.advance(1s);
    REQUIRE(answer);
    CHECK((*answer)->states(0).is_active());
  }
  SUBCASE("he has gone meanwhile") {
    DetachNotice notice;
    notice.set_connection(100);
    notice.set_user(bob.value);
    REQUIRE(t.ask(1, key_of(phone), std::move(notice)));
    t.advance(10s);
    CHECK(t.heard(3, bob).back() == 'r');
    CHECK_FALSE(t.presence_of(3, bob).is_active());
  }
}

TEST_CASE("node death: who is away by hand since she connected stays away when her bucket dies") {
  town t;
  const auto bob = t.add_seen_on(2);
  const auto phone = t.id_on<session_id>(3, 50);
  const auto attached = t.connect(1, bob, phone, 100);
  SetManualPresenceRequest away;
  away.set_is_away(true);
  t.must(1, key_of(bob), std::move(away));
  REQUIRE_FALSE(t.presence_of(3, bob).is_active());
  t.kill_and_replace(2);
  REQUIRE(t.ask(1, key_of(phone), t.announcing(1, attached, 100)));
  const auto state = t.presence_of(3, bob);
  CHECK(state.is_online());
  CHECK(state.is_manually_away());
  CHECK_FALSE(state.is_active());
}

TEST_CASE("node death: a bucket and a gateway that die together leave no ghost") {
  town t;
  const auto bob = t.add_seen_on(2);
  const auto bucket = key_of(presence_bucket_of(bob));
  t.subscribe(3, bucket);
  const auto phone = t.id_on<session_id>(3, 50);
  t.connect(2, bob, phone, 100);
  t.advance(2s);
  CHECK(t.heard(3, bob) == "+");
  t.kill_and_replace(2);
  (void)t.ask(3, bucket, PresenceQuery{});  // as a gateway does when its subscription was renewed
  t.advance(10s);
  CHECK(t.heard(3, bob) == "r");
  CHECK_FALSE(t.presence_of(3, bob).is_active());
}

}  // namespace throng::test
