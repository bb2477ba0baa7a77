// SPDX-License-Identifier: Apache-2.0
// HTTP over a real socket: what clients send, and what none should.
#include <zlib.h>

#include <doctest/doctest.h>

#include "tests/unit/transport/test_server.hpp"

namespace throng::test {
namespace {

using namespace std::chrono_literals;

bool is_json_error(const raw_response& response, std::string_view code) {
  return response.headers.at("content-type") == "application/json; charset=utf-8" &&
         response.body.find("\"ok\":false,\"error\":\"" + std::string(code) + "\"") != std::string::npos;
}

TEST_CASE("http: several requests share one connection") {
  test_server server(echo);
  raw_client client(server.port());
  for (int i = 0; i < 3; ++i) {
    const auto response = client.get("/api/x?n=" + std::to_string(i));
    CHECK(response.status == 200);
    CHECK(response.body == "GET /api/x?n=" + std::to_string(i) + " ");
    CHECK(response.headers.count("connection") == 0);
    CHECK(response.headers.count("date") == 1);
  }
  CHECK(server.figures().accepted == 1);
  CHECK(server.figures().requests == 3);
}

TEST_CASE("http: pipelined requests are answered in order, also when the handler answers later") {
  test_server server([](http_request request, http_responder answer) {
    auto& loop = answer.loop();
    auto shared = std::make_shared<http_responder>(std::move(answer));
    loop.after(std::chrono::milliseconds(request.path == "/slow" ? 30 : 0), [shared, path = request.path] {
      shared->send({.content_type = "text/plain", .headers = {}, .body = path});
    });
  });
  raw_client client(server.port());
  client.send(
      "GET /slow HTTP/1.1\r\nHost: x\r\n\r\nGET /fast HTTP/1.1\r\nHost: x\r\n\r\nPOST /last HTTP/1.1\r\nHost: "
      "x\r\nContent-Length: 3\r\n\r\nabc");
  CHECK(client.read_response().body == "/slow");
  CHECK(client.read_response().body == "/fast");
  CHECK(client.read_response().body == "/last");
}

TEST_CASE("http: 2000 pipelined requests that are answered at once don't grow the stack") {
  test_server server(echo);
  raw_client client(server.port());
  std::string all;
  for (int i = 0; i < 2000; ++i) all += "GET /" + std::to_string(i) + " HTTP/1.1\r\nHost: x\r\n\r\n";
  std::thread sender([&] { client.send(all); });
  for (int i = 0; i < 2000; ++i) CHECK(client.read_response().body == "GET /" + std::to_string(i) + "? ");
  sender.join();
}

TEST_CASE("http: HTTP/1.0 closes, unless the client asks to keep the connection") {
  test_server server(echo);
  raw_client closing(server.port());
  closing.send("GET /a HTTP/1.0\r\n\r\n");
  auto response = closing.read_response();
  CHECK(response.head.substr(0, 12) == "HTTP/1.0 200");
  CHECK(response.headers.at("connection") == "close");
  CHECK(closing.read_to_end().empty());

  raw_client keeping(server.port());
  for (int i = 0; i < 2; ++i) {
    keeping.send("POST /a HTTP/1.0\r\nConnection: Keep-Alive\r\nContent-Length: 1\r\n\r\nx");
    response = keeping.read_response();
    CHECK(response.headers.at("connection") == "keep-alive");
    CHECK(response.body == "POST /a? x");
  }
}

TEST_CASE("http: a POST without a body, and one with Content-Length 0, have an empty body") {
  test_server server(echo);
  raw_client client(server.port());
  client.send("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
  CHECK(client.read_response().body == "POST /a? ");
  client.send("POST /b HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(client.read_response().body == "POST /b? ");
}

TEST_CASE("http: a chunked body arrives joined, whatever the pieces") {
  test_server server(echo);
  raw_client client(server.port());
  const std::string request =
      "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1;x=y\r\n,\r\n6\r\n "
      "world\r\n0\r\nTrailer: 1\r\n\r\n";
  client.send(request);
  CHECK(client.read_response().body == "POST /a? hello, world");
  for (const char c : request) client.send({&c, 1});
  CHECK(client.read_response().body == "POST /a? hello, world");
}

TEST_CASE("http: Expect: 100-continue is answered before the body") {
  test_server server(echo);
  raw_client client(server.port());
  client.send("POST /a HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n");
  CHECK(client.read_response(false).status == 100);
  client.send("body");
  CHECK(client.read_response().body == "POST /a? body");
}

TEST_CASE("http: HEAD has the header of GET and no body") {
  test_server server(echo);
  raw_client client(server.port());
  client.send("HEAD /abc HTTP/1.1\r\nHost: x\r\n\r\n");
  const auto response = client.read_response(false);
  CHECK(response.headers.at("content-length") == "11");
  CHECK(client.get("/x").body == "GET /x? ");
}

TEST_CASE("http: an answer is compressed when asked for and worth it") {
  const std::string text(5000, 'x');
  test_server server([&](http_request request, http_responder answer) {
    answer.send({.headers = {}, .body = request.path == "/long" ? text : "short"});
  });
  raw_client client(server.port());
  auto response = client.get("/long", "Accept-Encoding: gzip, deflate\r\n");
  CHECK(response.headers.at("content-encoding") == "gzip");
  CHECK(response.headers.at("vary") == "Accept-Encoding");
  std::string plain(text.size(), '\0');
  z_stream z{};
  REQUIRE(inflateInit2(&z, 16 + 15) == Z_OK);
  z.next_in = reinterpret_cast<Bytef*>(response.body.data());
  z.avail_in = static_cast<uInt>(response.body.size());
  z.next_out = reinterpret_cast<Bytef*>(plain.data());
  z.avail_out = static_cast<uInt>(plain.size());
  CHECK(inflate(&z, Z_FINISH) == Z_STREAM_END);
  inflateEnd(&z);
  CHECK(plain == text);
  CHECK(client.get("/long").headers.count("content-encoding") == 0);
  CHECK(client.get("/short", "Accept-Encoding: gzip\r\n").headers.count("content-encoding") == 0);
  client.send("GET /long HTTP/1.0\r\nAccept-Encoding: gzip\r\n\r\n");
  response = client.read_response();
  CHECK(response.headers.at("content-encoding") == "gzip");
  CHECK(response.headers.count("transfer-encoding") == 0);
}

TEST_CASE("http: a responder that is dropped, and a handler that throws, answer 200 internal_error") {
  test_server server([](http_request request, http_responder answer) {
    if (request.path == "/throw") throw std::runtime_error("on purpose");
    if (request.path == "/thread")
      std::thread([a = std::move(answer)]() mutable { auto gone = std::move(a); }).detach();
  });
  raw_client client(server.port());
  for (const char* path : {"/drop", "/throw", "/thread"}) {
    const auto response = client.get(path);
    CHECK(response.status == 200);
    CHECK(response.body == R"({"ok":false,"error":"internal_error"})");
  }
  CHECK(server.figures().handler_failures == 3);
}

TEST_CASE("http: an answer may come from another thread") {
  test_server server([](http_request, http_responder answer) {
    std::thread([a = std::move(answer)]() mutable { a.send({.headers = {}, .body = "from afar"}); }).detach();
  });
  raw_client client(server.port());
  CHECK(client.get("/").body == "from afar");
  CHECK(client.get("/").body == "from afar");
}

TEST_CASE("http: garbage gets 400 with a reason, and the connection closes") {
  test_server server(echo);
  const std::string inputs[] = {
      "garbage\r\n\r\n",
      "GET / HTTP/9.9\r\n\r\n",
      "GET /\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n",
      "GET / HTTP/1.1\r\n\r\n",  // no Host
      "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
      "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\nx",
      "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
      std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11) + "TLS on a plain port"};
  for (const auto& input : inputs) {
    CAPTURE(input);
    raw_client client(server.port());
    client.send(input);
    const auto response = client.read_response();
    CHECK(response.status == 400);
    CHECK(is_json_error(response, "invalid_request"));
    CHECK(response.body.find("\"detail\":\"") != std::string::npos);
    CHECK(client.read_to_end().empty());
    CHECK_FALSE(client.was_reset());
  }
  CHECK(server.figures().bad_requests == std::size(inputs));
}

TEST_CASE("http: a request that is cut off is not handled, and nothing stays behind") {
  test_server server(echo);
  for (const char* input : {"GET / HT", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc"}) {
    raw_client client(server.port());
    client.send(input);
    client.shut_down_sending();
    CHECK(client.read_to_end().empty());
  }
  CHECK(wait_until([&] { return server.figures().connections == 0; }));
  CHECK(server.figures().requests == 0);
  CHECK(server.figures().request_bytes == 0);
}

TEST_CASE("http: a client that shuts down its sending side still gets its answer") {
  test_server server(echo);
  raw_client client(server.port());
  client.send("GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
  client.shut_down_sending();
  CHECK(client.read_response().body == "GET /a? ");
  CHECK(client.read_to_end().empty());
}

TEST_CASE("http: a header over its limit gets 431, however it comes") {
  auto options = small_options();
  options.header_bytes_max = 4096;
  test_server server(echo, options);
  const std::string header = "GET / HTTP/1.1\r\nHost: x\r\nX: " + std::string(8000, 'x') + "\r\n\r\n";
  for (const bool at_once : {true, false}) {
    raw_client client(server.port());
    if (at_once) {
      client.send(header);
    } else {
      for (std::size_t i = 0; i < header.size(); i += 100) {
        if (!client.try_send(header.substr(i, 100))) break;
      }
    }
    const auto response = client.read_response();
    CHECK(response.status == 431);
    CHECK(is_json_error(response, "header_too_large"));
  }
}

TEST_CASE("http: a body over its limit gets 413 with an answer that arrives, announced or chunked") {
  auto options = small_options();
  options.body_bytes_max = 10'000;
  test_server server(echo, options);
  raw_client announced(server.port());
  announced.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10001\r\n\r\n");
  CHECK(is_json_error(announced.read_response(), "request_too_large"));

  raw_client eager(server.port());
  eager.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n" + std::string(1'000'000, 'x'));
  auto response = eager.read_response();
  CHECK(response.status == 413);
  CHECK(eager.read_to_end().empty());
  CHECK_FALSE(eager.was_reset());

  raw_client chunked(server.port());
  chunked.send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n4e20\r\n" + std::string(20'000, 'x'));
  CHECK(chunked.read_response().status == 413);

  raw_client fits(server.port());
  fits.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10000\r\n\r\n" + std::string(10'000, 'x'));
  CHECK(fits.read_response().status == 200);
}

TEST_CASE("http: the bodies of all requests together are bounded") {
  auto options = small_options();
  options.io_threads = 1;
  options.bodies_bytes_max = 1'500'000;
  test_server server(echo, options);
  raw_client first(server.port());
  first.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n");
  REQUIRE(wait_until([&] { return server.figures().request_bytes == 1'000'000; }));
  raw_client second(server.port());
  second.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n");
  const auto response = second.read_response();
  CHECK(response.status == 429);
  CHECK(response.headers.at("retry-after") == "1");
  first.send(std::string(1'000'000, 'x'));
  CHECK(first.read_response().status == 200);
  CHECK(server.figures().request_bytes == 0);
}

TEST_CASE("http: a client that never finishes its header, or its body, gets 408") {
  auto options = small_options();
  options.header_timeout = 100ms;
  options.body_timeout = 100ms;
  test_server server(echo, options);
  raw_client header(server.port());
  header.send("GET / HTTP/1.1\r\nHo");
  auto response = header.read_response();
  CHECK(response.status == 408);
  CHECK(is_json_error(response, "request_timeout"));
  CHECK(header.read_to_end().empty());

  raw_client dripping(server.port());  // a byte now and then must not buy time
  std::string drip = "GET / HTTP/1.1\r\nX: ";
  dripping.send(drip);
  CHECK(wait_until([&] {
    (void)dripping.try_send("x");
    return server.figures().bad_requests == 2;
  }));

  raw_client body(server.port());
  body.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab");
  CHECK(body.read_response().status == 408);

  raw_client silent(server.port());  // never sent anything: just closed
  CHECK(silent.read_to_end().empty());
  CHECK(wait_until([&] { return server.figures().connections == 1; }));  // the dripping one, until it closes
}

TEST_CASE("http: an idle connection is closed after its time") {
  auto options = small_options();
  options.idle_timeout = 80ms;
  test_server server(echo, options);
  raw_client client(server.port());
  CHECK(client.get("/").status == 200);
  CHECK(client.read_to_end().empty());
}

TEST_CASE("http: a client that asks for much and reads nothing is reset, and its memory is bounded") {
  auto options = small_options();
  options.write_stall_timeout = 300ms;
  options.send_buffer_bytes = 16 * 1024;
  test_server server(
      [](http_request, http_responder answer) { answer.send({.headers = {}, .body = std::string(200'000, 'x')}); },
      options);
  raw_client greedy(server.port(), {.receive_buffer = 4096});
  for (int i = 0; i < 1000; ++i) {
    if (!greedy.try_send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")) break;
  }
  std::uint64_t most = 0;
  CHECK(wait_until([&] {
    most = std::max(most, server.figures().outbox_bytes);
    return server.figures().stalled_writes == 1;
  }));
  CHECK(most < 500'000);
  CHECK(server.figures().outbox_bytes == 0);
  raw_client other(server.port());
  CHECK(other.get("/").body.size() == 200'000);
}

TEST_CASE("server: stop answers what is under way, closes what is idle, and ends") {
  std::optional<test_server> server;
  std::mutex mutex;
  std::optional<http_responder> waiting;
  server.emplace([&](http_request request, http_responder answer) {
    if (request.path != "/wait") return echo(std::move(request), std::move(answer));
    const std::lock_guard lock(mutex);
    waiting = std::move(answer);
  });
  raw_client idle(server->port());
  CHECK(idle.get("/").status == 200);
  raw_client busy(server->port());
  busy.send("GET /wait HTTP/1.1\r\nHost: x\r\n\r\n");
  REQUIRE(wait_until([&] {
    const std::lock_guard lock(mutex);
    return waiting.has_value();
  }));
  std::thread stopper([&] { (*server)->stop(5s); });
  CHECK(idle.read_to_end().empty());
  CHECK_THROWS(raw_client(server->port()));
  {
    const std::lock_guard lock(mutex);
    waiting->send({.headers = {}, .body = "finished"});
  }
  const auto response = busy.read_response();
  CHECK(response.body == "finished");
  CHECK(response.headers.at("connection") == "close");
  busy.close();
  stopper.join();
  CHECK(server->figures().connections == 0);
}

TEST_CASE("server: a responder may outlive its server") {
  std::optional<http_responder> kept;
  std::atomic<bool> is_kept{false};
  {
    test_server server([&](http_request, http_responder answer) {
      kept = std::move(answer);
      is_kept = true;
    });
    raw_client client(server.port());
    client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    REQUIRE(wait_until([&] { return is_kept.load(); }));
    server->stop(10ms);
  }
  kept->send({});
  CHECK_FALSE(*kept);
}

TEST_CASE("server: an address that is taken or makes no sense is refused with a reason") {
  test_server server(echo);
  auto taken = server->listen({.address = {"127.0.0.1", server.port()}, .handler = echo, .tls = nullptr});
  REQUIRE_FALSE(taken.ok());
  CHECK(taken.code() == errc::unavailable);
  CHECK(taken.failure().detail.find("in use") != std::string::npos);
  auto nonsense = server->listen({.address = {"no such host!", 1}, .handler = echo, .tls = nullptr});
  REQUIRE_FALSE(nonsense.ok());
  CHECK(nonsense.code() == errc::invalid_arguments);
}

TEST_CASE("io loop: posted functions run in order on its thread, and a full inbox refuses") {
  auto options = small_options();
  options.inbox_tasks_max = 10;
  server server(options);
  auto& loop = server.loop(1);
  CHECK(loop.index() == 1);
  CHECK_FALSE(loop.is_current());
  std::atomic<bool> is_blocked{false}, may_go{false};
  REQUIRE(loop.post([&] {
    is_blocked = true;
    while (!may_go) std::this_thread::yield();
  }));
  REQUIRE(wait_until([&] { return is_blocked.load(); }));
  std::string order;
  bool was_current = false;
  std::atomic<int> ran{0};
  for (char c = 'a'; c < 'a' + 10; ++c) {
    REQUIRE(loop.post([&, c] {
      order.push_back(c);
      was_current = loop.is_current();
      ++ran;
    }));
  }
  CHECK_FALSE(loop.post([] {}));
  CHECK(server.figures().inbox_refused == 1);
  may_go = true;
  CHECK(wait_until([&] { return ran == 10; }));
  CHECK(order == "abcdefghij");
  CHECK(was_current);
  server.stop();
  CHECK_FALSE(loop.post([] {}));
}

}  // namespace
}  // namespace throng::test
