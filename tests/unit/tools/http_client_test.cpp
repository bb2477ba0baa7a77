// SPDX-License-Identifier: Apache-2.0
// The pure parts, and the client against a server of the test's own that says what it is told to.
#include "tools/common/http_client.hpp"

#include <netinet/in.h>
#include <sys/socket.h>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

using namespace throng;

namespace {

/// Accepts one connection after the other; on each it reads requests and sends one of `answers` for each, then closes.
class scripted_server {
 public:
  explicit scripted_server(std::vector<std::vector<std::string>> answers)
      : listener_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    REQUIRE(::bind(listener_.value(), reinterpret_cast<sockaddr*>(&address), size) == 0);
    REQUIRE(::listen(listener_.value(), 8) == 0);
    ::getsockname(listener_.value(), reinterpret_cast<sockaddr*>(&address), &size);
    url = {"http", "127.0.0.1", ntohs(address.sin_port), "/"};
    thread_ = std::thread([this, answers = std::move(answers)] {
      for (const auto& connection : answers) {
        unique_fd fd(::accept(listener_.value(), nullptr, nullptr));
        for (const auto& answer : connection) {
          std::string request;
          while (request.find("\r\n\r\n") == request.npos && receive_some(fd.value(), request, deadline())) {
          }
          requests.push_back(request);
          (void)send_all(fd.value(), answer, deadline());  // the client may be gone: it says so
        }
      }
    });
  }
  ~scripted_server() { thread_.join(); }

  static std::chrono::steady_clock::time_point deadline() {
    return std::chrono::steady_clock::now() + std::chrono::seconds(20);
  }
  http_url url;
  std::vector<std::string> requests;

 private:
  unique_fd listener_;
  std::thread thread_;
};

}  // namespace

TEST_CASE("http client: URLs") {
  const auto url = parse_http_url("http://localhost:8081/a?b=c#d");
  REQUIRE(url.ok());
  CHECK(url->host == "localhost");
  CHECK(url->port == 8081);
  CHECK(url->target == "/a?b=c");
  CHECK(parse_http_url("ws://[::1]:9/x")->authority() == "[::1]:9");
  CHECK(parse_http_url("http://h")->port == 80);
  CHECK(parse_http_url("http://h?x")->target == "/?x");
  for (auto wrong : {"", "h:1", "https://h", "http://", "http://:80", "http://h:0", "http://h:70000", "http://h:8x",
                     "http://u@h", "http://h/a b", "http://h/a\r\nX: y", "http://[::1"}) {
    CAPTURE(wrong);
    CHECK_FALSE(parse_http_url(wrong).ok());
  }
}

TEST_CASE("http client: heads of answers") {
  const auto head = parse_http_head("HTTP/1.1 200 OK\r\ncontent-length:  5\r\nConnection: Close\r\n\r\nhello");
  REQUIRE(head);
  REQUIRE(head->ok());
  CHECK((*head)->status == 200);
  CHECK((*head)->body_bytes == 5);
  CHECK((*head)->head_bytes == 58);
  CHECK((*head)->closes);
  CHECK_FALSE(parse_http_head("HTTP/1.1 200 OK\r\nContent-Le").has_value());
  CHECK((**parse_http_head("HTTP/1.1 204 No Content\r\n\r\n")).body_bytes == 0);
  for (auto wrong :
       {"SSH-2.0-x\r\n\r\n", "HTTP/1.1 20\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n", "HTTP/2 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"}) {
    CAPTURE(wrong);
    const auto parsed = parse_http_head(wrong);
    REQUIRE(parsed);
    CHECK_FALSE(parsed->ok());
  }
  CHECK_FALSE(parse_http_head(std::string(70'000, 'x'))->ok());
}

TEST_CASE("http client: a kept connection, and a new one when the server has closed it") {
  const std::string ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
  const std::string bye = "HTTP/1.1 401 No\r\nConnection: close\r\nContent-Length: 3\r\n\r\nbye";
  scripted_server server({{ok, bye}, {"HTTP/1.1 100 Continue\r\n\r\n" + ok}});
  http_client client(server.url, std::chrono::seconds(20));
  CHECK(client.request("POST", "/shell", "secret", "text/plain", "ps")->body == "{}");
  const auto second = client.request("GET", "/x", "", "", "");
  CHECK(second->status == 401);
  CHECK(second->body == "bye");
  CHECK(client.request("GET", "/y", "", "", "")->status == 200);
  CHECK(server.requests.at(0).starts_with("POST /shell HTTP/1.1\r\nHost: 127.0.0.1:"));
  CHECK(server.requests.at(0).find("\r\nAuthorization: Bearer secret\r\n") != std::string::npos);
  CHECK(server.requests.at(1).find("Authorization") == std::string::npos);
}

TEST_CASE("http client: a server that ends in the middle, and one that isn't there") {
  http_url url;
  {
    scripted_server server({{"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"}});
    url = server.url;
    http_client client(url, std::chrono::seconds(20));
    CHECK(client.request("GET", "/", "", "", "").failure().detail == url.authority() + ": it closed the connection");
  }
  http_client client(url, std::chrono::seconds(20));
  const auto refused = client.request("GET", "/", "", "", "");
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.failure().detail == "can't reach " + url.authority() + ": Connection refused");
}

TEST_CASE("http client: a server that says nothing until the deadline") {
  unique_fd listener(::socket(AF_INET, SOCK_STREAM, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  REQUIRE(::bind(listener.value(), reinterpret_cast<sockaddr*>(&address), size) == 0);
  REQUIRE(::listen(listener.value(), 8) == 0);
  ::getsockname(listener.value(), reinterpret_cast<sockaddr*>(&address), &size);
  http_client client({"http", "127.0.0.1", ntohs(address.sin_port), "/"}, std::chrono::milliseconds(20));
  CHECK(client.request("GET", "/", "", "", "").failure().detail.ends_with(": no answer in time"));
}
