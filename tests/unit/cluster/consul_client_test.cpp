// SPDX-License-Identifier: Apache-2.0
// What the client of Consul makes of answers that no agent of Consul should give.
#include "cluster/consul_client.hpp"

#include <future>

#include <doctest/doctest.h>

#include "cluster/consul_topology.hpp"
#include "tests/support/scripted_server.hpp"

namespace throng {
namespace {

using namespace std::chrono_literals;
using reply = scripted_server::reply;

std::string answer(std::string_view body, std::string_view status = "200 OK", std::string_view headers = "") {
  return "HTTP/1.1 " + std::string(status) + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" +
         std::string(headers) + "\r\n" + std::string(body);
}

scripted_server::script always(std::string bytes, bool is_cut = false) {
  return [bytes = std::move(bytes), is_cut](std::size_t, const std::string&) { return reply{bytes, is_cut}; };
}

consul_options impatient(std::vector<std::string> agents) {
  consul_options options;
  options.agents = std::move(agents);
  options.call_timeout = 500ms;
  options.retry_min = 5ms;
  options.retry_max = 20ms;
  options.answer_bytes_max = 100'000;
  return options;
}

/// Of a server that answers so.
result<consul_answer> asked(scripted_server::script script, const consul_request& request = {.target = "/v1/kv/a"}) {
  scripted_server server(std::move(script));
  return consul_client(impatient({server.address()})).ask(request);
}

TEST_CASE("consul client: an answer comes with its status, index and body") {
  auto found = asked(always(answer("[]", "200 OK", "X-Consul-Index: 17\r\n")));
  REQUIRE(found.ok());
  CHECK(found->status == 200);
  CHECK(found->index == "17");
  CHECK(found->body == "[]");
  CHECK(asked(always(answer("", "404 Not Found")))->status == 404);
  CHECK(asked(always(answer("{}", "409 Conflict")))->status == 409);
  CHECK(asked(always("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"))->body ==
        "abc");
  CHECK(asked(always("HTTP/1.0 200 OK\r\n\r\nuntil the end", true))->body == "until the end");
}

TEST_CASE("consul client: what isn't an answer is service_unavailable with a sentence, and in time") {
  auto began = std::chrono::steady_clock::now();
  auto says = [](scripted_server::script script) {
    auto failed = asked(std::move(script));
    REQUIRE_FALSE(failed.ok());
    CHECK(failed.code() == errc::service_unavailable);
    auto& sentence = failed.failure().detail;
    CHECK(sentence.starts_with("the agent at 127.0.0.1:"));
    return sentence.substr(sentence.find(": ") + 2);
  };
  CHECK(says(always("220 mail.example.com ESMTP\r\n\r\n")).starts_with("an answer that isn't HTTP"));
  CHECK(says(always(std::string(5000, '\0'))).starts_with("an answer that isn't HTTP"));
  CHECK(says(always("HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n")).starts_with("an answer that isn't HTTP"));
  CHECK(says(always("HTTP/1.1 200 OK\r\n" + std::string(100'000, 'h') + ": x\r\n\r\n"))
            .starts_with("an answer that isn't HTTP"));
  CHECK(says(always(answer(std::string(100'001, 'x')))) == "an answer of more than 100000 bytes");
  CHECK(says(always("HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n")) ==
        "an answer of more than 100000 bytes");
  std::string chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (int i = 0; i < 110; ++i) chunks += "400\r\n" + std::string(1024, 'x') + "\r\n";
  CHECK(says(always(chunks)) == "an answer of more than 100000 bytes");
  CHECK(says(always("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", true)) ==
        "the connection was cut before the end of the answer");
  CHECK(says(always("HTTP/1.1 200", true)) == "the connection was cut before the end of the answer");
  CHECK(says(always("", true)) == "the connection was cut before the end of the answer");
  CHECK(says(always("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")) == "no answer in time");
  CHECK(says(always("")) == "no answer in time");
  CHECK(std::chrono::steady_clock::now() - began < 10s);
}

TEST_CASE("consul client: what Consul refuses is an error in its words") {
  auto refused = asked(always(answer("Permission denied\n", "403 Forbidden")));
  CHECK(refused.code() == errc::no_permission);
  CHECK(refused.failure().detail == "Consul answered 403: Permission denied");
  CHECK(asked(always(answer("", "400 Bad Request"))).code() == errc::invalid_arguments);
  CHECK(asked(always(answer("", "413 Too Large"))).code() == errc::request_too_large);
  CHECK(asked(always(answer("No cluster leader", "500 Oops"))).failure().detail ==
        "Consul answered 500: No cluster leader");
  CHECK(asked(always(answer(std::string(9000, '\n'), "500 Oops"))).failure().detail == "Consul answered 500");
  CHECK(asked(always(answer("", "302 Found", "Location: http://127.0.0.1:1/\r\n"))).code() ==
        errc::service_unavailable);
}

TEST_CASE("consul client: the token goes with each request, and nothing does without one") {
  scripted_server server(always(answer("true")));
  auto options = impatient({server.address()});
  REQUIRE(consul_client(options).ask({.target = "/v1/kv/a"}).ok());
  options.token = "secret-token";
  REQUIRE(consul_client(options).ask({.method = "PUT", .target = "/v1/kv/a?cas=0", .body = "body"}).ok());
  auto requests = server.requests();
  REQUIRE(requests.size() == 2);
  CHECK(requests[0].starts_with("GET /v1/kv/a HTTP/1.1\r\nHost: " + server.address() + "\r\n"));
  CHECK(requests[0].find("X-Consul-Token") == std::string::npos);
  CHECK(requests[1].starts_with("PUT /v1/kv/a?cas=0 HTTP/1.1\r\n"));
  CHECK(requests[1].find("X-Consul-Token: secret-token\r\n") != std::string::npos);
  CHECK(requests[1].ends_with("\r\n\r\nbody"));
}

TEST_CASE(
    "consul client: a connection is used again while it is sound, and not when it was closed or has more to say") {
  SUBCASE("sound") {
    scripted_server server(always(answer("x")));
    consul_client client(impatient({server.address()}));
    for (int i = 0; i < 5; ++i) CHECK(client.ask({.method = "PUT", .target = "/"}).ok());
    CHECK(server.connections() == 1);
  }
  SUBCASE("closed") {
    scripted_server server(always(answer("x"), true));
    consul_client client(impatient({server.address()}));
    for (int i = 0; i < 5; ++i) CHECK(client.ask({.target = "/"}).ok());
  }
  SUBCASE("says goodbye") {
    scripted_server server(always(answer("x", "200 OK", "Connection: close\r\n")));
    consul_client client(impatient({server.address()}));
    for (int i = 0; i < 3; ++i) CHECK(client.ask({.method = "PUT", .target = "/"}).ok());
    CHECK(server.connections() == 3);
  }
  SUBCASE("two answers to one question") {
    scripted_server server(always(answer("first") + answer("second")));
    consul_client client(impatient({server.address()}));
    for (int i = 0; i < 3; ++i) CHECK(client.ask({.target = "/"})->body == "first");
  }
}

TEST_CASE("consul client: another agent is asked when one can't be reached, and the one that answers stays") {
  scripted_server server(always(answer("x")));
  consul_client client(impatient({"127.0.0.1:1", "127.0.0.1:2", server.address()}));
  for (int i = 0; i < 3; ++i) CHECK(client.ask({.method = "PUT", .target = "/"}).ok());
  CHECK(server.connections() == 1);
  CHECK_FALSE(client.is_away());
  consul_client nobody(impatient({"127.0.0.1:1", "127.0.0.1:2"}));
  CHECK(nobody.ask({.target = "/"}).code() == errc::service_unavailable);
  CHECK(nobody.is_away());
}

TEST_CASE("consul client: a write that may have been done is not done again") {
  scripted_server first(always("HTTP/1.1 200 OK\r\n", true));
  scripted_server second(always(answer("true")));
  consul_client client(impatient({first.address(), second.address()}));
  CHECK(client.ask({.method = "PUT", .target = "/v1/kv/a?cas=1"}).code() == errc::service_unavailable);
  CHECK(second.requests().empty());
  CHECK(client.ask({.target = "/v1/kv/a"}).ok());  // the next call goes there
}

TEST_CASE("consul client: it is away from the first failure until an answer") {
  std::atomic<bool> is_well = false;
  scripted_server server([&](std::size_t, const std::string&) {
    return is_well ? reply{answer("x")} : reply{answer("No cluster leader", "500 Oops")};
  });
  consul_client client(impatient({server.address()}));
  CHECK_FALSE(client.is_away());
  CHECK_FALSE(client.ask({.target = "/"}).ok());
  CHECK_FALSE(client.ask({.target = "/"}).ok());
  CHECK(client.is_away());
  is_well = true;
  CHECK(client.ask({.target = "/"}).ok());
  CHECK_FALSE(client.is_away());
}

TEST_CASE("consul client: who waits to try again is woken when Consul is back, and when it is stopped") {
  std::atomic<bool> is_well = false;
  scripted_server server([&](std::size_t, const std::string&) {
    return is_well ? reply{answer("x")} : reply{"", true};
  });
  auto options = impatient({server.address()});
  consul_client client(options);
  CHECK_FALSE(client.ask({.target = "/"}).ok());
  auto waits = std::async(std::launch::async, [&] { client.pause(60s, {}); });
  std::stop_source source;
  auto stops = std::async(std::launch::async, [&] { client.pause(60s, source.get_token()); });
  source.request_stop();
  CHECK(stops.wait_for(20s) == std::future_status::ready);
  is_well = true;
  // The waiter may not wait yet; then an outage more wakes it.
  do {
    is_well = false;
    (void)client.ask({.target = "/"});
    is_well = true;
    CHECK(client.ask({.target = "/"}).ok());
  } while (waits.wait_for(10ms) != std::future_status::ready);
}

TEST_CASE("consul client: a blocked call can be stopped at once") {
  std::promise<void> asked_once;
  scripted_server server([&](std::size_t number, const std::string&) {
    if (number == 0) asked_once.set_value();
    return reply{};
  });
  consul_client client(impatient({server.address()}));
  std::stop_source source;
  auto call = std::async(std::launch::async,
                         [&] { return client.ask({.target = "/v1/kv/a?index=1", .wait = 60s}, source.get_token()); });
  REQUIRE(asked_once.get_future().wait_for(20s) == std::future_status::ready);
  source.request_stop();
  REQUIRE(call.wait_for(20s) == std::future_status::ready);
  CHECK(call.get().code() == errc::stopping);
  CHECK_FALSE(client.is_away());
  CHECK(client.ask({.target = "/"}, source.get_token()).code() == errc::stopping);
}

TEST_CASE("consul topology: what isn't an answer of Consul's is an error in each call, and never more") {
  for (auto bytes : {answer("garbage"), answer("[{}]"), answer("{\"Errors\":1}"), answer("[]"),
                     answer("[{\"Key\":\"r/other\",\"ModifyIndex\":3}]"), answer("", "409 Conflict"),
                     answer("true", "409 Conflict"), std::string("garbage\r\n\r\n"), answer("", "500 Oops")}) {
    CAPTURE(bytes);
    scripted_server server(always(bytes));
    auto store = open_consul_topology(std::make_shared<consul_client>(impatient({server.address()})), "r/");
    REQUIRE(store.ok());
    CHECK_FALSE((*store)->get("a").ok());
    CHECK_FALSE((*store)->put("a", "x", 3).ok());
    auto held = (*store)->hold("a", "x", 10s, [] {});
    CHECK_FALSE(held.ok());
  }
}

TEST_CASE("consul topology: a watch outlives nonsense, and tells what comes after it") {
  scripted_server server([&](std::size_t number, const std::string& request) -> reply {
    switch (number) {
      case 0:
        return {answer("nonsense")};
      case 1:
        return {"more nonsense\r\n\r\n", true};
      case 2:
        return {answer("[{\"Key\":\"r/a\",\"ModifyIndex\":0}]", "200 OK", "X-Consul-Index: 5\r\n")};
      case 3:
        return {answer("[{\"Key\":\"r/a\",\"Value\":\"eA==\",\"ModifyIndex\":5}]", "200 OK", "X-Consul-Index: 5\r\n")};
      case 4:
        CHECK(request.find("&index=5&wait=20000ms ") != std::string::npos);
        return {answer("", "503 Oops")};
      case 5:  // forgot everything: its index is small, so it isn't waited for the large one
        CHECK(request.find("index=") == std::string::npos);
        return {answer("", "404 Not Found", "X-Consul-Index: 1\r\n")};
      default:
        return {};
    }
  });
  auto store = open_consul_topology(std::make_shared<consul_client>(impatient({server.address()})), "r/");
  REQUIRE(store.ok());
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<std::vector<topology_entry>> told;
  auto watch = (*store)->watch("", [&](std::vector<topology_entry> now) {
    std::lock_guard lock(mutex);
    told.push_back(std::move(now));
    changed.notify_all();
  });
  std::unique_lock lock(mutex);
  REQUIRE(changed.wait_for(lock, 20s, [&] { return told.size() >= 2 || (!told.empty() && told.back().empty()); }));
  CHECK(told.back().empty());
  if (told.size() == 2) CHECK(told[0] == std::vector<topology_entry>{{"a", "x", 5}});
  lock.unlock();
  watch.reset();
}

TEST_CASE("consul topology: a root is the start of a key") {
  auto client = std::make_shared<consul_client>(consul_options{});
  for (auto root : {"throng", "/", "a//", "a b/", "../"})
    CHECK(open_consul_topology(client, root).code() == errc::invalid_arguments);
  for (auto root : {"", "throng/", "a/b/"}) CHECK(open_consul_topology(client, root).ok());
}

}  // namespace
}  // namespace throng
