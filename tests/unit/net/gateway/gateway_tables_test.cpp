// SPDX-License-Identifier: Apache-2.0
// The small tables of the fan-out: key index, stream directory, loop inbox, RTM addresses.
#include <map>
#include <random>

#include <doctest/doctest.h>

#include "net/gateway/key_index.hpp"
#include "net/gateway/loop_inbox.hpp"
#include "net/gateway/rtm_url.hpp"
#include "net/gateway/stream_directory.hpp"

using namespace throng;
using namespace std::chrono_literals;

namespace {

constexpr entity_key room{entity_kind::channel, 4};
constexpr team_id team{9};

publication told(entity_key stream, seq_t seq, delivery_class priority = delivery_class::message) {
  publication p;
  p.stream = stream;
  p.epoch = 3;
  p.seq = seq;
  p.priority = priority;
  return p;
}

arrival event(std::size_t bytes, delivery_class priority, entity_key stream = room) {
  return {std::make_shared<const publication>(told(stream, 1, priority)),
          std::make_shared<const std::string>(bytes, 'x')};
}

/// A region's door that counts, and answers when told to.
struct fake_door {
  stream_directory::door door() {
    return {[this](entity_key stream, auto done) {
              ++subscribed;
              waiting[stream] = done;
            },
            [this](entity_key) { ++unsubscribed; }};
  }
  int subscribed = 0;
  int unsubscribed = 0;
  std::map<entity_key, std::function<void(result<>)>> waiting;
};

}  // namespace

TEST_CASE("key_index: holds what std::map holds, whatever is inserted and erased") {
  for (unsigned seed = 1; seed <= 20; ++seed) {
    std::mt19937 random(seed);
    key_index index;
    std::map<entity_key, std::uint32_t> model;
    for (int step = 0; step < 5'000; ++step) {
      const entity_key key{random() % 2 ? entity_kind::channel : entity_kind::user, random() % 300 * 4};
      if (model.contains(key)) {
        index.erase(key);
        model.erase(key);
      } else {
        const auto value = static_cast<std::uint32_t>(step);
        index.insert(key, value);
        model[key] = value;
      }
      if (step % 100 != 0) continue;
      for (std::uint64_t id = 0; id < 300; ++id)
        for (const auto kind : {entity_kind::channel, entity_kind::user}) {
          const auto found = model.find({kind, id * 4});
          if (index.find({kind, id * 4}) != (found == model.end() ? key_index::none : found->second))
            FAIL("seed " << seed << ", step " << step << ", id " << id * 4);
        }
    }
    CHECK(index.size() == model.size());
  }
}

TEST_CASE("stream_directory: a node subscribes once for all loops, and each is told when it is ready") {
  fake_door region;
  std::uint64_t told_loops = 0;
  stream_directory directory({}, region.door(), [&](entity_key, std::uint64_t loops) { told_loops = loops; });
  CHECK_FALSE(directory.add(room, team, 0).is_ready);
  CHECK_FALSE(directory.add(room, team, 3).is_ready);
  CHECK(region.subscribed == 1);
  region.waiting.at(room)(result<>(done));
  CHECK(told_loops == 0b1001);
  CHECK(directory.add(room, team, 5).is_ready);
  const auto to = directory.pass(told(room, 1));
  CHECK(to.loops == 0b101001);
  CHECK(to.team == team);
  CHECK_FALSE(to.is_private.has_value());
  directory.set_private(room, true);
  CHECK(directory.look(room).is_private == true);
}

TEST_CASE("stream_directory: a new reader starts where the stream is, and knows what was first") {
  fake_door region;
  stream_directory directory({}, region.door(), [](entity_key, std::uint64_t) {});
  const auto first = directory.add(room, team, 0);
  CHECK_FALSE(first.at.is_known());
  directory.pass(told(room, 7));
  directory.pass(told(room, 0));
  directory.pass(told(room, 8));
  const auto second = directory.add(room, team, 1);
  CHECK(second.at == stream_position{3, 8});
  CHECK(second.first == stream_position{3, 6});
  CHECK(second.stamp == first.stamp);
}

TEST_CASE("stream_directory: a stream lingers after its last reader, then is unsubscribed") {
  fake_door region;
  stream_directory directory({.linger = 300s, .lingering_max = 10}, region.door(), [](entity_key, std::uint64_t) {});
  const auto before = directory.add(room, team, 0);
  const steady_time start{};
  directory.remove(room, 0, start);
  CHECK(directory.pass(told(room, 1)).loops == 0);
  directory.sweep(start + 299s);
  CHECK(region.unsubscribed == 0);
  CHECK(directory.add(room, team, 0).stamp == before.stamp);
  directory.sweep(start + 1000s);  // it is read again
  CHECK(region.unsubscribed == 0);
  directory.remove(room, 0, start + 1000s);
  directory.sweep(start + 1300s);
  CHECK(region.unsubscribed == 1);
  CHECK(directory.stream_count() == 0);
  CHECK(directory.add(room, team, 0).stamp != before.stamp);
  CHECK(region.subscribed == 2);
}

TEST_CASE("stream_directory: at its bound of lingering streams it unsubscribes at once") {
  fake_door region;
  stream_directory directory({.linger = 300s, .lingering_max = 2}, region.door(), [](entity_key, std::uint64_t) {});
  for (std::uint64_t id = 1; id <= 5; ++id) directory.add({entity_kind::channel, id * 4}, team, 0);
  for (std::uint64_t id = 1; id <= 5; ++id) {
    directory.remove({entity_kind::channel, id * 4}, 0, {});
    directory.remove({entity_kind::channel, id * 4}, 0, {});  // again changes nothing
  }
  CHECK(region.unsubscribed == 3);
  CHECK(directory.stream_count() == 2);
}

TEST_CASE("stream_directory: a subscription that failed is tried again") {
  fake_door region;
  int ready = 0;
  stream_directory directory({}, region.door(), [&](entity_key, std::uint64_t) { ++ready; });
  directory.add(room, team, 0);
  region.waiting.at(room)(result<>(errc::unavailable));
  CHECK(ready == 0);
  directory.sweep({});
  CHECK(region.subscribed == 2);
  region.waiting.at(room)(result<>(done));
  CHECK(ready == 1);
  directory.sweep({});
  CHECK(region.subscribed == 2);
}

TEST_CASE("loop_inbox: typing goes first, then presence, and then the stream is noted as gapped") {
  loop_inbox inbox(10'000);
  CHECK(inbox.push(event(5'500, delivery_class::message)) == loop_inbox::outcome::queued_first);
  CHECK(inbox.push(event(10, delivery_class::typing)) == loop_inbox::outcome::dropped);
  CHECK(inbox.push(event(1'000, delivery_class::presence)) == loop_inbox::outcome::queued);
  CHECK(inbox.push(event(1'500, delivery_class::presence)) == loop_inbox::outcome::dropped);
  CHECK(inbox.push(event(2'000, delivery_class::message)) == loop_inbox::outcome::queued);
  CHECK(inbox.push(event(2'000, delivery_class::message)) == loop_inbox::outcome::queued);
  CHECK(inbox.bytes() <= 10'000);
  CHECK(inbox.dropped() == std::array<std::uint64_t, 3>{1, 1, 1});
  std::vector<arrival> events;
  std::vector<entity_key> gapped;
  inbox.take(events, gapped);
  CHECK(events.size() == 3);
  CHECK(gapped == std::vector<entity_key>{room});
  CHECK(inbox.bytes() == 0);
  CHECK(inbox.push(event(10, delivery_class::typing)) == loop_inbox::outcome::queued_first);
}

TEST_CASE("loop_inbox: a sign-out is taken beyond the bound") {
  loop_inbox inbox(100);
  inbox.push(event(1'000, delivery_class::message));
  inbox.push({std::make_shared<const publication>(told(room, 0)), nullptr});
  std::vector<arrival> events;
  std::vector<entity_key> gapped;
  inbox.take(events, gapped);
  REQUIRE(events.size() == 1);
  CHECK(events[0].frame == nullptr);
}

TEST_CASE("rtm_url: an address survives its text, and nothing else is one") {
  const rtm_address address{session_id{77}, std::string("\x00\x01\xfe\xff 0123456789a", 16)};
  const auto path = rtm_path(address);
  CHECK(parse_rtm_path(path) == address);
  for (const auto& wrong : {path + "0", path.substr(0, path.size() - 1), path.substr(1), std::string("/rtm/"),
                            std::string("/rtm/.") + std::string(32, '0'), "/rtm/U1." + std::string(32, '0'),
                            path.substr(0, path.size() - 1) + "G"})
    CHECK_FALSE(parse_rtm_path(wrong));
}
