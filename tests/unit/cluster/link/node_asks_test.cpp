// SPDX-License-Identifier: Apache-2.0
#include "cluster/link/node_asks.hpp"

#include <optional>
#include <random>

#include <doctest/doctest.h>

#include "tests/support/sim_network.hpp"
#include "tests/support/sim_node.hpp"

namespace throng::test {
namespace {

using namespace std::chrono_literals;

/// Two nodes that can ask each other, and nothing else.
struct pair_of_nodes {
  struct side {
    node_identity who;
    std::unique_ptr<links> between;
    std::shared_ptr<node_asks> door;
  };

  pair_of_nodes() : net(random) {
    for (std::uint16_t i = 1; i <= 2; ++i) {
      auto& self = sides[i - 1];
      self.who.node = node_index{i};
      self.who.name = "n" + std::to_string(i);
      self.between = net.make_links(self.who.node);
      self.door = std::make_shared<node_asks>(self.who.node, self.between.get(), clock);
      self.between->listen({[&self](node_index from, std::string_view bytes) {
                              auto decoded = decode_parcel(bytes);
                              REQUIRE(decoded.ok());
                              if (auto* ask = std::get_if<node_ask_parcel>(&decoded->what))
                                self.door->receive(from, *ask);
                              else
                                self.door->receive(from, std::get<node_answer_parcel>(decoded->what));
                            },
                            [&self](const node_identity& peer, bool is_up) { self.door->link_changed(peer, is_up); },
                            [&self](const node_identity& peer, const auto&) { self.door->peer_lost(peer); }});
    }
    sides[0].between->set_peers({sides[1].who});
    sides[1].between->set_peers({sides[0].who});
    net.refresh();
  }
  ~pair_of_nodes() {
    for (auto& each : sides) each.door->stop();
  }

  /// Asks n2 on n1; the answer is in `got` once it is there.
  void ask(std::string request, std::chrono::milliseconds timeout = 1s) {
    sides[0].door->ask_node(node_index{2}, std::move(request), timeout,
                            [this](result<std::string> outcome) { got.push_back(std::move(outcome)); });
  }
  std::size_t deliver_all() {
    std::size_t parcels = 0;
    while (net.deliver_one()) ++parcels;
    return parcels;
  }
  void pass(duration time) {
    clock.advance(time);
    for (auto& each : sides) each.door->tick(clock.now());
  }

  std::mt19937 random{1};
  sim_network net;
  virtual_time clock;
  side sides[2];
  std::vector<result<std::string>> got;
};

TEST_CASE("node asks: a question is answered by the handler of the node that was asked") {
  pair_of_nodes both;
  both.sides[1].door->serve_nodes(
      [](node_index from, std::string request, std::chrono::milliseconds timeout, auto reply) {
        reply(request + " from " + std::to_string(from.value) + " within " + std::to_string(timeout.count()));
      });
  both.ask("who");
  CHECK(both.got.empty());
  both.deliver_all();
  REQUIRE(both.got.size() == 1);
  CHECK(both.got[0].value() == "who from 1 within 1000");

  both.sides[1].door->ask_node(node_index{2}, "self", 1s,
                               [&](auto outcome) { both.got.push_back(std::move(outcome)); });
  REQUIRE(both.got.size() == 2);
  CHECK(both.got[1].value() == "self from 2 within 1000");
}

TEST_CASE("node asks: a long answer comes whole, in parts that each are short") {
  pair_of_nodes both;
  std::string text(3 * node_asks::part_bytes_max + 17, 'x');
  for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>('a' + i % 23);
  both.sides[1].door->serve_nodes([&](auto, auto, auto, auto reply) { reply(text); });
  both.ask("all");
  CHECK(both.deliver_all() == 1 + 4);
  REQUIRE(both.got.size() == 1);
  CHECK(both.got[0].value() == text);

  text.assign(node_door::answer_bytes_max + 1, 'x');
  both.ask("too much");
  both.deliver_all();
  REQUIRE(both.got.size() == 2);
  CHECK(both.got[1].code() == errc::request_too_large);

  both.ask(std::string(node_door::request_bytes_max + 1, 'q'));
  REQUIRE(both.got.size() == 3);
  CHECK(both.got[2].code() == errc::request_too_large);

  text.clear();
  both.ask("nothing");
  both.deliver_all();
  REQUIRE(both.got.size() == 4);
  CHECK(both.got[3].value().empty());
}

TEST_CASE("node asks: nobody there, nobody serving, an error and a dropped question are told at once") {
  pair_of_nodes both;
  both.sides[0].door->ask_node(node_index{9}, "who", 1s, [&](auto outcome) { both.got.push_back(std::move(outcome)); });
  REQUIRE(both.got.size() == 1);
  CHECK(both.got[0].code() == errc::unavailable);

  both.ask("no handler");
  both.deliver_all();
  REQUIRE(both.got.size() == 2);
  CHECK(both.got[1].code() == errc::unavailable);

  both.sides[1].door->serve_nodes([](auto, auto, auto, auto reply) {
    reply(error{errc::not_found, "there is no such thing"});
  });
  both.ask("wrong");
  both.deliver_all();
  REQUIRE(both.got.size() == 3);
  CHECK(both.got[2].failure() == error{errc::not_found, "there is no such thing"});

  both.sides[1].door->serve_nodes([](auto, auto, auto, auto) {});
  both.ask("dropped");
  both.deliver_all();
  REQUIRE(both.got.size() == 4);
  CHECK(both.got[3].code() == errc::unavailable);
}

TEST_CASE("node asks: silence ends at the deadline, and the answer that comes later is nobody's") {
  pair_of_nodes both;
  node_door::answer late;
  both.sides[1].door->serve_nodes([&](auto, auto, auto, auto reply) { late = reply; });
  both.ask("slow");
  both.deliver_all();
  both.pass(900ms);
  CHECK(both.got.empty());
  both.pass(100ms);
  REQUIRE(both.got.size() == 1);
  CHECK(both.got[0].code() == errc::deadline_exceeded);
  late(std::string("too late"));
  both.deliver_all();
  CHECK(both.got.size() == 1);
}

TEST_CASE("node asks: a link that goes down ends the wait, refuses the next question, and serves again when it is up") {
  pair_of_nodes both;
  both.sides[1].door->serve_nodes([](auto, auto request, auto, auto reply) { reply(request); });
  both.ask("before");
  both.net.cut(node_index{1}, node_index{2});
  both.net.refresh();
  REQUIRE(both.got.size() == 1);
  CHECK(both.got[0].code() == errc::unavailable);
  both.ask("meanwhile");
  REQUIRE(both.got.size() == 2);
  CHECK(both.got[1].code() == errc::unavailable);
  both.net.heal();
  both.net.refresh();
  both.ask("after");
  both.deliver_all();
  REQUIRE(both.got.size() == 3);
  CHECK(both.got[2].value() == "after");

  both.ask("lost");
  both.sides[0].between->set_peers({});
  REQUIRE(both.got.size() == 4);
  CHECK(both.got[3].failure().detail == "n2 is gone");
}

TEST_CASE("node asks: too many questions at once are refused on either side, and stop() answers the rest") {
  pair_of_nodes both;
  std::vector<node_door::answer> held;
  both.sides[1].door->serve_nodes([&](auto, auto, auto, auto reply) { held.push_back(reply); });
  for (std::size_t i = 0; i < node_asks::served_of_a_peer_max; ++i) both.ask("held");
  both.ask("one more");
  both.deliver_all();
  REQUIRE(both.got.size() == 1);
  CHECK(both.got[0].code() == errc::overloaded);
  CHECK(held.size() == node_asks::served_of_a_peer_max);

  held.clear();  // dropped: answered, and there is room again
  both.deliver_all();
  CHECK(both.got.size() == 1 + node_asks::served_of_a_peer_max);
  both.got.clear();
  for (std::size_t i = 0; i < node_asks::waiting_max; ++i) both.ask("waits");
  CHECK(both.got.empty());
  both.ask("one more");
  REQUIRE(both.got.size() == 1);
  CHECK(both.got[0].code() == errc::overloaded);
  both.sides[0].door->stop();
  CHECK(both.got.size() == 1 + node_asks::waiting_max);
  CHECK(both.got.back().code() == errc::stopping);
  both.ask("after the end");
  CHECK(both.got.back().code() == errc::stopping);
}

}  // namespace
}  // namespace throng::test
