// SPDX-License-Identifier: Apache-2.0
#include "net/transport/detail/http_connection.hpp"

#include <algorithm>
#include <exception>

#include <boost/beast/http/error.hpp>
#include <boost/beast/websocket/rfc6455.hpp>

#include "config/log.hpp"
#include "net/transport/detail/beast_websocket.hpp"
#include "net/transport/http_text.hpp"

namespace throng::detail {

namespace beast = boost::beast;
namespace http = boost::beast::http;

namespace {

// A client that pipelines gets its next request looked at when less than this of its answers is unsent.
constexpr std::size_t unsent_bytes_max = 64 * 1024;
// Reads in a row of one connection before the others get their turn.
constexpr int reads_max = 4;
// What a client that we have refused may still send before we stop listening.
constexpr std::size_t lingered_bytes_max = 4 * 1024 * 1024;
// An answer that small travels in one buffer with its header.
constexpr std::size_t joined_body_bytes_max = 16 * 1024;

bool is_websocket_upgrade(const http::request<http::string_body>& request) {
  return beast::websocket::is_upgrade(request) && request.count(http::field::host) > 0 &&
         request[http::field::sec_websocket_version] == "13" && request[http::field::sec_websocket_key].size() == 24;
}

}  // namespace

http_connection::http_connection(event_loop& loop, std::shared_ptr<outbox_stream> stream, std::string peer,
                                 connection_slot slot)
    : connection_base(loop), stream_(std::move(stream)), peer_(std::move(peer)), slot_(std::move(slot)) {}

void http_connection::start() {
  open();
  stream_->owner(this);
  if (stream_->is_tls()) {
    deadline_in(loop_.options().handshake_timeout);
    step_handshake();
  } else {
    phase_ = phase::reading;
    deadline_in(loop_.options().header_timeout);
    advance();
  }
}

void http_connection::step_handshake() {
  const auto status = stream_->handshake();
  switch (status) {
    case outbox_stream::io_status::done:
      loop_.counters().tls_handshakes.add();
      phase_ = phase::reading;
      deadline_in(loop_.options().header_timeout);
      return advance();
    case outbox_stream::io_status::want_read:
    case outbox_stream::io_status::want_write:
      return stream_->async_wait(status, [this, keep = self()](error_code ec) {
        if (!ec && phase_ == phase::handshaking) step_handshake();
      });
    case outbox_stream::io_status::eof:
    case outbox_stream::io_status::failed:
      loop_.counters().tls_failures.add();
      return finish(false);
  }
}

// -- time -----------------------------------------------------------------------------------------------------------

void http_connection::deadline_in(std::chrono::milliseconds delay) {
  deadline_ = loop_.now() + delay;
  rearm();
}

// Moves the armed deadline only forward; one that is too early finds out in on_due().
void http_connection::rearm() {
  if (!is_open()) return;
  auto due = deadline_;
  if (!stream_->queue().empty()) due = std::min(due, stream_->last_progress() + loop_.options().write_stall_timeout);
  if (due != steady_time::max() && (!is_armed() || due < this->due())) loop_.arm(*this, due);
}

void http_connection::on_due(steady_time now) {
  const auto keep = self();
  if (!stream_->queue().empty() && now - stream_->last_progress() >= loop_.options().write_stall_timeout) {
    loop_.counters().stalled_writes.add();
    return finish(true);
  }
  if (now < deadline_) return rearm();
  switch (phase_) {
    case phase::handshaking:
      loop_.counters().tls_failures.add();
      return finish(false);
    case phase::reading:
      if (is_idle()) return stream_->queue().empty() ? finish(false) : rearm();
      return refuse(408, "request_timeout",
                    has_header_ ? "the body did not arrive in time" : "the header did not arrive in time");
    case phase::handling:
      return rearm();
    case phase::closing:
      loop_.counters().stalled_writes.add();
      return finish(true);
    case phase::lingering:
      return finish(false);
    case phase::gone:
      return;
  }
}

// -- reading --------------------------------------------------------------------------------------------------------

void http_connection::advance() {
  if (is_advancing_ || is_waiting_) return;
  is_advancing_ = true;
  const auto keep = self();
  int reads = 0;
  while (phase_ == phase::reading) {
    if (!needs_more_ && !unread_.empty()) {
      if (!parser_ && stream_->queue().bytes() > unsent_bytes_max) break;  // on_drained() goes on
      parse();
      continue;
    }
    if (reads++ == reads_max) {
      is_waiting_ = true;
      asio::post(stream_->get_executor(), [this, keep] {
        is_waiting_ = false;
        advance();
      });
      break;
    }
    auto& scratch = loop_.scratch();
    std::size_t bytes = 0;
    const auto status = stream_->read_now(scratch.data(), scratch.size(), bytes);
    if (status == outbox_stream::io_status::done) {
      if (is_idle() && !is_first_) deadline_in(loop_.options().header_timeout);
      unread_.append(scratch.data(), bytes);
      needs_more_ = false;
    } else if (status == outbox_stream::io_status::eof) {
      if (!is_idle()) loop_.counters().bad_requests.add();
      begin_closing();
    } else if (status == outbox_stream::io_status::failed) {
      finish(false);
    } else {
      wait_to_read(status);
      break;
    }
  }
  is_advancing_ = false;
}

void http_connection::wait_to_read(outbox_stream::io_status status) {
  is_waiting_ = true;
  stream_->async_wait(status, [this, keep = self()](error_code ec) {
    is_waiting_ = false;
    if (ec || !is_open()) return;
    if (phase_ == phase::lingering)
      discard_input();
    else
      advance();
  });
}

void http_connection::parse() {
  if (!parser_) {
    // RFC 9112 §2.2: an empty line before the request is ignored; some clients end a body with one.
    const auto start = unread_.find_first_not_of("\r\n");
    if (start == unread_.npos) {
      unread_.clear();
      needs_more_ = true;
      return;
    }
    unread_.erase(0, start);
    parser_ = std::make_unique<parser_type>();
    parser_->eager(true);
    parser_->header_limit(static_cast<std::uint32_t>(loop_.options().header_bytes_max));
    parser_->body_limit(loop_.options().body_bytes_max);
    has_header_ = false;
  }
  error_code ec;
  const std::size_t used = parser_->put(asio::buffer(unread_), ec);
  unread_.erase(0, used);
  if (unread_.empty()) std::string().swap(unread_);
  needs_more_ = ec == http::error::need_more || unread_.empty();
  if (ec == http::error::need_more) ec = {};
  if (!ec && parser_->is_header_done() && !has_header_ && !accept_header()) return;
  if (ec) return refuse(ec);
  if (parser_->chunked() && has_header_ && !charge(parser_->get().body().size())) return;
  if (parser_->is_done()) dispatch();
}

bool http_connection::accept_header() {
  has_header_ = true;
  is_first_ = false;
  const auto& request = parser_->get();
  if (request.version() == 11 && request.count(http::field::host) == 0) {
    refuse(400, "invalid_request", "an HTTP/1.1 request needs a Host header");
    return false;
  }
  if (const auto length = parser_->content_length(); length && !charge(*length)) return false;
  if (parser_->is_done()) return true;
  deadline_in(loop_.options().body_timeout);
  if (request.version() == 11 && beast::iequals(request[http::field::expect], "100-continue")) {
    stream_->enqueue_own("HTTP/1.1 100 Continue\r\n\r\n");
  }
  return true;
}

// The bodies of all requests of a loop are bounded together: each alone would allow connections_max times its limit.
bool http_connection::charge(std::size_t body_bytes) {
  if (body_bytes <= charged_bytes_) return true;
  auto& sum = loop_.counters().request_bytes;
  const std::size_t more = body_bytes - charged_bytes_;
  if (sum.value() + more > loop_.options().bodies_bytes_max) {
    refuse(429, "ratelimited", "too many request bodies at the same time");
    return false;
  }
  sum.add(more);
  charged_bytes_ = body_bytes;
  return true;
}

void http_connection::uncharge() {
  loop_.counters().request_bytes.subtract(charged_bytes_);
  charged_bytes_ = 0;
}

// -- requests -------------------------------------------------------------------------------------------------------

void http_connection::dispatch() {
  auto message = parser_->release();
  keep_alive_ = message.keep_alive();
  parser_.reset();
  version_ = message.version();
  is_head_ = message.method() == http::verb::head;
  http_request request;
  request.method = std::string(message.method_string());
  request.target = std::string(message.target());
  const auto [path, query] = split_target(request.target);
  request.path = std::string(path);
  request.query = std::string(query);
  request.version = version_;
  for (const auto& field : message) {
    request.headers.push_back({std::string(field.name_string()), std::string(field.value())});
  }
  accepts_gzip_ = accepts_gzip(request.header("accept-encoding"));
  request.peer = peer_;
  request.is_tls = stream_->is_tls();
  request.is_websocket = is_websocket_upgrade(message);
  if (request.is_websocket) {
    upgrade_request_ = std::make_unique<upgrade_request>(std::move(message.base()));
  }
  request.body = std::move(message.body());
  phase_ = phase::handling;
  deadline_ = steady_time::max();
  loop_.counters().requests.add();
  http_responder responder{self()};
  try {
    slot_.core().handler(std::move(request), std::move(responder));
  } catch (const std::exception& e) {
    log::error("a request handler failed: {}", e.what());
    drop();
  }
}

void http_connection::drop() {
  if (phase_ != phase::handling) return;
  loop_.counters().handler_failures.add();
  answer({.status = 200, .headers = {}, .body = error_json("internal_error")});
}

void http_connection::answer(http_response response) {
  if (phase_ != phase::handling) return;
  const auto keep = self();
  uncharge();
  upgrade_request_.reset();
  const bool keep_alive = keep_alive_ && !loop_.is_draining();
  write_response(std::move(response), keep_alive);
  if (!keep_alive) return begin_closing();
  phase_ = phase::reading;
  needs_more_ = unread_.empty();
  deadline_in(unread_.empty() ? loop_.options().idle_timeout : loop_.options().header_timeout);
  advance();
}

void http_connection::upgrade(std::shared_ptr<websocket_handler> handler, std::string subprotocol) {
  if (phase_ != phase::handling) return;
  if (!upgrade_request_) {
    return answer({.status = 426,
                   .headers = {{"Upgrade", "websocket"}, {"Sec-WebSocket-Version", "13"}},
                   .body = error_json("upgrade_required", "this address speaks websocket, version 13")});
  }
  if (loop_.is_draining()) return answer({.status = 503, .headers = {}, .body = error_json("service_unavailable")});
  const auto keep = self();
  uncharge();
  phase_ = phase::gone;
  auto stream = std::move(stream_);
  stream->owner(nullptr);
  if (!unread_.empty()) stream->put_back(std::move(unread_));
  loop_.counters().connections.subtract();
  end();
  start_websocket(loop_, std::move(stream), std::move(peer_), std::move(slot_), std::move(upgrade_request_),
                  std::move(handler), std::move(subprotocol));
}

void http_connection::refuse(error_code why) {
  if (why == http::error::header_limit) {
    return refuse(431, "header_too_large",
                  "the header may have at most " + std::to_string(loop_.options().header_bytes_max) + " bytes");
  }
  if (why == http::error::body_limit) {
    return refuse(413, "request_too_large",
                  "the body may have at most " + std::to_string(loop_.options().body_bytes_max) + " bytes");
  }
  refuse(400, "invalid_request", "not HTTP/1.1: " + why.message());
}

void http_connection::refuse(unsigned status, std::string_view code, std::string_view detail) {
  loop_.counters().bad_requests.add();
  uncharge();
  parser_.reset();
  unread_.clear();
  is_head_ = accepts_gzip_ = false;
  version_ = 11;
  http_response response{.status = status, .headers = {}, .body = error_json(code, detail)};
  if (status == 429) response.headers.push_back({"Retry-After", "1"});
  write_response(std::move(response), false);
  begin_closing();
}

void http_connection::write_response(http_response response, bool keep_alive) {
  const bool may_have_body = response.status != 204 && response.status != 304;
  if (!may_have_body) response.body.clear();
  response_head head{.status = response.status,
                     .version = version_,
                     .keep_alive = keep_alive,
                     .content_type = response.content_type,
                     .date = loop_.date()};
  const bool has_own_encoding = std::any_of(response.headers.begin(), response.headers.end(),
                                            [](const auto& h) { return beast::iequals(h.name, "content-encoding"); });
  head.varies = !has_own_encoding && response.body.size() >= loop_.options().gzip_bytes_min;
  if (head.varies && accepts_gzip_) {
    if (auto small = loop_.gzip().compress(response.body)) {
      response.body = std::move(*small);
      head.is_gzip = true;
    }
  }
  head.content_bytes = response.body.size();
  std::string out;
  append_response_head(out, head, response.headers);
  if (is_head_) response.body.clear();
  if (response.body.size() <= joined_body_bytes_max) {
    stream_->enqueue_own(out.append(response.body));
  } else {
    stream_->enqueue_own(std::move(out));
    stream_->enqueue_own(std::move(response.body));
  }
}

// -- writing and ending ---------------------------------------------------------------------------------------------

void http_connection::on_drained() {
  const auto keep = self();
  if (phase_ == phase::closing)
    linger();
  else if (phase_ == phase::reading)
    advance();
}

void http_connection::on_write_error() {
  const auto keep = self();
  finish(false);
}

void http_connection::begin_stop() {
  if (phase_ == phase::handshaking || (phase_ == phase::reading && is_idle() && stream_->queue().empty()))
    finish(false);
}

void http_connection::abort() { finish(true); }

void http_connection::begin_closing() {
  phase_ = phase::closing;
  deadline_in(loop_.options().write_stall_timeout);
  if (stream_->queue().empty()) linger();
}

// Closing with unread input would send RST, and the client could lose the answer that says what was wrong.
void http_connection::linger() {
  phase_ = phase::lingering;
  stream_->shut_down();
  deadline_in(loop_.options().close_timeout);
  if (!is_waiting_) discard_input();
}

void http_connection::discard_input() {
  for (int reads = 0;; ++reads) {
    auto& scratch = loop_.scratch();
    std::size_t bytes = 0;
    const auto status = stream_->read_now(scratch.data(), scratch.size(), bytes);
    lingered_bytes_ += bytes;
    if (status == outbox_stream::io_status::done && lingered_bytes_ <= lingered_bytes_max) {
      if (reads < reads_max || stream_->has_buffered_input()) continue;
      return wait_to_read(outbox_stream::io_status::want_read);
    }
    if (status == outbox_stream::io_status::want_read || status == outbox_stream::io_status::want_write) {
      return wait_to_read(status);
    }
    return finish(false);
  }
}

void http_connection::finish(bool reset) {
  if (phase_ == phase::gone) return;
  phase_ = phase::gone;
  uncharge();
  stream_->owner(nullptr);
  stream_->close(reset);
  stream_.reset();
  loop_.counters().connections.subtract();
  end();
}

}  // namespace throng::detail
