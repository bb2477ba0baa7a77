// SPDX-License-Identifier: Apache-2.0
// Websockets over a real socket: what RFC 6455 asks for, what bad clients send, and the order of what goes out.
#include <doctest/doctest.h>

#include "tests/support/test_certificate.hpp"
#include "tests/unit/transport/test_server.hpp"

namespace throng::test {
namespace {

using namespace std::chrono_literals;

std::shared_ptr<lambda_handler> echo_handler() {
  auto handler = std::make_shared<lambda_handler>();
  handler->when_text = [](websocket_connection& connection, std::string_view text) { connection.send_text(text); };
  return handler;
}

struct websocket_fixture {
  std::shared_ptr<lambda_handler> handler = echo_handler();
  test_server server;
  raw_client client;
  explicit websocket_fixture(transport_options options = small_options(), client_options how = {})
      : server(upgrade_to(handler), options), client(server.port(), how) {
    REQUIRE(client.upgrade().status == 101);
    REQUIRE(wait_until([&] { return handler->connection() != nullptr; }));
  }
  // The server's close frame, what on_close was told, and an orderly end of the stream.
  void check_close(std::uint16_t code) {
    std::optional<raw_frame> frame;
    do frame = client.read_frame();
    while (frame && frame->opcode != 8);
    REQUIRE(frame);
    CHECK(frame->close_code() == code);
    CHECK(client.read_to_end().empty());
    CHECK_FALSE(client.was_reset());
    REQUIRE(handler->wait_for_close());
    CHECK(handler->closes() == std::vector<std::uint16_t>{code});
  }
};

TEST_CASE("websocket: the upgrade answers the key, and messages go both ways") {
  auto handler = echo_handler();
  test_server server(upgrade_to(handler));
  raw_client client(server.port());
  const auto response = client.upgrade();
  CHECK(response.status == 101);
  CHECK(response.headers.at("sec-websocket-accept") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");  // RFC 6455 §1.3
  CHECK(response.headers.count("sec-websocket-protocol") == 0);
  for (const std::size_t size : {0, 1, 125, 126, 128, 129, 1600, 20'000, 65'536}) {
    const std::string text(size, 'x');
    client.send_text(text);
    const auto frame = client.read_frame();
    REQUIRE(frame);
    CHECK(frame->opcode == 1);
    CHECK(frame->payload == text);
  }
  client.send(raw_client::frame(2, "binary"));
  CHECK(wait_until([&] { return handler->binaries() == std::vector<std::string>{"binary"}; }));
  CHECK(server.figures().websockets == 1);
  CHECK(server.figures().messages_in == 10);
}

TEST_CASE("websocket: the handler's subprotocol is answered") {
  test_server server([](http_request request, http_responder answer) {
    CHECK(request.is_websocket);
    CHECK(request.header("sec-websocket-protocol") == "throng.v1, other");
    answer.accept_websocket(echo_handler(), "throng.v1");
  });
  raw_client client(server.port());
  const auto response = client.upgrade("/stream", "Sec-WebSocket-Protocol: throng.v1, other\r\n");
  CHECK(response.headers.at("sec-websocket-protocol") == "throng.v1");
}

TEST_CASE("websocket: frames sent before the 101 has come are not lost") {
  auto handler = echo_handler();
  test_server server(upgrade_to(handler));
  raw_client client(server.port());
  client.send(raw_client::upgrade_request() + raw_client::frame(1, "early") + raw_client::frame(1, "bird"));
  CHECK(client.read_response(false).status == 101);
  CHECK(client.read_frame()->payload == "early");
  CHECK(client.read_frame()->payload == "bird");
}

TEST_CASE("websocket: an offer of compression is declined") {
  test_server server(upgrade_to(echo_handler()));
  raw_client client(server.port());
  const auto response = client.upgrade("/", "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n");
  CHECK(response.status == 101);
  CHECK(response.headers.count("sec-websocket-extensions") == 0);
}

TEST_CASE("websocket: a request that is no proper upgrade can't become one") {
  test_server server([](http_request request, http_responder answer) {
    CHECK_FALSE(request.is_websocket);
    answer.accept_websocket(echo_handler());
  });
  for (const char* headers :
       {"",
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 8\r\nSec-WebSocket-Key: "
        "dGhlIHNhbXBsZSBub25jZQ==\r\n",
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: short\r\n",
        "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"}) {
    raw_client client(server.port());
    const auto response = client.get("/ws", headers);
    CHECK(response.status == 426);
    CHECK(response.headers.at("sec-websocket-version") == "13");
  }
}

TEST_CASE("websocket: fragments with a ping between them make one message, and the ping is answered first") {
  websocket_fixture f;
  f.client.send(raw_client::frame(1, "one, ", false) + raw_client::frame(0, "", false) + raw_client::frame(9, "p") +
                raw_client::frame(0, "two", true));
  auto frame = f.client.read_frame();
  CHECK(frame->opcode == 10);
  CHECK(frame->payload == "p");
  CHECK(f.client.read_frame()->payload == "one, two");
}

TEST_CASE("websocket: UTF-8 is checked across fragments") {
  websocket_fixture f;
  const std::string euro = "\xe2\x82\xac";
  f.client.send(raw_client::frame(1, euro.substr(0, 1), false) + raw_client::frame(0, euro.substr(1), true));
  CHECK(f.client.read_frame()->payload == euro);
}

TEST_CASE("websocket: bad frames are closed with the code that says why") {
  struct bad {
    std::string what;
    std::string bytes;
    std::uint16_t code;
  };
  const std::vector<bad> cases = {
      {"invalid UTF-8", raw_client::frame(1, "\xff\xfe"), 1007},
      {"cut off UTF-8", raw_client::frame(1, "\xe2\x82"), 1007},
      {"unmasked", raw_client::frame(1, "x", true, false), 1002},
      {"reserved opcode", raw_client::frame(3, "x"), 1002},
      {"reserved bit", "\xc1" + raw_client::frame(1, "x").substr(1), 1002},
      {"continuation of nothing", raw_client::frame(0, "x"), 1002},
      {"fragmented ping", raw_client::frame(9, "x", false), 1002},
      {"ping of 126 bytes", raw_client::frame(9, std::string(126, 'x')), 1002},
      {"too big", raw_client::frame(1, std::string(70'000, 'x')), 1009},
      {"announces 2^62 bytes", std::string("\x81\xff\x40\0\0\0\0\0\0\0\x12\x34\x56\x78", 14), 1009},
      {"many fragments, too big together",
       raw_client::frame(1, std::string(40'000, 'x'), false) + raw_client::frame(0, std::string(40'000, 'x')), 1009},
      {"close code 1005", raw_client::frame(8, std::string("\x03\xed", 2)), 1002},
      {"close of one byte", raw_client::frame(8, "x"), 1002},
  };
  for (const auto& c : cases) {
    CAPTURE(c.what);
    websocket_fixture f;
    f.client.send(c.bytes);
    f.check_close(c.code);
    CHECK(f.server.figures().protocol_closes == 1);
    CHECK(wait_until([&] {
      f.client.close();
      return f.server.figures().connections == 0;
    }));
  }
}

TEST_CASE("websocket: the client's close is echoed and reported") {
  websocket_fixture f;
  f.client.send(raw_client::frame(8, std::string("\x03\xe8", 2) + "bye"));
  f.check_close(1000);
  CHECK(f.server.figures().protocol_closes == 0);
}

TEST_CASE("websocket: a close without a code is reported as 1005, a lost line as 1006") {
  {
    websocket_fixture f;
    f.client.send(raw_client::frame(8, ""));
    CHECK(f.client.read_frame()->opcode == 8);
    REQUIRE(f.handler->wait_for_close());
    CHECK(f.handler->closes() == std::vector<std::uint16_t>{1005});
  }
  websocket_fixture f;
  f.client.close();
  REQUIRE(f.handler->wait_for_close());
  CHECK(f.handler->closes() == std::vector<std::uint16_t>{1006});
}

TEST_CASE("websocket: the server's close waits for the client's, and comes behind what was sent") {
  websocket_fixture f;
  auto connection = f.handler->connection();
  on_loop(connection, [](websocket_connection& c) {
    c.send_text("last words");
    c.close(1001, "going away");
    CHECK_FALSE(c.send_text("too late"));
    c.close(1000);  // ignored
  });
  CHECK(f.client.read_frame()->payload == "last words");
  const auto frame = f.client.read_frame();
  CHECK(frame->opcode == 8);
  CHECK(frame->close_code() == 1001);
  CHECK(frame->payload.substr(2) == "going away");
  CHECK(f.handler->closes().empty());
  f.client.send_text("ignored");
  f.client.send(raw_client::frame(8, frame->payload));
  CHECK(f.client.read_to_end().empty());
  REQUIRE(f.handler->wait_for_close());
  CHECK(f.handler->closes() == std::vector<std::uint16_t>{1001});
  CHECK(f.handler->texts().empty());
}

TEST_CASE("websocket: a client that never answers a close is reset") {
  auto options = small_options();
  options.close_timeout = 100ms;
  websocket_fixture f(options);
  on_loop(f.handler->connection(), [](websocket_connection& c) { c.close(1000); });
  CHECK(f.client.read_frame()->opcode == 8);
  CHECK(f.client.read_to_end().empty());
  CHECK(f.client.was_reset());
  REQUIRE(f.handler->wait_for_close());
  CHECK(f.server.figures().connections == 0);
}

TEST_CASE("websocket: pings come at their interval, and a client that answers them stays") {
  auto options = small_options();
  options.ping_interval = 100ms;
  options.ping_timeout = 100ms;
  websocket_fixture f(options);
  for (int i = 0; i < 4; ++i) {
    const auto frame = f.client.read_frame();
    REQUIRE(frame);
    CHECK(frame->opcode == 9);
    f.client.send(raw_client::frame(10, frame->payload));
  }
  CHECK(f.server.figures().dead_peers == 0);
}

TEST_CASE("websocket: a client that answers no ping is dead") {
  auto options = small_options();
  options.ping_interval = 100ms;
  options.ping_timeout = 100ms;
  websocket_fixture f(options);
  REQUIRE(f.handler->wait_for_close());
  CHECK(f.handler->closes() == std::vector<std::uint16_t>{1006});
  CHECK(f.server.figures().dead_peers == 1);
}

TEST_CASE("websocket: a paused connection delivers again after resume") {
  websocket_fixture f;
  auto connection = f.handler->connection();
  on_loop(connection, [](websocket_connection& c) { c.pause(); });
  for (int i = 0; i < 5; ++i) f.client.send_text(std::to_string(i));
  std::thread later([&] { on_loop(connection, [](websocket_connection& c) { c.resume(); }); });
  for (int i = 0; i < 5; ++i) CHECK(f.client.read_frame()->payload == std::to_string(i));
  later.join();
}

TEST_CASE("websocket: a handler that throws costs its own connection only") {
  auto handler = std::make_shared<lambda_handler>();
  handler->when_text = [](websocket_connection& c, std::string_view text) {
    if (text == "throw") throw std::runtime_error("on purpose");
    c.send_text(text);
  };
  auto other_handler = echo_handler();
  test_server server([&](http_request request, http_responder answer) {
    answer.accept_websocket(request.path == "/other" ? other_handler : handler);
  });
  raw_client client(server.port()), other(server.port());
  client.upgrade("/ws");
  other.upgrade("/other");
  client.send_text("throw");
  const auto frame = client.read_frame();
  CHECK(frame->opcode == 8);
  CHECK(frame->close_code() == 1011);
  other.send_text("fine");
  CHECK(other.read_frame()->payload == "fine");
}

TEST_CASE("websocket: a handle is harmless after the end") {
  websocket_fixture f;
  auto connection = f.handler->connection();
  f.client.close();
  REQUIRE(f.handler->wait_for_close());
  on_loop(connection, [](websocket_connection& c) {
    CHECK_FALSE(c.send_text("x"));
    c.close(1000);
    c.pause();
    c.resume();
    CHECK(c.outbox_bytes() == 0);
  });
}

TEST_CASE("server: stop closes websockets with 1001 and ends when they have answered") {
  auto handler = echo_handler();
  test_server server(upgrade_to(handler));
  raw_client client(server.port());
  client.upgrade();
  REQUIRE(wait_until([&] { return handler->connection() != nullptr; }));
  std::thread stopper([&] { server->stop(10s); });
  const auto frame = client.read_frame();
  if (!frame) stopper.join();
  REQUIRE(frame);
  CHECK(frame->close_code() == 1001);
  client.send(raw_client::frame(8, frame->payload));
  CHECK(client.read_to_end().empty());
  client.close();
  stopper.join();
  CHECK(handler->closes() == std::vector<std::uint16_t>{1001});
}

// Many pings against a flood through a tiny socket buffer: pongs and shared frames meet in the middle of partial
// writes all the time, and every frame must still be whole and in order.
void check_interleaving(bool tls, std::shared_ptr<tls_context> context) {
  auto options = small_options();
  options.send_buffer_bytes = 4608;
  options.outbox_bytes_max = 100'000'000;
  options.ping_interval = 0ms;
  auto handler = std::make_shared<lambda_handler>();
  test_server server(upgrade_to(handler), options, std::move(context));
  raw_client client(server.port(), {.tls = tls, .receive_buffer = 4096});
  REQUIRE(client.upgrade().status == 101);
  REQUIRE(wait_until([&] { return handler->connection() != nullptr; }));
  const auto connection = handler->connection();
  constexpr int count = 3000;
  constexpr int pings = 300;
  std::atomic<bool> is_closing{false}, saw_pong{false};
  std::thread flood([&] {
    for (int i = 0; i < count; i += 10) {
      std::vector<shared_frame> batch;
      for (int j = i; j < i + 10; ++j) {
        std::string text = std::to_string(j) + ":";
        text.resize(1 + static_cast<std::size_t>(j * 37 % 2048) + text.size(), 'x');
        batch.push_back(encode_text_frame(text));
      }
      connection->loop().post_always([connection, batch] {
        for (const auto& frame : batch) connection->send(frame);
      });
    }
    wait_until([&] { return saw_pong.load(); });  // a close that overtakes all pings would prove nothing
    connection->loop().post_always([connection, &is_closing] {
      connection->close(1001);
      is_closing = true;
    });
  });
  for (int i = 0; i < pings; ++i) client.send(raw_client::frame(9, std::to_string(i)));
  int next_text = 0, next_pong = 0;
  bool is_closed = false;
  while (const auto frame = client.read_frame()) {
    REQUIRE_FALSE(is_closed);  // nothing may follow the close frame
    if (frame->opcode == 1) {
      const std::string head = std::to_string(next_text) + ":";
      REQUIRE(frame->payload.substr(0, head.size()) == head);
      REQUIRE(frame->payload.size() == head.size() + 1 + static_cast<std::size_t>(next_text * 37 % 2048));
      ++next_text;
    } else if (frame->opcode == 10) {
      REQUIRE(frame->payload == std::to_string(next_pong));
      ++next_pong;
      saw_pong = true;
    } else {
      REQUIRE(frame->opcode == 8);
      CHECK(frame->close_code() == 1001);
      is_closed = true;
      client.send(raw_client::frame(8, frame->payload));
    }
  }
  flood.join();
  CHECK(next_text == count);
  CHECK(next_pong > 0);
  CHECK(is_closed);
}

TEST_CASE("websocket: pongs queue up between whole frames of a flood") { check_interleaving(false, nullptr); }

TEST_CASE("websocket: pongs queue up between whole frames of a flood, over TLS") {
  const test_certificate files;
  check_interleaving(true, *tls_context::load(files.certificate(), files.key()));
}

}  // namespace
}  // namespace throng::test
