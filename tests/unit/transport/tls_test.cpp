// SPDX-License-Identifier: Apache-2.0
// The main cases again over TLS, and what only TLS has: certificates, handshakes that stop half-way, records.
#include <fstream>
#include <sys/resource.h>

#include <doctest/doctest.h>

#include "tests/support/test_certificate.hpp"
#include "tests/unit/transport/test_server.hpp"

namespace throng::test {
namespace {

using namespace std::chrono_literals;

std::shared_ptr<tls_context> context() {
  static const test_certificate files;
  auto loaded = tls_context::load(files.certificate(), files.key());
  REQUIRE_MESSAGE(loaded.ok(), (loaded ? std::string() : loaded.failure().detail));
  return *loaded;
}

constexpr client_options secure{.tls = true};

TEST_CASE("tls: requests of all sizes, pipelined and kept alive") {
  test_server server(
      [](http_request request, http_responder answer) {
        CHECK(request.is_tls);
        answer.send({.headers = {}, .body = std::string(request.body.size(), 'y')});
      },
      small_options(), context());
  raw_client client(server.port(), secure);
  for (const std::size_t size : {0, 1, 5000, 16'384, 16'385, 300'000}) {
    const std::string request =
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(size) + "\r\n\r\n" + std::string(size, 'x');
    client.send(request + request);
    CHECK(client.read_response().body.size() == size);
    CHECK(client.read_response().body.size() == size);
  }
  CHECK(server.figures().tls_handshakes == 1);
}

TEST_CASE("tls: refused requests get their answer and an orderly end") {
  test_server server(echo, small_options(), context());
  raw_client client(server.port(), secure);
  client.send("garbage\r\n\r\n");
  CHECK(client.read_response().status == 400);
  CHECK(client.read_to_end().empty());
}

TEST_CASE("tls: websockets echo, answer pings and close") {
  auto handler = std::make_shared<lambda_handler>();
  handler->when_text = [](websocket_connection& c, std::string_view text) { c.send_text(text); };
  test_server server(upgrade_to(handler), small_options(), context());
  raw_client client(server.port(), secure);
  client.send(raw_client::upgrade_request() + raw_client::frame(1, "early"));
  CHECK(client.read_response(false).status == 101);
  CHECK(client.read_frame()->payload == "early");
  const std::string large(60'000, 'x');
  client.send(raw_client::frame(1, large) + raw_client::frame(9, "ping"));
  CHECK(client.read_frame()->payload == large);
  CHECK(client.read_frame()->opcode == 10);
  client.send(raw_client::frame(8, std::string("\x03\xe8", 2)));
  CHECK(client.read_frame()->close_code() == 1000);
  CHECK(client.read_to_end().empty());
  REQUIRE(handler->wait_for_close());
  CHECK(handler->closes() == std::vector<std::uint16_t>{1000});
}

TEST_CASE("tls: a handshake that stops half-way times out, and costs no CPU meanwhile") {
  auto options = small_options();
  options.handshake_timeout = 400ms;
  test_server server(echo, options, context());
  rusage before{}, after{};
  getrusage(RUSAGE_SELF, &before);
  raw_client silent(server.port()), half(server.port());
  half.send(std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 and no more", 24));
  CHECK(silent.read_to_end().empty());
  CHECK(half.read_to_end().empty());
  getrusage(RUSAGE_SELF, &after);
  const auto cpu_us = [](const rusage& r) {
    return (r.ru_utime.tv_sec + r.ru_stime.tv_sec) * 1'000'000 + r.ru_utime.tv_usec + r.ru_stime.tv_usec;
  };
  CHECK(cpu_us(after) - cpu_us(before) < 150'000);  // a spinning loop would use all of 400 ms
  CHECK(wait_until([&] { return server.figures().connections == 0; }));
  CHECK(server.figures().tls_failures == 2);
}

TEST_CASE("tls: plain HTTP on a TLS port is a failed handshake, and others are served on") {
  test_server server(echo, small_options(), context());
  raw_client plain(server.port());
  plain.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  plain.read_to_end();
  CHECK(wait_until([&] { return server.figures().tls_failures == 1; }));
  raw_client good(server.port(), secure);
  CHECK(good.get("/").status == 200);
}

TEST_CASE("tls: certificates that can't work are refused with the file's name and the reason") {
  const test_certificate good, other, expired(-7200, -3600), future(3600, 7200);
  const auto why = [](const std::string& certificate, const std::string& key) {
    const auto loaded = tls_context::load(certificate, key);
    return loaded ? std::string("loaded") : loaded.failure().detail;
  };
  CHECK(why(good.certificate(), good.key()) == "loaded");
  CHECK(why("/no/such.pem", good.key()) == "can't read the certificate /no/such.pem: No such file or directory");
  CHECK(why(good.certificate(), "/no/key.pem").find("can't read the key /no/key.pem") == 0);
  CHECK(why(good.key(), good.key()).find("not a PEM certificate: " + good.key()) == 0);
  CHECK(why(good.certificate(), good.certificate()).find("not a PEM private key: " + good.certificate()) == 0);
  CHECK(why(good.certificate(), other.key()).find("doesn't belong to the certificate") != std::string::npos);
  CHECK(why(expired.certificate(), expired.key()).find("has expired") != std::string::npos);
  CHECK(why(future.certificate(), future.key()).find("not valid yet") != std::string::npos);
}

}  // namespace
}  // namespace throng::test
