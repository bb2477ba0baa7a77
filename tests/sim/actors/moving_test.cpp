// SPDX-License-Identifier: Apache-2.0
// Entities as they are move between nodes while they are used: what they have in memory only goes along, and nobody
// sees that they moved.
#include <algorithm>
#include <set>

#include <doctest/doctest.h>

#include "tests/sim/actors/people_town.hpp"
#include "tests/support/sim_cluster.hpp"
#include "tests/support/sim_seeds.hpp"

namespace throng::test {
namespace {

using namespace std::chrono_literals;
constexpr session_id phone{50};

struct moving_options {
  channel_options channel;
  session_options session;
};

/// Three nodes, a workspace, and ada.
class moving_town : public sim_cluster {
 public:
  explicit moving_town(unsigned seed = 1, moving_options options = {}) : sim_cluster(seed, 3, kinds(options)) {
    must(key_of(acme), people_town::founding());
    ada = add("ada");
    general = {must(key_of(acme), WorkspaceInfoRequest{}).workspace().general_channel()};
  }

  template <class Request>
  result<std::shared_ptr<const reply_of_t<Request>>> answer_to(entity_key to, Request request) {
    std::optional<result<std::shared_ptr<const reply_of_t<Request>>>> answer;
    ask(*members.front(), to, std::move(request), [&](const auto& each) { answer = each; });
    for (int i = 0; i < 100 && !answer; ++i) settle(4);
    REQUIRE(answer);
    return *answer;
  }
  template <class Request>
  reply_of_t<Request> must(entity_key to, Request request) {
    auto answer = answer_to(to, std::move(request));
    if (!answer) throw std::runtime_error(std::string(to_string(answer.code())) + " " + answer.failure().detail);
    return **answer;
  }
  template <class Request>
  errc refusal(entity_key to, Request request) {
    auto answer = answer_to(to, std::move(request));
    return answer ? errc{} : answer.code();
  }
  user_id add(const std::string& name) { return {must(key_of(acme), people_town::invitation(name)).user().id()}; }

  /// To another node, or the next one.
  void go(entity_key key) {
    for (int i = 0; i < 100 && !is_settled(); ++i) settle(4);
    const auto from = owner_of(key).who.node;
    move(key, {static_cast<std::uint16_t>(from.value % members.size() + 1)});
    for (int i = 0; i < 100 && !is_settled(); ++i) settle(4);
    REQUIRE(is_settled());
    settle(8);
  }
  void pass(std::chrono::seconds time) {
    for (; time > 0s; time -= 1s) {
      tick(900ms);
      settle(4);
    }
  }
  template <class Snapshot>
  Snapshot snapshot_of(entity_key key) {
    Snapshot found;
    owner_of(key).runs->inspect().snapshot(key, [&](result<message_ptr> answer) {
      REQUIRE(answer.ok());
      found = dynamic_cast<const Snapshot&>(**answer);
    });
    settle(4);
    return found;
  }
  std::uint64_t taken_over() const {
    std::uint64_t sum = 0;
    for (const auto& each : members)
      if (each->runs) sum += each->runs->inspect().figures().taken_over;
    return sum;
  }

  PostRequest post(std::string text, std::string client_msg_id = "") const {
    PostRequest request;
    *request.mutable_caller() = people_town::person(ada);
    request.mutable_data()->set_text(std::move(text));
    request.set_client_msg_id(std::move(client_msg_id));
    return request;
  }
  AttachReply connect(std::uint64_t connection, bool is_resume = false) {
    const auto ticket = must(key_of(phone), people_town::opening(ada, is_resume)).ticket();
    return attach(ticket, connection);
  }
  AttachReply attach(const std::string& ticket, std::uint64_t connection) {
    AttachRequest request;
    request.set_ticket(ticket);
    request.set_connection(connection);
    request.set_node(1);
    return must(key_of(phone), std::move(request));
  }
  void disconnect(std::uint64_t connection) {
    DetachNotice notice;
    notice.set_connection(connection);
    auto& cursor = *notice.add_cursors();
    cursor.set_kind(static_cast<std::uint32_t>(entity_kind::workspace));
    cursor.set_id(acme.value);
    cursor.set_seq(1);
    members.front()->runs->door().tell(key_of(phone), share(std::move(notice)));
    settle(8);
  }
  PresenceReply::State presence() {
    PresenceQuery query;
    query.add_users(ada.value);
    return must(key_of(presence_bucket_of(ada)), std::move(query)).states(0);
  }
  /// "+" she is there, "-" she isn't, as the first node heard it.
  std::string heard() {
    std::string all;
    for (const auto& each : std::exchange(members.front()->published[key_of(presence_bucket_of(ada))], {}))
      if (const auto& event = dynamic_cast<const Event&>(*each->event); event.has_presence())
        all += event.presence().is_active() ? "+" : "-";
    return all;
  }

  user_id ada;
  channel_id general;

 private:
  static node::kinds kinds(const moving_options& options) {
    workspace_options workspace;
    static virtual_time id_clock;
    workspace.ids = std::make_shared<id_generator>(node_index{1}, id_clock, 0);
    auto session = options.session;
    session.random_bytes = [count = std::make_shared<std::uint8_t>()](std::span<std::uint8_t> bytes) {
      for (auto& byte : bytes) byte = ++*count;
    };
    return {{entity_kind::channel, make_channel_factory(options.channel)},
            {entity_kind::workspace, make_workspace_factory(workspace)},
            {entity_kind::user, make_user_factory({})},
            {entity_kind::session, make_session_factory(session)},
            {entity_kind::presence, make_presence_factory({})}};
  }
};

TEST_CASE("moving: a channel's posts come once and in order from everywhere, however it moves") {
  for (const auto seed : sim_seeds(20, 2)) {
    CAPTURE(seed);
    moving_town town(seed);
    const auto key = key_of(town.general);
    int asked = 0, posted = 0, failed = 0;
    std::set<std::int64_t> stamps;
    for (int i = 0; i < 600; ++i) {
      auto& self = town.pick();
      switch (town.random() % 4) {
        case 0:
          town.ask(self, key, town.post(std::to_string(self.who.node.value) + "." + std::to_string(++asked)),
                   [&](const auto& answer) {
                     answer ? ++posted : ++failed;
                     if (answer) CHECK(stamps.insert((*answer)->message().ts()).second);
                   });
          break;
        case 1:
          town.work(self);
          break;
        case 2:
          for (int n = 0; n < 4; ++n) town.net.deliver_one();
          break;
        case 3:
          if (self.seen != town.tables.size()) town.learn(self);
      }
      if (i % 40 == 0 && town.is_settled()) town.move(key, town.pick().who.node);
    }
    town.settle();
    CHECK(failed == 0);
    CHECK(posted == asked);
    ReplayRequest all;
    all.set_user(town.ada.value);
    all.set_count_max(1000);
    const auto replay = town.must(key, all);
    std::map<std::string, int> last;
    std::int64_t before = 0;
    int found = 0;
    for (const auto& each : replay.events()) {
      if (!each.event().has_message() || !each.event().message().data().subtype().empty()) continue;
      const auto& text = each.event().message().data().text();
      const auto number = std::stoi(text.substr(text.find('.') + 1));
      CHECK(number > std::exchange(last[text.substr(0, text.find('.'))], number));
      CHECK(each.event().message().ts() > std::exchange(before, each.event().message().ts()));
      ++found;
    }
    CHECK(found == asked);
  }
}

TEST_CASE("moving: a channel remembers what was just said, and by which ids") {
  moving_options options;
  options.channel.posts_loaded_max = 1;  // so that the store doesn't tell it
  moving_town town(1, options);
  const auto key = key_of(town.general);
  const auto first = town.must(key, town.post("one", "id-1")).message().ts();
  town.must(key, town.post("two"));
  const auto events = town.snapshot_of<ChannelSnapshot>(key).ring_events();
  REQUIRE(events >= 2);
  for (int i = 0; i < 3; ++i) {
    town.go(key);
    CHECK(town.snapshot_of<ChannelSnapshot>(key).ring_events() == events);  // without having been asked anything
    CHECK(town.must(key, town.post("one", "id-1")).message().ts() == first);
  }
  town.pass(301s);
  town.go(key);
  town.must(key, town.post("three"));
  CHECK(town.snapshot_of<ChannelSnapshot>(key).ring_events() == 1);  // what was too old stayed behind
}

TEST_CASE("moving: a channel goes on as it was, and isn't read from the store again") {
  moving_town town;
  const auto key = key_of(town.general);
  const auto bob = town.add("bob");
  const auto as = [](user_id who, auto request) {
    *request.mutable_caller() = people_town::person(who);
    return request;
  };
  SetTopicRequest topic;
  topic.set_value("plans");
  town.must(key, as(town.ada, topic));
  town.must(key, town.post("one", "id-1"));
  const auto before = town.must(key, as(bob, ChannelInfoRequest{}));
  REQUIRE(before.is_member());

  // What only a look at the row would bring.
  auto data = before.channel();
  data.mutable_topic()->set_value("from the store");
  data.clear_member_count();
  commit_unit unit{{}, {put_channel{{town.general, acme, data.SerializeAsString()}}}};
  REQUIRE(town.rows->commit(std::vector{std::move(unit)}));

  for (int i = 0; i < 4; ++i) {
    town.go(key);
    CHECK(town.must(key, as(bob, ChannelInfoRequest{})).SerializeAsString() == before.SerializeAsString());
  }
  const auto last = town.must(key, town.post("two")).message();
  CHECK(last.seq() == before.latest().message().seq() + 1);
  CHECK(last.ts() > before.latest().message().ts());
  topic.set_value("other plans");
  town.must(key, as(bob, topic));
  town.go(key);
  CHECK(town.must(key, as(bob, ChannelInfoRequest{})).channel().topic().value() == "other plans");
}

TEST_CASE("moving: a channel that somebody has written to since is read from the store") {
  moving_town town;
  const auto key = key_of(town.general);
  const auto first = town.must(key, town.post("one", "id-1")).message();
  const auto from = town.owner_of(key).who.node;
  const node_index to{static_cast<std::uint16_t>(from.value % town.members.size() + 1)};
  town.at(to).holds_reads = true;  // it is active there, and waits to hear where its stream ends
  town.move(key, to);
  for (int i = 0; i < 100 && !town.is_settled(); ++i) town.settle(4);
  REQUIRE(town.is_settled());
  town.settle(8);

  message_record row;
  row.channel = town.general;
  row.ts = {first.ts() + 1};
  row.seq = first.seq() + 1;
  row.user = town.ada;
  row.client_msg_id = "id-2";
  row.data = first.data().SerializeAsString();
  REQUIRE(town.rows->commit(std::vector{commit_unit{{}, {insert_message{row}}}}));
  town.at(to).holds_reads = false;
  town.settle(8);
  CHECK(town.taken_over() == 1);
  CHECK(town.must(key, town.post("one", "id-1")).message().ts() == first.ts());
  CHECK(town.must(key, town.post("two", "id-2")).message().ts() == row.ts.micros);
  CHECK(town.must(key, town.post("three")).message().seq() == row.seq + 1);
}

TEST_CASE("moving: a session keeps its socket, its tickets and its cursors") {
  moving_town town;
  const auto ticket = town.must(key_of(phone), people_town::opening(town.ada)).ticket();
  town.go(key_of(phone));
  town.attach(ticket, 100);
  town.go(key_of(phone));
  auto back = town.connect(101, true);
  CHECK(back.replaced_connection() == 100);
  town.go(key_of(phone));
  town.disconnect(101);
  town.go(key_of(phone));
  back = town.connect(102, true);
  CHECK(back.is_resumed());
  REQUIRE(back.cursors_size() == 1);
  CHECK(back.cursors(0).seq() == 1);
}

TEST_CASE("moving: a session's timers go on where they were") {
  moving_town town;
  town.connect(100);
  town.disconnect(100);
  town.pass(240s);
  town.go(key_of(phone));
  town.pass(50s);
  CHECK(town.snapshot_of<SessionSnapshot>(key_of(phone)).detached() != 0);
  town.pass(15s);
  CHECK(town.refusal(key_of(phone), people_town::opening(town.ada, true)) == errc::not_found);
}

TEST_CASE("moving: presence is known at once, and nobody sees a flicker") {
  moving_town town;
  const auto bucket = key_of(presence_bucket_of(town.ada));
  town.members.front()->runs->door().subscribe(bucket, [](result<>) {});
  town.connect(100);
  town.pass(100s);
  CHECK(town.heard() == "+");
  for (int i = 0; i < 3; ++i) {
    town.go(bucket);
    const auto state = town.presence();
    CHECK(state.is_active());
    CHECK(state.connection_count() == 1);
  }
  town.pass(120s);
  CHECK(town.heard() == "");
  town.disconnect(100);
  town.pass(5s);
  town.go(bucket);
  CHECK(town.heard() == "");  // a quick reconnect wouldn't be seen
  town.pass(10s);
  CHECK(town.heard() == "-");
}

TEST_CASE("moving: a user knows the sessions, also those that haven't spoken since") {
  moving_town town;
  town.connect(100);
  town.go(key_of(town.ada));
  CHECK(town.snapshot_of<UserSnapshot>(key_of(town.ada)).sessions_size() == 1);
  const auto before = town.taken_over();
  town.go(key_of(acme));
  town.go(key_of(town.ada));
  CHECK(town.taken_over() == before + 2);
}

}  // namespace
}  // namespace throng::test
