// SPDX-License-Identifier: Apache-2.0
// HTTP as the rest of the gateway sees it: plain structs and one function per listener. Parsing, keep-alive,
// pipelining, limits and deadlines are the transport's (http_connection.cpp); meaning is the handler's.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "net/transport/io_loop.hpp"

namespace throng {

class websocket_handler;

struct http_header {
  std::string name;
  std::string value;
};

struct http_request {
  std::string method;                // as sent, for instance "POST"
  std::string target;                // as sent: "/api/chat.postMessage?channel=C1"
  std::string path;                  // up to the '?', not percent-decoded
  std::string query;                 // after the '?', not decoded; empty if there is none
  unsigned version = 11;             // 10 or 11
  std::vector<http_header> headers;  // in order, repeats kept
  std::string body;                  // whole, chunks joined
  std::string peer;                  // "127.0.0.1:4711"
  bool is_tls = false;
  bool is_websocket = false;  // a well-formed websocket upgrade: accept_websocket() will work

  /// The first header of that name in any case; empty if there is none.
  std::string_view header(std::string_view name) const;
  bool has_header(std::string_view name) const;
};

struct http_response {
  unsigned status = 200;
  std::string content_type = "application/json; charset=utf-8";
  std::vector<http_header> headers;  // extra ones; Content-Length, Date, Connection and gzip are the transport's
  std::string body;
};

/// The right to answer one request. Answer it exactly once; a second answer is ignored. Dropped without an answer it
/// answers 200 {"ok":false,"error":"internal_error"}: never a 5xx, because clients repeat those.
/// May be used and dropped on any thread; it hops to the connection's io thread by itself.
class http_responder {
 public:
  /// What a connection implements. Called on its io thread, once.
  class exchange {
   public:
    virtual ~exchange() = default;
    virtual void answer(http_response response) = 0;
    virtual void upgrade(std::shared_ptr<websocket_handler> handler, std::string subprotocol) = 0;
    virtual void drop() = 0;  // the responder went away without an answer
    virtual io_loop& loop() = 0;
  };

  http_responder() = default;
  explicit http_responder(std::shared_ptr<exchange> to) : exchange_(std::move(to)) {}
  http_responder(http_responder&&) noexcept = default;
  http_responder& operator=(http_responder&& other) noexcept;
  http_responder(const http_responder&) = delete;
  http_responder& operator=(const http_responder&) = delete;
  ~http_responder();

  void send(http_response response);
  /// Answers 101 and hands the connection to `handler`. REQUIRES: the request's is_websocket (else the client gets a
  /// 400). `subprotocol` must be one the client offered, or empty.
  void accept_websocket(std::shared_ptr<websocket_handler> handler, std::string subprotocol = {});

  /// The loop of the connection. REQUIRES: not answered yet.
  io_loop& loop() const { return exchange_->loop(); }
  explicit operator bool() const noexcept { return exchange_ != nullptr; }

 private:
  std::shared_ptr<exchange> exchange_;
};

/// Called on the connection's io thread, one request of a connection at a time. It must not block. An exception is
/// answered like a dropped responder and counted.
using http_handler = std::function<void(http_request, http_responder)>;

}  // namespace throng
