// SPDX-License-Identifier: Apache-2.0
// RTM connections on one io loop that runs by hand, against a region whose entities are scripted.
#include "net/gateway/rtm.hpp"

#include <string>

#include <doctest/doctest.h>

#include "tests/unit/net/gateway/rtm_town.hpp"

using namespace throng;
using namespace throng::test;

TEST_CASE("rtm: hello is the first frame, and names the session") {
  fixture f;
  const auto a = f.open();
  REQUIRE(a.socket->texts.size() == 1);
  CHECK(member(a.socket->texts[0], "type") == "\"hello\"");
  CHECK(member(a.socket->texts[0], "session") == '"' + to_text(session) + '"');
  CHECK(f.services->counters.sessions == 1);
}

TEST_CASE("rtm: what happens before hello waits for it") {
  fixture f;
  f.entities.holds_channels = true;
  const auto a = f.open();
  f.entities.publish(key_of(ann), 3, marked());
  f.loop.run();
  CHECK(a.socket->texts.empty());
  f.answer(f.entities.take<UserChannelsRequest>(), UserChannelsReply());
  REQUIRE(a.socket->texts.size() == 2);
  CHECK(member(a.socket->texts[0], "type") == "\"hello\"");
  CHECK(member(a.socket->texts[1], "type") == "\"channel_marked\"");
}

TEST_CASE("rtm: a wrong ticket is told and closed, and detaches nothing") {
  fixture f;
  f.entities.attach_refusal = errc::invalid_auth;
  auto a = f.open();
  REQUIRE(a.socket->texts.size() == 1);
  CHECK(a.socket->texts[0].find("invalid_auth") != std::string::npos);
  CHECK(a.socket->closed == ws_close::policy);
  f.close(a);
  CHECK(f.entities.all_asked<DetachNotice>().empty());
  CHECK(f.services->counters.connections == 0);
  CHECK(f.services->counters.sessions == 0);
}

TEST_CASE("rtm: a socket that goes while it attaches is detached all the same") {
  fixture f;
  fixture::client a{std::make_shared<rtm_connection>(f.services, 0, rtm_address{session, std::string(16, 't')}),
                    std::make_shared<fake_socket>(f.loop)};
  a.rtm->on_open(a.socket);
  a.rtm->on_close(1006);  // before the loop has seen the answer
  CHECK(f.entities.all_asked<DetachNotice>().at(0)->connection() == f.entities.attached_connection);
  f.loop.run();
  CHECK(a.socket->texts.empty());
  CHECK(f.services->counters.connections == 0);
}

TEST_CASE("rtm: a list that is read again forgets the answer to the older question") {
  fixture f;
  f.entities.channels = {room};
  const auto a = f.open_with_hello();
  f.entities.holds_channels = true;
  const auto break_own_stream = [&](seq_t seq) {
    f.entities.publish(key_of(ann), seq, marked());
    f.entities.publish(key_of(ann), seq + 5, marked());
    f.loop.run();
    f.entities.take<ReplayRequest>().done(errc::too_old);
    f.loop.run();
  };
  break_own_stream(1);
  const auto older = f.entities.take<UserChannelsRequest>();
  break_own_stream(7);
  const auto newer = f.entities.take<UserChannelsRequest>();
  f.answer(older, list_of(den));
  f.answer(newer, list_of(room));
  a.socket->take();
  f.entities.publish(key_of(den), 1, post("secret", den));
  f.entities.publish(key_of(room), 1, post("hers"));
  f.loop.run();
  REQUIRE(a.socket->texts.size() == 1);
  CHECK(member(a.socket->texts[0], "text") == "\"hers\"");
}

TEST_CASE("rtm: a boot that takes too long is closed") {
  fixture f;
  f.entities.holds_channels = true;
  const auto a = f.open();
  f.loop.advance(14s);
  CHECK_FALSE(a.socket->closed);
  f.loop.advance(2s);
  CHECK(a.socket->closed == ws_close::try_again_later);
}

TEST_CASE("rtm: a post is acknowledged to its sender after the commit, and the event goes to the others") {
  fixture f;
  const auto a = f.open_with_hello();
  const auto id = f.entities.attached_connection;
  const auto b = f.open_with_hello();
  a.rtm->on_text(R"({"id":3,"type":"message","channel":")" + to_text(room) + R"(","text":"a & b"})");
  f.loop.run();
  CHECK(a.socket->texts.empty());
  const auto asked = f.entities.take<PostRequest>();
  const auto& request = static_cast<const PostRequest&>(*asked.request);
  CHECK(asked.to == key_of(room));
  CHECK(request.caller().user() == ann.value);
  CHECK(request.caller().connection() == id);
  CHECK(request.data().text() == "a &amp; b");
  PostReply reply;
  *reply.mutable_message() = post("a &amp; b").message();
  f.entities.publish(key_of(room), 1, post("a &amp; b"), id);
  f.answer(asked, reply);
  CHECK(a.socket->take() ==
        std::vector<std::string>{R"({"ok":true,"reply_to":3,"ts":"1700000000.000001","text":"a &amp; b"})"});
  REQUIRE(b.socket->texts.size() == 1);
  CHECK(member(b.socket->texts[0], "text") == "\"a &amp; b\"");
  CHECK(member(b.socket->texts[0], "seq") == "1");
}

TEST_CASE("rtm: a refused post is an error with the same reply_to") {
  fixture f;
  const auto a = f.open_with_hello();
  a.rtm->on_text(R"({"id":3,"type":"message","channel":")" + to_text(room) + R"(","text":"x"})");
  f.entities.take<PostRequest>().done(errc::is_archived);
  f.loop.run();
  REQUIRE(a.socket->texts.size() == 1);
  CHECK(a.socket->texts[0] == R"({"ok":false,"reply_to":3,"error":{"code":302,"msg":"is_archived"}})");
}

TEST_CASE("rtm: whose token may not post is told so, and still hears everything") {
  fixture f;
  f.entities.attach.set_may_post(false);
  auto a = f.open_with_hello();
  a.rtm->on_text(R"({"id":7,"type":"message","channel":")" + to_text(room) + R"(","text":"hi"})");
  f.loop.run();
  CHECK(f.entities.questions.empty());
  REQUIRE(a.socket->texts.size() == 1);
  CHECK(member(a.socket->texts[0], "reply_to") == "7");
  CHECK(a.socket->texts[0].find("missing_scope") != std::string::npos);
  f.entities.publish(key_of(room), 1, post("hello"));
  f.loop.run();
  CHECK(a.socket->texts.size() == 2);
}

TEST_CASE("rtm: posts without an answer are bounded") {
  fixture f;
  const auto a = f.open_with_hello();
  const auto text = R"({"id":3,"type":"message","channel":")" + to_text(room) + R"(","text":"x"})";
  for (unsigned i = 0; i < f.services->options.posts_in_flight_max; ++i) a.rtm->on_text(text);
  CHECK(a.socket->texts.empty());
  a.rtm->on_text(text);
  REQUIRE(a.socket->texts.size() == 1);
  CHECK(a.socket->texts[0].find("rate_limited") != std::string::npos);
  CHECK(f.entities.questions.size() == f.services->options.posts_in_flight_max);
}

TEST_CASE("rtm: a ping is answered at once, also before hello") {
  fixture f;
  f.entities.holds_channels = true;
  const auto a = f.open();
  a.rtm->on_text(R"({"type":"ping","id":1,"time":5})");
  CHECK(a.socket->take() == std::vector<std::string>{R"({"type":"pong","reply_to":1,"time":5})"});
  a.rtm->on_text(R"({"type":"tickle","id":2})");
  CHECK(a.socket->texts.at(0).find("service_unavailable") != std::string::npos);
}

TEST_CASE("rtm: frames beyond the rate are refused, and a client that doesn't stop is closed") {
  fixture f;
  const auto a = f.open_with_hello();
  const auto& options = f.services->options;
  for (unsigned i = 0; i < options.frames_burst; ++i) a.rtm->on_text(R"({"type":"ping"})");
  CHECK(a.socket->take().size() == options.frames_burst);
  a.rtm->on_text(R"({"type":"ping","id":9})");
  CHECK(a.socket->take().at(0).find("rate_limited") != std::string::npos);
  f.loop.advance(1s);
  a.rtm->on_text(R"({"type":"ping","id":9})");
  CHECK(a.socket->take().at(0).find("pong") != std::string::npos);
  for (unsigned i = 0; i < options.frames_burst + options.excess_frames_max + 1; ++i)
    a.rtm->on_text(R"({"type":"ping"})");
  CHECK(a.socket->closed == ws_close::policy);
}

TEST_CASE("rtm: a listed channel is heard from where it was listed, an unlisted one no more") {
  fixture f;
  const auto a = f.open_with_hello();
  f.entities.publish(key_of(ann), 1, listed(den, 4));
  f.loop.run();
  const auto asked = f.entities.take<ReplayRequest>();
  CHECK(asked.to == key_of(den));
  CHECK(static_cast<const ReplayRequest&>(*asked.request).after_seq() == 4);
  ReplayReply page;
  page.set_epoch(1);
  page.set_end_seq(5);
  page.add_events()->set_seq(5);
  *page.mutable_events(0)->mutable_event() = post("missed", den);
  f.answer(asked, page);
  f.entities.publish(key_of(den), 6, post("live", den));
  f.loop.run();
  auto texts = a.socket->take();
  REQUIRE(texts.size() == 3);
  CHECK(member(texts[0], "type") == "\"channel_joined\"");
  CHECK(member(texts[1], "text") == "\"missed\"");
  CHECK(member(texts[2], "text") == "\"live\"");

  f.entities.publish(key_of(ann), 2, unlisted(den));
  f.entities.publish(key_of(den), 7, post("secret", den));
  f.loop.run();
  texts = a.socket->take();
  REQUIRE(texts.size() == 1);
  CHECK(member(texts[0], "type") == "\"channel_left\"");
}

TEST_CASE("rtm: a channel that is left while the list is read isn't subscribed from the older list") {
  fixture f;
  f.entities.holds_channels = true;
  const auto a = f.open();
  f.entities.publish(key_of(ann), 1, unlisted(room));
  f.loop.run();
  f.answer(f.entities.take<UserChannelsRequest>(), list_of(room));
  a.socket->take();
  f.entities.publish(key_of(room), 1, post("secret"));
  f.loop.run();
  CHECK(a.socket->texts.empty());
}

TEST_CASE("rtm: what her stream brings late and the list has known already changes nothing") {
  fixture f;
  f.entities.holds_channels = true;
  const auto a = f.open();
  f.answer(f.entities.take<UserChannelsRequest>(), list_of(den, 7));
  f.entities.publish(key_of(den), 5, post("first", den));
  f.entities.publish(key_of(ann), 6, unlisted(den));
  f.entities.publish(key_of(ann), 7, listed(den, 4));
  f.entities.publish(key_of(den), 6, post("second", den));
  f.loop.run();
  CHECK(f.entities.all_asked<ReplayRequest>().empty());
  f.entities.publish(key_of(ann), 8, unlisted(den));
  f.entities.publish(key_of(den), 7, post("secret", den));
  f.loop.run();
  std::vector<std::string> said;
  for (const auto& text : a.socket->take())
    if (member(text, "type") == "\"message\"") said.push_back(std::string(member(text, "text")));
  CHECK(said == std::vector<std::string>{"\"first\"", "\"second\""});
}

TEST_CASE("rtm: on close the SESSION hears where the socket was, and a resumed one continues there") {
  fixture f;
  auto a = f.open_with_hello();
  f.entities.publish(key_of(room), 8, post("seen"));
  f.loop.run();
  f.close(a);
  const auto notices = f.entities.all_asked<DetachNotice>();
  REQUIRE(notices.size() == 1);
  f.answer(f.entities.take<DetachNotice>(), Nothing{});
  f.entities.publish(key_of(room), 9, post("missed"));
  f.loop.run();

  f.entities.attach.set_is_resumed(true);
  *f.entities.attach.mutable_cursors() = notices[0]->cursors();
  const auto b = f.open();
  // Nothing happened in the person's and the workspace's streams: only the channel is asked.
  REQUIRE(f.entities.questions.size() == 1);
  const auto asked = f.entities.take<ReplayRequest>();
  CHECK(static_cast<const ReplayRequest&>(*asked.request).after_seq() == 8);
  f.entities.publish(key_of(room), 10, post("live"));
  ReplayReply page;
  page.set_epoch(1);
  page.set_end_seq(9);
  page.add_events()->set_seq(9);
  *page.mutable_events(0)->mutable_event() = post("missed");
  f.answer(asked, page);
  const auto texts = b.socket->take();
  REQUIRE(texts.size() == 3);
  CHECK(member(texts[0], "is_resumed") == "true");
  CHECK(member(texts[1], "text") == "\"missed\"");
  CHECK(member(texts[2], "text") == "\"live\"");
}

TEST_CASE("rtm: a resumed one continues in the channels of each page of its list, and is there behind the last") {
  fixture f;
  f.entities.channels = {room, den};
  auto a = f.open_with_hello();
  f.entities.publish(key_of(room), 8, post("seen"));
  f.entities.publish(key_of(den), 3, post("seen", den));
  f.loop.run();
  f.close(a);
  f.entities.attach.set_is_resumed(true);
  const auto asked = f.entities.take<DetachNotice>();
  *f.entities.attach.mutable_cursors() = static_cast<const DetachNotice&>(*asked.request).cursors();
  f.answer(asked, Nothing{});
  f.entities.publish(key_of(room), 9, post("missed"));
  f.entities.publish(key_of(den), 4, post("missed", den));
  f.loop.run();

  const auto continues = [&](channel_id channel, seq_t seen) {
    const auto replay = f.entities.take<ReplayRequest>();
    CHECK(replay.to == key_of(channel));
    CHECK(static_cast<const ReplayRequest&>(*replay.request).after_seq() == seen);
    ReplayReply page;
    page.set_epoch(1);
    page.set_end_seq(seen + 1);
    page.add_events()->set_seq(seen + 1);
    *page.mutable_events(0)->mutable_event() = post("missed", channel);
    f.answer(replay, page);
  };
  f.entities.holds_channels = true;
  const auto b = f.open();
  auto first = list_of(room, 1);
  first.set_has_more(true);
  f.answer(f.entities.take<UserChannelsRequest>(), first);
  CHECK(b.socket->texts.empty());
  CHECK(f.entities.all_asked<ReplayRequest>().empty());
  const auto second = f.entities.take<UserChannelsRequest>();
  CHECK(static_cast<const UserChannelsRequest&>(*second.request).after() == room.value);
  std::vector<std::string> heard{"\"hello\""};
  SUBCASE("all are hers") {
    f.answer(second, list_of(den, 2));
    CHECK(b.socket->texts.size() == 1);
    continues(room, 8);
    continues(den, 3);
    heard.insert(heard.end(), {"\"message\"", "\"message\""});
  }
  SUBCASE("she leaves one of the second while that is read") {
    f.entities.publish(key_of(ann), 1, unlisted(den));
    f.loop.run();
    f.answer(second, list_of(den, 2));
    continues(room, 8);
    f.entities.publish(key_of(den), 5, post("secret", den));
    f.loop.run();
    heard.insert(heard.end(), {"\"channel_left\"", "\"message\""});
  }
  std::vector<std::string> types;
  for (const auto& text : b.socket->texts) types.push_back(member(text, "type"));
  CHECK(types == heard);
  REQUIRE_FALSE(b.socket->texts.empty());
  CHECK(member(b.socket->texts[0], "is_resumed") == "true");
  CHECK(f.entities.all_asked<ReplayRequest>().empty());
}

TEST_CASE("rtm: a resumed client whose events are too old is told of the gap") {
  fixture f;
  f.entities.attach.set_is_resumed(true);
  auto& cursor = *f.entities.attach.add_cursors();
  cursor.set_kind(static_cast<std::uint32_t>(entity_kind::channel));
  cursor.set_id(room.value);
  cursor.set_epoch(1);
  cursor.set_seq(2);
  const auto a = f.open();
  f.entities.publish(key_of(room), 900, post("live"));
  f.loop.run();
  f.entities.take<ReplayRequest>().done(errc::too_old);
  f.loop.run();
  std::vector<std::string> of_room;
  for (const auto& text : a.socket->take())
    if (member(text, "stream") == '"' + to_text(room) + '"') of_room.push_back(text);
  REQUIRE(of_room.size() == 2);
  CHECK(of_room[0] == R"({"type":"gap","stream":")" + to_text(room) + R"(","epoch":1,"seq":899})");
  CHECK(member(of_room[1], "seq") == "900");
}

TEST_CASE("rtm: a Replay that fails is tried again, and becomes a gap in the end") {
  fixture f;
  f.entities.attach.set_is_resumed(true);
  auto& cursor = *f.entities.attach.add_cursors();
  cursor.set_kind(static_cast<std::uint32_t>(entity_kind::channel));
  cursor.set_id(room.value);
  cursor.set_epoch(1);
  cursor.set_seq(2);
  const auto a = f.open();
  a.socket->take();
  for (unsigned i = 0; i < fan_out_options{}.replay_tries_max; ++i) {
    f.entities.take<ReplayRequest>().done(errc::unavailable);
    f.loop.advance(10s);
  }
  CHECK(f.entities.questions.empty());
  REQUIRE(a.socket->texts.size() == 1);
  CHECK(member(a.socket->texts[0], "type") == "\"gap\"");
}

TEST_CASE("rtm: presence is told of those who are watched only") {
  fixture f;
  const auto a = f.open_with_hello();
  const user_id bob{12};
  a.rtm->on_text(R"({"type":"presence_sub","ids":[")" + to_text(bob) + "\"]}");
  f.loop.run();
  CHECK(f.entities.all_told<WatchPresenceRequest>().at(0)->users_size() == 1);
  PresenceReply now;
  now.add_states()->set_user(bob.value);
  f.answer(f.entities.take<PresenceQuery>(), now);
  CHECK(a.socket->take() ==
        std::vector<std::string>{R"({"type":"presence_change","presence":"away","user":")" + to_text(bob) + "\"}"});

  Event change;
  change.mutable_presence()->set_is_active(true);
  change.mutable_presence()->add_users(99);
  change.mutable_presence()->add_users(bob.value);
  f.entities.publish(key_of(presence_bucket_of(bob)), 0, change);
  f.loop.run();
  CHECK(a.socket->take() ==
        std::vector<std::string>{R"({"type":"presence_change","presence":"active","user":")" + to_text(bob) + "\"}"});

  a.rtm->on_text(R"({"type":"presence_sub","ids":[]})");
  f.loop.run();
  f.entities.publish(key_of(presence_bucket_of(bob)), 0, change);
  f.loop.run();
  CHECK(a.socket->texts.empty());
}

TEST_CASE("rtm: of people of other workspaces nothing is told") {
  fixture f;
  const auto a = f.open_with_hello();
  a.rtm->on_text(R"({"type":"presence_sub","ids":[")" + to_text(foreigner) + "\"]}");
  a.rtm->on_text(R"({"type":"presence_query","ids":[")" + to_text(foreigner) + "\"]}");
  f.loop.run();
  CHECK(f.entities.questions.empty());
  Event change;
  change.mutable_presence()->set_is_active(true);
  change.mutable_presence()->add_users(foreigner.value);
  f.entities.publish(key_of(presence_bucket_of(foreigner)), 0, change);
  f.loop.run();
  CHECK(a.socket->texts.empty());
}

TEST_CASE("rtm: messages say from the start whether their channel is private") {
  fixture f;
  f.entities.is_private = true;
  const auto a = f.open_with_hello();
  f.entities.publish(key_of(room), 8, post("psst"));
  f.loop.run();
  REQUIRE(a.socket->texts.size() == 1);
  CHECK(member(a.socket->texts[0], "channel_type") == "\"group\"");
}

TEST_CASE("rtm: hello is followed by where to reconnect, if that is known") {
  fixture f;
  f.entities.attach.set_base_url("wss://acme.example");
  f.entities.attach.set_reconnect_ticket(std::string(16, 'r'));
  const auto a = f.open();
  REQUIRE(a.socket->texts.size() == 2);
  CHECK(member(a.socket->texts[1], "type") == "\"reconnect_url\"");
  CHECK(member(a.socket->texts[1], "url") == "\"wss://acme.example" + rtm_path({session, std::string(16, 'r')}) + "\"");
}

TEST_CASE("rtm: presence that changed while it was asked for isn't overwritten by the older answer") {
  fixture f;
  const auto a = f.open_with_hello();
  const user_id bob{12};
  a.rtm->on_text(R"({"type":"presence_sub","ids":[")" + to_text(bob) + "\"]}");
  f.loop.run();
  Event change;
  change.mutable_presence()->set_is_active(true);
  change.mutable_presence()->add_users(bob.value);
  f.entities.publish(key_of(presence_bucket_of(bob)), 0, change);
  f.loop.run();
  PresenceReply older;
  older.add_states()->set_user(bob.value);
  f.answer(f.entities.take<PresenceQuery>(), older);
  REQUIRE(a.socket->texts.size() == 1);
  CHECK(member(a.socket->texts[0], "presence") == "\"active\"");
}

TEST_CASE("rtm: typing is told to the channel for its members only") {
  fixture f;
  const auto a = f.open_with_hello();
  a.rtm->on_text(R"({"type":"typing","channel":")" + to_text(den) + "\"}");
  CHECK(f.entities.all_told<TypingNotice>().empty());
  a.rtm->on_text(R"({"type":"typing","channel":")" + to_text(room) + "\"}");
  CHECK(f.entities.all_told<TypingNotice>().size() == 1);
}

TEST_CASE("rtm: a sign-out ends the connections of its tokens, with the reason") {
  fixture f;
  const auto a = f.open_with_hello();
  Event other;
  other.mutable_signed_out()->add_token_hashes("another token's");
  f.entities.publish(key_of(ann), 0, other);
  f.loop.run();
  CHECK_FALSE(a.socket->closed);
  Event mine;
  mine.mutable_signed_out()->add_token_hashes("hash-of-the-token");
  f.entities.publish(key_of(ann), 0, mine);
  f.loop.run();
  CHECK(a.socket->closed == ws_close::policy);
  REQUIRE(a.socket->texts.size() == 1);
  CHECK(a.socket->texts[0].find("token_revoked") != std::string::npos);
}

TEST_CASE("rtm: the end of a session ends its connection, and no other of the person") {
  fixture f;
  const auto a = f.open_with_hello();
  Event ended;
  ended.mutable_signed_out()->set_session(session.value + 1);
  f.entities.publish(key_of(ann), 0, ended);
  f.loop.run();
  CHECK_FALSE(a.socket->closed);
  ended.mutable_signed_out()->set_session(session.value);
  ended.mutable_signed_out()->set_reason(static_cast<std::uint32_t>(errc::token_expired));
  f.entities.publish(key_of(ann), 0, ended);
  f.loop.run();
  CHECK(a.socket->closed == ws_close::policy);
}

TEST_CASE("rtm: a session that comes again closes its older socket") {
  fixture f;
  const auto a = f.open_with_hello();
  f.entities.attach.set_replaced_connection(f.entities.attached_connection);
  const auto b = f.open();
  CHECK(a.socket->closed == ws_close::normal);
  CHECK_FALSE(b.socket->closed);
}

TEST_CASE("rtm: a full outbox means resync with a gap for each stream; a second one soon closes") {
  fixture f;
  const auto a = f.open_with_hello();
  f.entities.publish(key_of(room), 8, post("seen"));
  f.loop.run();
  a.socket->take();
  CHECK(a.rtm->on_overflow() == overflow_decision::resync);
  a.rtm->on_resync();
  const auto texts = a.socket->take();
  REQUIRE(texts.size() == 4);  // the workspace's, the person's and one channel's stream
  CHECK(member(texts[0], "type") == "\"resync_needed\"");
  for (std::size_t i = 1; i < texts.size(); ++i) CHECK(member(texts[i], "type") == "\"gap\"");
  CHECK(a.rtm->on_overflow() == overflow_decision::close);
  f.loop.advance(31s);
  CHECK(a.rtm->on_overflow() == overflow_decision::resync);
}

TEST_CASE("rtm: a gap in the person's own stream makes her list count again") {
  fixture f;
  f.entities.channels = {room, den};
  const auto a = f.open_with_hello();
  f.entities.publish(key_of(ann), 1, marked());
  f.loop.run();
  f.entities.channels = {room};  // she has left the den, unheard
  f.entities.publish(key_of(ann), 5, marked());
  f.loop.run();
  f.entities.take<ReplayRequest>().done(errc::too_old);
  f.loop.run();
  a.socket->take();
  f.entities.publish(key_of(den), 1, post("secret", den));
  f.entities.publish(key_of(room), 1, post("hers"));
  f.loop.run();
  REQUIRE(a.socket->texts.size() == 1);
  CHECK(member(a.socket->texts[0], "text") == "\"hers\"");
}

drain_order two_others() { return {"http://n1.example", {"http://n2.example", "https://n3.example"}}; }

TEST_CASE("rtm: who is sent away is told where to, and nothing behind the cursors that go there") {
  fixture f;
  const auto a = f.open_with_hello();
  f.entities.publish(key_of(room), 8, post("seen"));
  f.loop.run();
  a.socket->take();
  a.rtm->part(std::make_shared<const drain_order>(two_others()), 4);
  const auto asked = f.entities.take<PartRequest>();
  const auto& request = static_cast<const PartRequest&>(*asked.request);
  CHECK(request.connection() == f.entities.attached_connection);
  bool is_there = false;
  for (const auto& each : request.cursors()) is_there |= each.id() == room.value && each.seq() == 8;
  CHECK(is_there);
  f.entities.publish(key_of(room), 9, post("too late"));
  f.loop.run();
  CHECK(a.socket->texts.empty());
  CHECK_FALSE(a.socket->closed);

  PartReply reply;
  reply.set_ticket(std::string(16, 'p'));
  reply.set_base_url("ws://n1.example");
  std::string base = "ws://n2.example";
  SUBCASE("by the node's own name") {}
  SUBCASE("by another name, which the other nodes have too") {
    reply.set_base_url("wss://chat.example");
    base = "wss://chat.example";
  }
  f.answer(asked, reply);
  const auto texts = a.socket->take();
  REQUIRE(texts.size() == 2);
  const auto url = "\"" + base + rtm_path({session, std::string(16, 'p')}) + "\"";
  CHECK(member(texts[0], "type") == "\"reconnect_url\"");
  CHECK(member(texts[0], "url") == url);
  CHECK(member(texts[1], "type") == "\"goodbye\"");
  CHECK(member(texts[1], "url") == url);
  CHECK(a.socket->closed == ws_close::going_away);
}

TEST_CASE("rtm: goodbye waits for the answers to what was posted") {
  fixture f;
  const auto a = f.open_with_hello();
  a.rtm->on_text(R"({"id":1,"type":"message","channel":")" + to_text(room) + R"(","text":"last words"})");
  a.rtm->part(std::make_shared<const drain_order>(two_others()), 0);
  a.rtm->on_text(R"({"id":2,"type":"message","channel":")" + to_text(room) + R"(","text":"too late"})");
  f.answer(f.entities.take<PartRequest>(), PartReply{});
  CHECK_FALSE(a.socket->closed);
  PostReply stored;
  stored.mutable_message()->set_ts(1'700'000'000'000'001);
  f.answer(f.entities.take<PostRequest>(), stored);
  const auto texts = a.socket->take();
  REQUIRE(texts.size() == 3);
  CHECK(member(texts[0], "reply_to") == "2");
  CHECK(member(texts[0], "ok") == "false");
  CHECK(member(texts[1], "type") == "\"goodbye\"");
  CHECK(member(texts[2], "reply_to") == "1");
  CHECK(member(texts[2], "ok") == "true");
  f.loop.advance(100ms);
  CHECK(a.socket->closed == ws_close::going_away);
}

TEST_CASE("rtm: goodbye comes before the close also if nobody knows where to go") {
  fixture f;
  const auto a = f.open_with_hello();
  a.rtm->part(std::make_shared<const drain_order>(), 0);
  SUBCASE("the SESSION doesn't answer") { f.loop.advance(2s); }
  SUBCASE("it refuses") {
    f.entities.take<PartRequest>().done(errc::not_found);
    f.loop.run();
  }
  const auto texts = a.socket->take();
  REQUIRE(texts.size() == 1);
  CHECK(member(texts[0], "type") == "\"goodbye\"");
  CHECK(a.socket->closed == ws_close::going_away);
}

TEST_CASE("rtm: a SESSION hears of a socket's end, however often it takes") {
  fixture f;
  auto a = f.open_with_hello();
  f.close(a);
  for (int i = 0; i < 3; ++i) {
    f.entities.take<DetachNotice>().done(errc::unavailable);
    f.loop.advance(15s);
  }
  f.answer(f.entities.take<DetachNotice>(), Nothing{});
  f.loop.advance(60s);
  CHECK(f.entities.all_asked<DetachNotice>().empty());
}

TEST_CASE("rtm: a connection announces itself until it is heard, and goes if another has taken its place") {
  fixture f;
  f.entities.attach.set_seed("seed");
  const auto a = f.open_with_hello();
  Event census;
  census.mutable_presence_census();
  f.entities.publish(key_of(presence_bucket_of(ann)), 0, census);
  f.loop.run();
  f.loop.advance(10ms);
  const auto asked = f.entities.take<AnnounceRequest>();
  const auto& request = static_cast<const AnnounceRequest&>(*asked.request);
  CHECK(request.seed() == "seed");
  CHECK(request.connection() == f.entities.attached_connection);
  asked.done(errc::unavailable);
  f.loop.advance(1s);
  const auto again = f.entities.take<AnnounceRequest>();
  SUBCASE("heard") {
    f.answer(again, Nothing{});
    f.loop.advance(60s);
    CHECK(f.entities.all_asked<AnnounceRequest>().empty());
    CHECK_FALSE(a.socket->closed);
  }
  SUBCASE("replaced") {
    again.done(errc::conflict);
    f.loop.run();
    CHECK(a.socket->closed == ws_close::normal);
  }
}

TEST_CASE("rtm: a socket whose place was taken at another gateway is closed, and no other") {
  fixture f;
  const auto a = f.open_with_hello();
  Event replaced;
  replaced.mutable_signed_out()->set_session(session.value);
  replaced.mutable_signed_out()->set_connection(f.entities.attached_connection + 1);
  f.entities.publish(key_of(ann), 0, replaced);
  f.loop.run();
  CHECK_FALSE(a.socket->closed);
  replaced.mutable_signed_out()->set_connection(f.entities.attached_connection);
  f.entities.publish(key_of(ann), 0, replaced);
  f.loop.run();
  CHECK(a.socket->closed == ws_close::normal);
}
