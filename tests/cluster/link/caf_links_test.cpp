// SPDX-License-Identifier: Apache-2.0
// Links over real sockets, two or three nodes in this process.
#include <random>

#include <doctest/doctest.h>

#include "tests/cluster/link/link_harness.hpp"

namespace throng {
namespace {

using namespace test;

void introduce(std::vector<link_node*> nodes) {
  std::vector<node_identity> all;
  for (auto* each : nodes) all.push_back(each->self());
  for (auto* each : nodes) each->links().set_peers(all);
}

void check_counted(const std::vector<std::string>& parcels, std::size_t count) {
  REQUIRE(parcels.size() == count);
  for (std::size_t i = 0; i < count; ++i) REQUIRE(parcels[i] == std::to_string(i));
}

TEST_CASE("links: what two nodes post to each other arrives once and in order") {
  link_node a(1), b(2);
  introduce({&a, &b});
  constexpr int count = 50'000;
  std::thread other([&] {
    for (int i = 0; i < count; ++i) b.post_surely(1, std::to_string(i));
  });
  for (int i = 0; i < count; ++i) a.post_surely(2, std::to_string(i));
  other.join();
  REQUIRE(wait_until([&] { return a.received(2) == count && b.received(1) == count; }));
  check_counted(a.parcels(2), count);
  check_counted(b.parcels(1), count);
  CHECK_FALSE(a.had_two_at_once);
  CHECK_FALSE(b.had_two_at_once);
  CHECK(a.view(2).is_up);
  CHECK(a.view(2).figures.frames_sent < count / 2);
  CHECK(wait_until([&] { return a.view(2).round_trip.count() > 0; }));
  CHECK(wait_until([&] { return a.view(2).figures.in_flight_frames == 0; }));
}

TEST_CASE("links: what is posted before the nodes have met, arrives when they meet; a stranger can't be posted to") {
  link_node a(1);
  CHECK_FALSE(a.post(2, "x"));
  link_node b(2);
  a.links().set_peers({a.self(), b.self()});
  CHECK(a.post(2, "0"));
  CHECK(a.post(2, "1"));
  b.links().set_peers({a.self(), b.self()});
  REQUIRE(wait_until([&] { return b.received(1) == 2; }));
  check_counted(b.parcels(1), 2);
}

TEST_CASE("links: parcels arrive once and in order over many cuts, in both directions") {
  link_node a(1), b(2);
  tcp_proxy between(a.self().link_address.empty() ? 0 : a.links().port());
  auto a_seen_by_b = a.self();
  a_seen_by_b.link_address = "127.0.0.1:" + std::to_string(between.port());
  a.links().set_peers({a.self(), b.self()});
  b.links().set_peers({a_seen_by_b, b.self()});
  REQUIRE(wait_until([&] { return a.is_up(2) && b.is_up(1); }));

  std::atomic<bool> stops{false};
  std::atomic<std::size_t> from_a{0}, from_b{0};
  auto keep_posting = [&](link_node& node, std::uint16_t to, std::atomic<std::size_t>& count) {
    while (!stops) {
      for (int i = 0; i < 20 && node.post(to, std::to_string(count)); ++i) ++count;
      std::this_thread::yield();
    }
  };
  std::thread one([&] { keep_posting(a, 2, from_a); }), two([&] { keep_posting(b, 1, from_b); });
  std::mt19937 random(7);
  for (int cut = 1; cut <= 15; ++cut) {
    const auto before = b.received(1);
    CHECK(wait_until([&] { return b.received(1) > before + random() % 5000; }));
    between.cut();
    CHECK(wait_until([&] { return b.downs(1) >= cut; }));
  }
  stops = true;
  one.join();
  two.join();
  REQUIRE(wait_until([&] { return b.received(1) == from_a && a.received(2) == from_b; }, 30s));
  check_counted(b.parcels(1), from_a);
  check_counted(a.parcels(2), from_b);
  CHECK(a.lost().empty());
  CHECK(b.lost().empty());
  CHECK(b.view(1).reconnects >= 15);
}

TEST_CASE("links: a half-open connection is down after the patience, and goes on from where it was") {
  link_node a(1), b(2);
  tcp_proxy between(a.links().port());
  auto a_seen_by_b = a.self();
  a_seen_by_b.link_address = "127.0.0.1:" + std::to_string(between.port());
  a.links().set_peers({a.self(), b.self()});
  b.links().set_peers({a_seen_by_b, b.self()});
  REQUIRE(wait_until([&] { return a.is_up(2) && b.is_up(1); }));
  between.stall(true);
  CHECK(b.post(1, "0"));
  CHECK(wait_until([&] { return !a.is_up(2) && !b.is_up(1); }, 5s));
  CHECK(b.post(1, "1"));
  between.stall(false);
  REQUIRE(wait_until([&] { return a.received(2) == 2; }));
  check_counted(a.parcels(2), 2);
  CHECK(b.lost().empty());
}

TEST_CASE("links: a peer that restarts is another one; what its predecessor didn't get comes back") {
  link_node b(2);
  auto a = std::make_unique<link_node>(1);
  introduce({a.get(), &b});
  REQUIRE(wait_until([&] { return b.is_up(1); }));
  const auto port = a->links().port();
  a.reset();
  REQUIRE(wait_until([&] { return !b.is_up(1); }));
  for (int i = 0; i < 5; ++i) CHECK(b.post(1, std::to_string(i)));
  link_node next(
      1, [&](auto& with) { with.listen = "127.0.0.1:" + std::to_string(port); }, 2);

  SUBCASE("and says so itself") { next.links().set_peers({b.self(), next.self()}); }
  SUBCASE("as the topology says") { introduce({&next, &b}); }
  REQUIRE(wait_until([&] { return b.lost_incarnations().size() == 1; }));
  CHECK(b.lost_incarnations()[0] == 1);
  check_counted(b.lost(), 5);
  REQUIRE(wait_until([&] { return b.is_up(1) && next.is_up(2); }));
  CHECK(b.post(1, "0"));
  REQUIRE(wait_until([&] { return next.received(2) == 1; }));
  check_counted(next.parcels(2), 1);
}

TEST_CASE("links: the dialer's restart too is noticed by the one it dials") {
  link_node a(1);
  auto b = std::make_unique<link_node>(2);
  introduce({&a, b.get()});
  REQUIRE(wait_until([&] { return a.is_up(2); }));
  b.reset();
  REQUIRE(wait_until([&] { return !a.is_up(2); }));
  CHECK(a.post(2, "0"));
  link_node next(2, {}, 9);
  next.links().set_peers({a.self()});
  REQUIRE(wait_until([&] { return a.is_up(2) && next.is_up(1); }));
  check_counted(a.lost(), 1);
  CHECK(a.post(2, "0"));
  REQUIRE(wait_until([&] { return next.received(1) == 1; }));
}

TEST_CASE("links: who is no member any more gets nothing, and what it didn't get comes back") {
  link_node a(1), b(2);
  introduce({&a, &b});
  REQUIRE(wait_until([&] { return a.is_up(2) && b.is_up(1); }));
  a.links().set_peers({a.self()});
  REQUIRE(wait_until([&] { return a.lost_incarnations().size() == 1; }));
  CHECK_FALSE(a.post(2, "x"));
  CHECK(wait_until([&] { return !b.is_up(1); }));
  CHECK(b.post(1, "0"));
  CHECK(wait_until([&] { return a.links().gate_figures().refused > 0; }));
  CHECK_FALSE(b.is_up(1));
  introduce({&a, &b});  // the same incarnations meet again
  REQUIRE(wait_until([&] { return a.is_up(2) && b.is_up(1); }));
  CHECK(b.post(1, "last"));
  REQUIRE(wait_until([&] { return !a.parcels(2).empty() && a.parcels(2).back() == "last"; }));
}

TEST_CASE("links: three nodes in a mesh, each tells each") {
  const auto change = [](auto& with) { with.detector.pause = 60s; };
  link_node a(1, change), b(2, change), c(3, change);
  introduce({&a, &b, &c});
  link_node* all[] = {&a, &b, &c};
  constexpr int count = 5'000;
  std::vector<std::thread> posters;
  for (auto* from : all)
    posters.emplace_back([&, from] {
      for (int i = 0; i < count; ++i)
        for (auto* to : all)
          if (to != from) from->post_surely(to->self().node.value, std::to_string(i));
    });
  for (auto& each : posters) each.join();
  for (auto* to : all)
    for (auto* from : all) {
      if (to == from) continue;
      const auto who = from->self().node.value;
      REQUIRE(wait_until([&] { return to->received(who) == count; }));
      check_counted(to->parcels(who), count);
      CHECK(to->downs(who) == 0);
    }
}

TEST_CASE("links: nodes that don't fit refuse each other") {
  link_node a(1);
  SUBCASE("another cluster") {
    link_node b(2, [](auto& with) { with.cluster = "other"; });
    introduce({&a, &b});
    CHECK(wait_until([&] { return a.links().gate_figures().refused > 0; }));
    CHECK_FALSE(b.is_up(1));
  }
  SUBCASE("another node than the one that was dialled") {
    link_node b(3);
    auto wrong = identity(2, a.links().port());
    a.links().set_peers({b.self()});
    b.links().set_peers({wrong});
    CHECK(wait_until([&] { return a.links().gate_figures().refused > 0; }));
    CHECK_FALSE(b.is_up(2));
  }
  SUBCASE("an older incarnation than one that was seen") {
    link_node b(2, {}, 5);
    auto newer = b.self();
    newer.incarnation = 6;
    a.links().set_peers({newer});
    b.links().set_peers({a.self()});
    CHECK(wait_until([&] { return a.links().gate_figures().refused > 0; }));
    CHECK_FALSE(b.is_up(1));
  }
}

TEST_CASE(
    "links: a receiver that stands still makes post() refuse; memory stays within the window, and nothing is lost") {
  std::mutex still;
  link_node a(1), b(2, [](auto&with) {
    with.window.window_bytes_max = 256 << 10;
    with.window.waiting_bytes_max = 1 << 20;
    with.detector.pause = 60s;
  });
  a.on_parcel([&](std::uint16_t, std::string_view) { std::lock_guard wait(still); });
  introduce({&a, &b});
  REQUIRE(wait_until([&] { return a.is_up(2) && b.is_up(1); }));
  std::vector<std::string> posted;
  {
    std::lock_guard hold(still);
    const auto refused = wait_until([&] {
      for (int i = 0; i < 100; ++i) {
        auto parcel = std::to_string(posted.size()) + std::string(1000, '.');
        if (!b.post(1, parcel)) return true;
        posted.push_back(std::move(parcel));
      }
      return false;
    });
    CHECK(refused);
    const auto figures = b.view(1).figures;
    CHECK(figures.in_flight_bytes <= (256 << 10) + (64 << 10));
    CHECK(figures.waiting_bytes <= 1 << 20);
    CHECK(figures.refused > 0);
  }
  REQUIRE(wait_until([&] { return a.received(2) == posted.size(); }));
  CHECK(a.parcels(2) == posted);
}

TEST_CASE("links: they stop in the middle of traffic, soon, and post() then says no") {
  for (int round = 0; round < 5; ++round) {
    link_node a(1);
    auto b = std::make_unique<link_node>(2);
    introduce({&a, b.get()});
    std::atomic<bool> stops{false};
    std::thread poster([&] {
      while (!stops) (void)a.post(2, std::string(500, 'x'));
    });
    CHECK(wait_until([&] { return b->received(1) > 1000; }));
    const auto began = std::chrono::steady_clock::now();
    b->links().stop();
    a.links().stop();
    CHECK(std::chrono::steady_clock::now() - began < 3s);
    stops = true;
    poster.join();
    CHECK_FALSE(a.post(2, "x"));
  }
}

}  // namespace
}  // namespace throng
