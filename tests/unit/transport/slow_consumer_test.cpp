// SPDX-License-Identifier: Apache-2.0
// Clients that don't read: memory stays bounded, droppable frames go first, and nobody else notices.
#include <doctest/doctest.h>

#include "tests/support/test_certificate.hpp"
#include "tests/unit/transport/test_server.hpp"

namespace throng::test {
namespace {

using namespace std::chrono_literals;

transport_options tight_options() {
  auto options = small_options();
  options.io_threads = 1;
  options.send_buffer_bytes = 16 * 1024;
  options.outbox_bytes_max = 64 * 1024;
  options.ping_interval = 0ms;
  return options;
}

struct pair_fixture {
  std::shared_ptr<lambda_handler> slow = std::make_shared<lambda_handler>();
  std::shared_ptr<lambda_handler> quick = std::make_shared<lambda_handler>();
  test_server server;
  raw_client slow_client, quick_client;

  explicit pair_fixture(transport_options options, std::shared_ptr<tls_context> tls = nullptr)
      : server([this](http_request request,
                      http_responder answer) { answer.accept_websocket(request.path == "/slow" ? slow : quick); },
               options, tls),
        slow_client(server.port(), {.tls = tls != nullptr, .receive_buffer = 4096}),
        quick_client(server.port(), {.tls = tls != nullptr}) {
    REQUIRE(slow_client.upgrade("/slow").status == 101);
    REQUIRE(quick_client.upgrade("/quick").status == 101);
    REQUIRE(wait_until([&] { return slow->connection() && quick->connection(); }));
  }

  // Sends to both, a few a turn, while the quick client reads along.
  void flood(int count, const std::string& padding) {
    const auto to_slow = slow->connection();
    const auto to_quick = quick->connection();
    for (int i = 0; i < count; ++i) {
      const auto frame = encode_text_frame(std::to_string(i) + ":" + padding);
      to_quick->loop().post_always([to_slow, to_quick, frame] {
        to_slow->send(frame);
        to_quick->send(frame);
      });
      const auto seen = quick_client.read_frame();
      REQUIRE(seen);
      REQUIRE(seen->payload.substr(0, seen->payload.find(':')) == std::to_string(i));
      CHECK(server.figures().outbox_bytes <= 64 * 1024 + 2 * frame->size());
    }
  }
};

TEST_CASE("slow consumer: over the bound it is closed with 1013 and reset, and others get everything") {
  auto options = tight_options();
  options.close_timeout = 200ms;
  pair_fixture f(options);
  f.flood(2000, std::string(1000, 'x'));
  REQUIRE(f.slow->wait_for_close());
  CHECK(f.slow->closes() == std::vector<std::uint16_t>{1013});
  CHECK(f.server.figures().overflows == 1);
  CHECK(f.server.figures().stalled_writes == 1);
  CHECK(f.quick->closes().empty());
  CHECK(f.server.figures().connections == 1);
}

TEST_CASE("slow consumer: one that reads again gets 1013 as a whole frame behind what was half sent") {
  auto options = tight_options();
  options.close_timeout = 10s;
  pair_fixture f(options);
  f.flood(500, std::string(1000, 'x'));
  REQUIRE(wait_until([&] { return f.server.figures().overflows == 1; }));
  int next = 0;
  std::optional<raw_frame> frame;
  while ((frame = f.slow_client.read_frame()) && frame->opcode == 1) {
    CHECK(frame->payload.substr(0, frame->payload.find(':')) == std::to_string(next++));
  }
  REQUIRE(frame);
  CHECK(frame->opcode == 8);
  CHECK(frame->close_code() == 1013);
}

void check_resync(std::shared_ptr<tls_context> tls) {
  pair_fixture f(tight_options(), std::move(tls));
  f.slow->when_overflow = [] { return overflow_decision::resync; };
  f.slow->when_resync = [](websocket_connection& c) { c.send_text("resync:"); };
  f.flood(1000, std::string(1000, 'x'));
  CHECK(f.server.figures().overflows == 1);
  CHECK(f.server.figures().frames_skipped > 0);
  int next = 0;
  std::optional<raw_frame> frame;
  while ((frame = f.slow_client.read_frame()) && frame->payload != "resync:") {
    REQUIRE(frame->opcode == 1);
    REQUIRE(frame->payload.substr(0, frame->payload.find(':')) == std::to_string(next++));
  }
  REQUIRE(frame);
  CHECK(next < 1000);
  CHECK(f.server.figures().resyncs == 1);
  on_loop(f.slow->connection(), [](websocket_connection& c) { CHECK(c.send_text("in step")); });
  CHECK(f.slow_client.read_frame()->payload == "in step");
  CHECK(f.slow->closes().empty());
}

TEST_CASE("slow consumer: with resync it stays, is told once, and gets what comes after") { check_resync(nullptr); }

TEST_CASE("slow consumer: resync over TLS keeps the records whole") {
  const test_certificate files;
  check_resync(*tls_context::load(files.certificate(), files.key()));
}

TEST_CASE("slow consumer: typing and presence go first, messages stay") {
  pair_fixture f(tight_options());
  const auto connection = f.slow->connection();
  int messages = 0;
  on_loop(connection, [&](websocket_connection& c) {
    const auto message = encode_text_frame("m" + std::string(999, 'x'));
    const auto presence = encode_text_frame("p" + std::string(999, 'x'));
    const auto typing = encode_text_frame("t" + std::string(999, 'x'));
    // Fill the kernel and then the outbox with a mixture, until nothing but messages can make it.
    while (f.server.figures().frames_dropped == 0) {
      if (c.send(message)) ++messages;
      c.send(presence, delivery::presence);
      c.send(typing, delivery::typing);
    }
    CHECK(f.server.figures().overflows == 0);
    for (int i = 0; i < 20; ++i) {
      if (c.send(message)) ++messages;
    }
    CHECK(f.server.figures().overflows == 0);  // presence made room
    CHECK(f.server.figures().frames_dropped > 20);
    CHECK(c.outbox_bytes() <= 64 * 1024);
    c.close(1000);
  });
  int seen = 0;
  while (const auto frame = f.slow_client.read_frame()) {
    if (frame->opcode == 8) break;
    if (frame->payload[0] == 'm') ++seen;
  }
  CHECK(seen == messages);
}

TEST_CASE("slow consumer: a burst larger than the bound in one turn doesn't blame a client that reads") {
  auto options = tight_options();
  options.send_buffer_bytes = 0;
  options.notsent_lowat_bytes = 0;
  pair_fixture f(options);
  const auto connection = f.quick->connection();
  on_loop(connection, [](websocket_connection& c) {
    const auto frame = encode_text_frame(std::string(1000, 'x'));
    for (int i = 0; i < 400; ++i) CHECK(c.send(frame));  // six times the bound: flushed before it is judged
  });
  CHECK(f.server.figures().overflows == 0);
  for (int i = 0; i < 400; ++i) CHECK(f.quick_client.read_frame()->payload.size() == 1000);
}

TEST_CASE("slow consumer: without any progress it is reset, bound or no bound") {
  auto options = tight_options();
  options.write_stall_timeout = 200ms;
  pair_fixture f(options);
  on_loop(f.slow->connection(), [](websocket_connection& c) {
    for (int i = 0; i < 60; ++i) c.send_text(std::string(1000, 'x'));
  });
  // Less than the bound; but the kernel may have taken all of it.
  for (int i = 0; i < 1000 && f.server.figures().outbox_bytes == 0; ++i) {
    on_loop(f.slow->connection(), [](websocket_connection& c) { c.send_text(std::string(1000, 'x')); });
  }
  REQUIRE(f.slow->wait_for_close());
  CHECK(f.server.figures().stalled_writes == 1);
  CHECK(f.quick->closes().empty());
}

TEST_CASE("slow consumer: a client that sends pings and reads no pongs is slowed down, not served without end") {
  auto options = tight_options();
  options.write_stall_timeout = 300ms;
  pair_fixture f(options);
  const auto ping = raw_client::frame(9, std::string(125, 'p'));
  std::string many;
  for (int i = 0; i < 100; ++i) many += ping;
  std::thread sender([&] {
    try {
      while (f.slow_client.try_send(many)) {
      }
    } catch (const std::exception&) {  // the deadline: also a way of being slowed down
    }
  });
  REQUIRE(f.slow->wait_for_close());
  sender.join();
  CHECK(f.server.figures().outbox_bytes < 64 * 1024);
  CHECK(f.server.figures().stalled_writes == 1);
}

}  // namespace
}  // namespace throng::test
