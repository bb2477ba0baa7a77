// SPDX-License-Identifier: Apache-2.0
#include "net/transport/http.hpp"

#include <strings.h>
#include <utility>

namespace throng {

namespace {

bool equal_names(std::string_view a, std::string_view b) {
  return a.size() == b.size() && strncasecmp(a.data(), b.data(), a.size()) == 0;
}

using exchange = http_responder::exchange;

void answer_on_loop(std::shared_ptr<exchange> to, http_response response) {
  io_loop& loop = to->loop();
  if (loop.is_current()) {
    to->answer(std::move(response));
  } else {
    loop.post_always(
        [to = std::move(to), response = std::move(response)]() mutable { to->answer(std::move(response)); });
  }
}

}  // namespace

std::string_view http_request::header(std::string_view name) const {
  for (const auto& h : headers) {
    if (equal_names(h.name, name)) return h.value;
  }
  return {};
}

bool http_request::has_header(std::string_view name) const {
  for (const auto& h : headers) {
    if (equal_names(h.name, name)) return true;
  }
  return false;
}

http_responder& http_responder::operator=(http_responder&& other) noexcept {
  if (this != &other) {
    http_responder old(std::move(*this));  // answers if it has not been
    exchange_ = std::move(other.exchange_);
  }
  return *this;
}

http_responder::~http_responder() {
  if (!exchange_) return;
  const auto to = std::move(exchange_);
  io_loop& loop = to->loop();
  if (loop.is_current()) {
    to->drop();
  } else {
    loop.post_always([to] { to->drop(); });
  }
}

void http_responder::send(http_response response) {
  if (exchange_) answer_on_loop(std::move(exchange_), std::move(response));
}

void http_responder::accept_websocket(std::shared_ptr<websocket_handler> handler, std::string subprotocol) {
  if (!exchange_) return;
  auto to = std::move(exchange_);
  io_loop& loop = to->loop();
  if (loop.is_current()) {
    to->upgrade(std::move(handler), std::move(subprotocol));
  } else {
    loop.post_always([to, handler = std::move(handler), subprotocol = std::move(subprotocol)]() mutable {
      to->upgrade(std::move(handler), std::move(subprotocol));
    });
  }
}

}  // namespace throng
