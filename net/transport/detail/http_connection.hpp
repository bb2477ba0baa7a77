// SPDX-License-Identifier: Apache-2.0
// HTTP CONNECTION: an accepted socket until it closes or becomes a websocket. Beast's parser reads the requests, one
// at a time; the next is looked at when the last has been answered and its answer is mostly gone, so a client that
// pipelines is bounded by its own reading. While nothing is being read it holds no buffer and no parser.
//
//   handshaking ──► reading ◄──► handling ──► (websocket)
//        │             │            │
//        └─► end       └► closing ◄─┘ ──► lingering ──► end
#pragma once

#include <memory>
#include <string>

#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include "net/transport/detail/connection_base.hpp"
#include "net/transport/detail/connection_slot.hpp"
#include "net/transport/detail/outbox_stream.hpp"  // first: it makes Asio's headers fit g++ 12
#include "net/transport/http.hpp"

namespace throng::detail {

using upgrade_request = boost::beast::http::request<boost::beast::http::empty_body>;

class http_connection final : public connection_base, public http_responder::exchange {
 public:
  http_connection(event_loop& loop, std::shared_ptr<outbox_stream> stream, std::string peer, connection_slot slot);

  void start();

  void on_drained() override;
  void on_write_blocked() override { rearm(); }
  void on_write_error() override;
  void begin_stop() override;
  void abort() override;

  void answer(http_response response) override;
  void upgrade(std::shared_ptr<websocket_handler> handler, std::string subprotocol) override;
  void drop() override;
  io_loop& loop() override { return loop_; }

 private:
  enum class phase { handshaking, reading, handling, closing, lingering, gone };
  using parser_type = boost::beast::http::request_parser<boost::beast::http::string_body>;

  void on_due(steady_time now) override;
  void deadline_in(std::chrono::milliseconds delay);
  void rearm();

  void step_handshake();
  void advance();
  void wait_to_read(outbox_stream::io_status status);
  void parse();
  bool accept_header();
  bool charge(std::size_t body_bytes);
  void uncharge();
  void dispatch();
  void refuse(unsigned status, std::string_view code, std::string_view detail);
  void refuse(error_code why);
  void write_response(http_response response, bool keep_alive);
  void begin_closing();
  void linger();
  void discard_input();
  void finish(bool reset);
  bool is_idle() const { return !parser_ && unread_.empty(); }
  std::shared_ptr<http_connection> self() { return std::static_pointer_cast<http_connection>(shared_from_this()); }

  std::shared_ptr<outbox_stream> stream_;
  std::string peer_;
  connection_slot slot_;
  phase phase_ = phase::handshaking;
  steady_time deadline_ = steady_time::max();

  std::string unread_;                   // received, not yet parsed
  std::unique_ptr<parser_type> parser_;  // of the request that is being read
  std::unique_ptr<upgrade_request> upgrade_request_;
  std::size_t charged_bytes_ = 0;  // of this request's body, in the loop's sum
  std::size_t lingered_bytes_ = 0;
  unsigned version_ = 11;
  bool is_first_ = true;
  bool keep_alive_ = false;
  bool is_head_ = false;
  bool accepts_gzip_ = false;
  bool has_header_ = false;
  bool needs_more_ = true;  // unread_ can't be parsed further
  bool is_advancing_ = false;
  bool is_waiting_ = false;  // for the descriptor
};

}  // namespace throng::detail
