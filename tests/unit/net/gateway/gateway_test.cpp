// SPDX-License-Identifier: Apache-2.0
// A gateway that is drained, and called back in the middle of it.
#include "net/gateway/gateway.hpp"

#include <set>

#include <doctest/doctest.h>

#include "tests/unit/net/gateway/rtm_town.hpp"

namespace throng::test {
namespace {

/// What became of one upgrade.
struct knock final : http_responder::exchange {
  explicit knock(manual_loop& on) : loop_(on) {}
  void answer(http_response response) override { status = response.status; }
  void upgrade(std::shared_ptr<websocket_handler> handler, std::string) override { client = std::move(handler); }
  void drop() override { status = 500; }
  io_loop& loop() override { return loop_; }

  unsigned status = 0;
  std::shared_ptr<websocket_handler> client;

 private:
  manual_loop& loop_;
};

struct house {
  house() {
    auto& caller = *entities.attach.mutable_caller();
    caller.set_team(team.value);
    caller.set_user(ann.value);
    loop.run();
  }
  ~house() {
    gate.stay();
    for (auto& each : clients) each->on_close(1006);
    entities.questions.clear();
    loop.advance(1s);
  }
  /// The status with which it was refused; 0: it has its hello.
  unsigned connect() {
    auto asked = std::make_shared<knock>(loop);
    http_request request;
    request.method = "GET";
    request.path = request.target = rtm_path({session_id{++sessions}, std::string(16, 't')});
    request.is_websocket = true;
    gate.handle(std::move(request), http_responder(asked));
    loop.run();
    if (!asked->client) return asked->status;
    clients.push_back(asked->client);
    sockets.push_back(std::make_shared<fake_socket>(loop));
    clients.back()->on_open(sockets.back());
    loop.run();
    CHECK(sockets.back()->take().size() == 1);
    return 0;
  }
  /// The connections that were told to go.
  std::set<std::uint64_t> parted() const {
    std::set<std::uint64_t> all;
    for (const auto& each : entities.all_asked<PartRequest>()) all.insert(each->connection());
    return all;
  }
  std::size_t closed() const {
    return static_cast<std::size_t>(
        std::ranges::count_if(sockets, [](const auto& each) { return each->closed.has_value(); }));
  }

  manual_loop loop;
  scripted_region entities{loop};
  gateway gate{node_index{1}, entities, {&loop}, gateway_options{.fan_out = {}, .rtm = {}, .drain_rate = 4}};
  std::uint64_t sessions = 0;
  std::vector<std::shared_ptr<websocket_handler>> clients;
  std::vector<std::shared_ptr<fake_socket>> sockets;
};

const drain_order elsewhere{"http://n1.example", {"http://n2.example"}};

}  // namespace

TEST_CASE("gateway: one that stays after all keeps those who weren't told to go, and takes new ones") {
  constexpr std::size_t all = 40;
  house h;
  for (std::size_t i = 0; i < all; ++i) REQUIRE(h.connect() == 0);
  h.gate.drain(elsewhere, 1min);  // four a second: ten seconds
  h.loop.advance(3s);
  const auto told = h.parted();
  CHECK(told.size() >= all / 5);
  CHECK(told.size() <= all / 2);
  CHECK(h.connect() == 503);
  CHECK(h.gate.place_for("ws://n1.example") == "ws://n2.example");

  h.gate.stay();
  h.loop.advance(20s);
  CHECK(h.parted() == told);
  CHECK(h.closed() == told.size());
  CHECK(h.gate.place_for("ws://n1.example") == "ws://n1.example");
  REQUIRE(h.connect() == 0);
  h.entities.publish(key_of(room), 1, post("still here"));
  h.loop.run();
  for (const auto& each : h.sockets)
    if (!each->closed) CHECK(each->take().size() == 1);

  // Once more, for all who are there.
  h.gate.drain(elsewhere, 1min);
  h.loop.advance(20s);
  CHECK(h.parted().size() == all + 1);
  CHECK(h.closed() == all + 1);
}

}  // namespace throng::test
