// SPDX-License-Identifier: Apache-2.0
// RTM TOWN: one io loop that runs by hand, a region whose entities are scripted, and sockets that keep what they are
// sent, for tests of what stands between them.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "actors/protocol.hpp"
#include "net/gateway/rtm.hpp"
#include "storage/json/json.hpp"

namespace throng::test {

using namespace std::chrono_literals;

inline constexpr team_id team{7};
inline constexpr user_id ann{11};
inline constexpr user_id foreigner{13};
inline constexpr session_id session{5};
inline const channel_id room = make_channel_id(400, channel_kind::channel);
inline const channel_id den = make_channel_id(800, channel_kind::channel);

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

/// The connections of one person.
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

inline std::string member(const std::string& json, std::string_view name) {
  const auto document = parse_json(json);
  REQUIRE(document);
  return std::string(document->root().find(name).raw());
}

inline Event post(std::string_view text, channel_id channel = room) {
  Event event;
  auto& message = *event.mutable_message();
  message.set_channel(channel.value);
  message.set_ts(1'700'000'000'000'001);
  message.set_user(12);
  message.mutable_data()->set_text(std::string(text));
  return event;
}

inline Event marked(channel_id channel = room) {
  Event event;
  event.mutable_channel_marked()->set_channel(channel.value);
  return event;
}
inline Event listed(channel_id channel, seq_t seq) {
  Event event;
  event.mutable_channel_listed()->mutable_channel()->set_id(channel.value);
  event.mutable_channel_listed()->set_seq(seq);
  return event;
}
inline Event unlisted(channel_id channel) {
  Event event;
  event.mutable_channel_unlisted()->set_channel(channel.value);
  return event;
}
inline UserChannelsReply list_of(channel_id channel, seq_t seq = 0) {
  UserChannelsReply list;
  list.add_channels()->set_channel(channel.value);
  list.set_seq(seq);
  return list;
}

}  // namespace throng::test
