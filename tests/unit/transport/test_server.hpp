// SPDX-License-Identifier: Apache-2.0
// A server for one test: its port, its figures, and handlers made of lambdas.
#pragma once

#include <functional>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "net/transport/server.hpp"
#include "net/transport/websocket.hpp"
#include "tests/support/raw_client.hpp"

namespace throng::test {

inline transport_options small_options() {
  transport_options options;
  options.io_threads = 2;
  return options;
}

class test_server {
 public:
  explicit test_server(http_handler handler, transport_options options = small_options(),
                       std::shared_ptr<tls_context> tls = nullptr)
      : server_(options) {
    auto bound = server_.listen({.address = {"127.0.0.1", 0}, .handler = std::move(handler), .tls = std::move(tls)});
    REQUIRE_MESSAGE(bound.ok(), (bound ? std::string() : bound.failure().detail));
    port_ = bound->port;
  }
  std::uint16_t port() const { return port_; }
  server& operator*() { return server_; }
  server* operator->() { return &server_; }
  transport_figures figures() const { return server_.figures(); }

 private:
  server server_;
  std::uint16_t port_ = 0;
};

/// Answers with what it was asked: "METHOD path?query body".
inline void echo(http_request request, http_responder answer) {
  http_response response;
  response.content_type = "text/plain";
  response.body = request.method + " " + request.path + "?" + request.query + " " + request.body;
  answer.send(std::move(response));
}

/// A websocket handler made of lambdas; it writes down what it sees. Its notes may be read on any thread.
class lambda_handler : public websocket_handler {
 public:
  std::function<void(websocket_connection&)> when_open;
  std::function<void(websocket_connection&, std::string_view)> when_text;
  std::function<overflow_decision()> when_overflow;
  std::function<void(websocket_connection&)> when_resync;

  void on_open(std::shared_ptr<websocket_connection> connection) override {
    {
      const std::lock_guard lock(mutex_);
      connection_ = connection;
    }
    if (when_open) when_open(*connection);
  }
  void on_text(std::string_view payload) override {
    {
      const std::lock_guard lock(mutex_);
      texts_.emplace_back(payload);
    }
    if (when_text) when_text(*connection_, payload);
  }
  void on_binary(std::string_view payload) override {
    const std::lock_guard lock(mutex_);
    binaries_.emplace_back(payload);
  }
  overflow_decision on_overflow() override { return when_overflow ? when_overflow() : overflow_decision::close; }
  void on_resync() override {
    if (when_resync) when_resync(*connection_);
  }
  void on_close(std::uint16_t code) override {
    const std::lock_guard lock(mutex_);
    closes_.push_back(code);
    connection_.reset();
  }

  std::shared_ptr<websocket_connection> connection() const {
    const std::lock_guard lock(mutex_);
    return connection_;
  }
  std::vector<std::string> texts() const {
    const std::lock_guard lock(mutex_);
    return texts_;
  }
  std::vector<std::string> binaries() const {
    const std::lock_guard lock(mutex_);
    return binaries_;
  }
  std::vector<std::uint16_t> closes() const {
    const std::lock_guard lock(mutex_);
    return closes_;
  }
  bool wait_for_close() const {
    return wait_until([this] { return !closes().empty(); });
  }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<websocket_connection> connection_;
  std::vector<std::string> texts_, binaries_;
  std::vector<std::uint16_t> closes_;
};

/// Upgrades every request to that handler.
inline http_handler upgrade_to(std::shared_ptr<websocket_handler> handler) {
  return [handler](http_request, http_responder answer) { answer.accept_websocket(handler); };
}

/// Runs `call` on the connection's loop and waits until it has.
template <class F>
void on_loop(const std::shared_ptr<websocket_connection>& connection, F call) {
  std::atomic<bool> is_done{false};
  REQUIRE(connection->loop().post([&] {
    call(*connection);
    is_done = true;
  }));
  REQUIRE(wait_until([&] { return is_done.load(); }));
}

}  // namespace throng::test
