// SPDX-License-Identifier: Apache-2.0
// RTM connections on one io loop that runs by hand, against a region whose entities are scripted here.
#include "net/gateway/rtm.hpp"

#include <deque>
#include <map>
#include <string>

#include <doctest/doctest.h>

#include "actors/protocol.hpp"
#include "storage/json/json.hpp"

using namespace throng;
using namespace std::chrono_literals;

namespace {

constexpr team_id team{7};
constexpr user_id ann{11};
constexpr user_id foreigner{13};
constexpr session_id session{5};
const channel_id room = make_channel_id(400, channel_kind::channel);
const channel_id den = make_channel_id(800, channel_kind::channel);

/// Runs what was posted when told to.
class manual_loop final : public io_loop {
 public:
  bool post(io_task run) override {
    tasks_.push_back(std::move(run));
    return true;
  }
  void post_always(io_task run) override { tasks_.push_back(std::move(run)); }
  void after(std::chrono::milliseconds delay, io_task run) override { timers_.emplace(now_ + delay, std::move(run)); }
  std::size_t index() const override { return 0; }
  bool is_current() const override { return true; }

  void run() {
    while (!tasks_.empty()) {
      auto next = std::move(tasks_.front());
      tasks_.pop_front();
      next();
    }
  }
  void advance(std::chrono::milliseconds by) {
    const auto until = now_ + by;
    run();
    while (!timers_.empty() && timers_.begin()->first <= until) {
      now_ = timers_.begin()->first;
      auto next = std::move(timers_.begin()->second);
      timers_.erase(timers_.begin());
      next();
      run();
    }
    now_ = until;
  }
  steady_time now() const { return steady_time(1h) + now_; }

 private:
  std::deque<io_task> tasks_;
  std::multimap<std::chrono::milliseconds, io_task> timers_;
  std::chrono::milliseconds now_{0};
};

class scripted_region final : public region {
 public:
  explicit scripted_region(manual_loop& clock) : clock_(clock) {}

  struct asked {
    entity_key to;
    message_ptr request;
    answer_callback done;
  };

  bool tell(entity_key to, message_ptr message) override {
    told.push_back({to, std::move(message)});
    return true;
  }
  void ask_raw(entity_key to, message_ptr request, duration, answer_callback done) override {
    if (std::dynamic_pointer_cast<const AttachRequest>(request)) {
      attached_connection = static_cast<const AttachRequest&>(*request).connection();
      return done(attach_refusal ? result<message_ptr>(*attach_refusal) : result<message_ptr>(share(attach)));
    }
    if (std::dynamic_pointer_cast<const UserChannelsRequest>(request) && !holds_channels) {
      UserChannelsReply reply;
      for (const auto each : channels) reply.add_channels()->set_channel(each.value);
      for (auto& each : *reply.mutable_channels()) each.set_is_private(is_private);
      return done(share(std::move(reply)));
    }
    if (auto wanted = std::dynamic_pointer_cast<const FindUsersRequest>(request)) {
      UsersReply reply;
      for (const auto each : wanted->ids())
        if (each != foreigner.value) reply.add_users()->set_id(each);
      return done(share(std::move(reply)));
    }
    questions.push_back({to, std::move(request), std::move(done)});
  }
  void subscribe(entity_key, std::function<void(result<>)> done) override { done(result<>(throng::done)); }
  void unsubscribe(entity_key) override {}
  void on_renewal(std::function<void(entity_key)>) override {}
  void on_publication(std::function<void(const publication_ptr&)> sink) override { sink_ = std::move(sink); }
  steady_time now() const override { return clock_.now(); }
  wall_time wall() const override { return wall_time{}; }

  void publish(entity_key stream, seq_t seq, Event event, std::uint64_t skip = 0) {
    publication told_now;
    told_now.stream = stream;
    told_now.epoch = 1;
    told_now.seq = seq;
    told_now.skip_connection = skip;
    if (event.has_presence()) told_now.priority = delivery_class::presence;
    event.set_at(1'700'000'000'000'000);
    told_now.event = share(std::move(event));
    sink_(std::make_shared<const publication>(std::move(told_now)));
  }
  /// The oldest question of that type.
  template <class Request>
  asked take() {
    for (auto i = questions.begin(); i != questions.end(); ++i)
      if (std::dynamic_pointer_cast<const Request>(i->request)) {
        auto found = std::move(*i);
        questions.erase(i);
        return found;
      }
    FAIL("nobody asked " << Request::descriptor()->name());
    return {};
  }
  template <class Message>
  std::vector<std::shared_ptr<const Message>> all_told() const {
    std::vector<std::shared_ptr<const Message>> list;
    for (const auto& each : told)
      if (auto message = std::dynamic_pointer_cast<const Message>(each.second)) list.push_back(message);
    return list;
  }

  template <class Message>
  std::vector<std::shared_ptr<const Message>> all_asked() const {
    std::vector<std::shared_ptr<const Message>> list;
    for (const auto& each : questions)
      if (auto message = std::dynamic_pointer_cast<const Message>(each.request)) list.push_back(message);
    return list;
  }

  AttachReply attach;
  std::optional<errc> attach_refusal;
  std::vector<channel_id> channels{room};
  bool holds_channels = false;
  bool is_private = false;
  std::uint64_t attached_connection = 0;
  std::vector<asked> questions;
  std::vector<std::pair<entity_key, message_ptr>> told;

 private:
  manual_loop& clock_;
  std::function<void(const publication_ptr&)> sink_;
};

class fake_socket final : public websocket_connection {
 public:
  explicit fake_socket(manual_loop& on) : loop_(on) {}
  bool send(shared_frame frames, delivery) override {
    std::string_view rest = *frames;
    while (!rest.empty()) {
      REQUIRE(rest.size() >= 2);
      std::size_t size = static_cast<unsigned char>(rest[1]);
      std::size_t header = 2;
      if (size == 126) {
        size = static_cast<std::size_t>(static_cast<unsigned char>(rest[2])) << 8 | static_cast<unsigned char>(rest[3]);
        header = 4;
      }
      texts.emplace_back(rest.substr(header, size));
      rest.remove_prefix(header + size);
    }
    return true;
  }
  void close(std::uint16_t code, std::string_view) override {
    if (!closed) closed = code;
  }
  void pause() override {}
  void resume() override {}
  std::uint64_t id() const override { return 1; }
  std::size_t outbox_bytes() const override { return 0; }
  io_loop& loop() override { return loop_; }
  const std::string& peer() const override { return peer_; }

  std::vector<std::string> take() { return std::exchange(texts, {}); }
  std::vector<std::string> texts;
  std::optional<std::uint16_t> closed;

 private:
  manual_loop& loop_;
  std::string peer_ = "127.0.0.1:1";
};

struct fixture {
  fixture() {
    auto& caller = *entities.attach.mutable_caller();
    caller.set_team(team.value);
    caller.set_user(ann.value);
    entities.attach.set_token_hash("hash-of-the-token");
    entities.attach.set_may_post(true);
    services->fan->start();
    loop.run();
  }
  ~fixture() {
    for (auto& each : connections) each->on_close(1006);
    entities.questions.clear();
    loop.run();
  }

  struct client {
    std::shared_ptr<rtm_connection> rtm;
    std::shared_ptr<fake_socket> socket;
  };
  client open() {
    client fresh{std::make_shared<rtm_connection>(services, 0, rtm_address{session, std::string(16, 't')}),
                 std::make_shared<fake_socket>(loop)};
    connections.push_back(fresh.rtm);
    fresh.rtm->on_open(fresh.socket);
    loop.run();
    return fresh;
  }
  client open_with_hello() {
    auto fresh = open();
    REQUIRE(fresh.socket->take().size() == 1);
    return fresh;
  }
  void close(client& which) {
    which.rtm->on_close(1006);
    std::erase(connections, which.rtm);
  }
  template <class Reply>
  void answer(const scripted_region::asked& question, Reply reply) {
    question.done(share(std::move(reply)));
    loop.run();
  }

  manual_loop loop;
  scripted_region entities{loop};
  std::shared_ptr<rtm_services> services = std::make_shared<rtm_services>(
      entities, fan_out::make(node_index{1}, entities, {&loop}, {}), node_index{1}, rtm_options{});
  std::vector<std::shared_ptr<rtm_connection>> connections;
};

std::string member(const std::string& json, std::string_view name) {
  const auto document = parse_json(json);
  REQUIRE(document);
  return std::string(document->root().find(name).raw());
}

Event post(std::string_view text, channel_id channel = room) {
  Event event;
  auto& message = *event.mutable_message();
  message.set_channel(channel.value);
  message.set_ts(1'700'000'000'000'001);
  message.set_user(12);
  message.mutable_data()->set_text(std::string(text));
  return event;
}

}  // namespace

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
  Event marked;
  marked.mutable_channel_marked()->set_channel(room.value);
  f.entities.publish(key_of(ann), 3, marked);
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
    Event marked;
    marked.mutable_channel_marked()->set_channel(room.value);
    f.entities.publish(key_of(ann), seq, marked);
    f.entities.publish(key_of(ann), seq + 5, marked);
    f.loop.run();
    f.entities.take<ReplayRequest>().done(errc::too_old);
    f.loop.run();
  };
  break_own_stream(1);
  const auto older = f.entities.take<UserChannelsRequest>();
  break_own_stream(7);
  const auto newer = f.entities.take<UserChannelsRequest>();
  UserChannelsReply with_den;
  with_den.add_channels()->set_channel(den.value);
  f.answer(older, with_den);
  UserChannelsReply with_room;
  with_room.add_channels()->set_channel(room.value);
  f.answer(newer, with_room);
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
  Event listed;
  listed.mutable_channel_listed()->mutable_channel()->set_id(den.value);
  listed.mutable_channel_listed()->set_seq(4);
  f.entities.publish(key_of(ann), 1, listed);
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

  Event unlisted;
  unlisted.mutable_channel_unlisted()->set_channel(den.value);
  f.entities.publish(key_of(ann), 2, unlisted);
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
  Event unlisted;
  unlisted.mutable_channel_unlisted()->set_channel(room.value);
  f.entities.publish(key_of(ann), 1, unlisted);
  f.loop.run();
  UserChannelsReply list;
  list.add_channels()->set_channel(room.value);
  f.answer(f.entities.take<UserChannelsRequest>(), list);
  a.socket->take();
  f.entities.publish(key_of(room), 1, post("secret"));
  f.loop.run();
  CHECK(a.socket->texts.empty());
}

TEST_CASE("rtm: what her stream brings late and the list has known already changes nothing") {
  fixture f;
  f.entities.holds_channels = true;
  const auto a = f.open();
  UserChannelsReply list;
  list.add_channels()->set_channel(den.value);
  list.set_seq(7);
  f.answer(f.entities.take<UserChannelsRequest>(), list);
  f.entities.publish(key_of(den), 5, post("first", den));
  Event unlisted, listed;
  unlisted.mutable_channel_unlisted()->set_channel(den.value);
  listed.mutable_channel_listed()->mutable_channel()->set_id(den.value);
  listed.mutable_channel_listed()->set_seq(4);
  f.entities.publish(key_of(ann), 6, unlisted);
  f.entities.publish(key_of(ann), 7, listed);
  f.entities.publish(key_of(den), 6, post("second", den));
  f.loop.run();
  CHECK(f.entities.all_asked<ReplayRequest>().empty());
  f.entities.publish(key_of(ann), 8, unlisted);
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
  Event marked;
  marked.mutable_channel_marked()->set_channel(room.value);
  f.entities.publish(key_of(ann), 1, marked);
  f.loop.run();
  f.entities.channels = {room};  // she has left the den, unheard
  f.entities.publish(key_of(ann), 5, marked);
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
