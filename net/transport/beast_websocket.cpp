// SPDX-License-Identifier: Apache-2.0
#include "net/transport/detail/beast_websocket.hpp"

#include <algorithm>
#include <atomic>
#include <exception>

#include <boost/beast/websocket/error.hpp>
#include <boost/beast/websocket/stream.hpp>

#include "config/log.hpp"
#include "net/transport/detail/outbox_stream.hpp"

namespace throng::detail {

namespace beast = boost::beast;
namespace ws = boost::beast::websocket;

namespace {

std::atomic<std::uint64_t> last_id{0};

// The same for all: what it says isn't looked at.
const shared_frame& ping_frame() {
  static const shared_frame frame = encode_ping_frame();
  return frame;
}

class beast_websocket final : public connection_base, public websocket_connection {
 public:
  beast_websocket(event_loop& loop, std::shared_ptr<outbox_stream> stream, std::string peer, connection_slot slot,
                  std::shared_ptr<websocket_handler> handler)
      : connection_base(loop),
        stream_(std::move(stream)),
        socket_(*stream_),
        handler_(std::move(handler)),
        peer_(std::move(peer)),
        slot_(std::move(slot)),
        id_(last_id.fetch_add(1, std::memory_order_relaxed) + 1) {}

  void start(std::unique_ptr<upgrade_request> request, std::string subprotocol);

  // websocket_connection
  bool send(shared_frame frames, delivery kind) override;
  void close(std::uint16_t code, std::string_view reason) override;
  void pause() override { is_paused_ = true; }
  void resume() override;
  std::uint64_t id() const override { return id_; }
  std::size_t outbox_bytes() const override { return stream_ ? stream_->queue().bytes() : 0; }
  io_loop& loop() override { return loop_; }
  const std::string& peer() const override { return peer_; }

  // connection_base
  void on_drained() override;
  void on_write_blocked() override { rearm(); }
  void on_write_error() override { fail(ws_close::abnormal); }
  void begin_stop() override;
  void abort() override { fail(ws_close::abnormal); }

 private:
  enum class phase : std::uint8_t { accepting, open, closing, lingering, gone };

  void on_due(steady_time now) override;
  void rearm();
  void on_accepted(error_code ec);
  void read();
  void on_read(error_code ec, std::size_t bytes);
  void deliver(std::string_view payload);
  void on_read_error(error_code ec);
  void on_closed(error_code ec);
  std::uint16_t peer_code(std::uint16_t otherwise) const;
  void overflow();
  void ended(std::uint16_t code);
  void discard_input();
  void linger();
  void fail(std::uint16_t code);
  void finish(bool reset);
  template <class F>
  void guarded(F call);
  std::shared_ptr<beast_websocket> self() { return std::static_pointer_cast<beast_websocket>(shared_from_this()); }

  std::shared_ptr<outbox_stream> stream_;
  ws::stream<outbox_stream&, false> socket_;
  std::shared_ptr<websocket_handler> handler_;
  std::string peer_;
  connection_slot slot_;
  const std::uint64_t id_;
  std::string message_;             // longer than small_, or in several pieces
  std::size_t received_bytes_ = 0;  // of message_; the rest of it is room to read into
  steady_time next_ping_ = steady_time::max();
  steady_time pinged_ = steady_time::max();  // when the unanswered ping was sent
  steady_time closing_since_{};
  std::uint16_t close_code_ = ws_close::abnormal;
  phase phase_ = phase::accepting;
  bool is_paused_ = false;
  bool is_reading_ = false;
  bool is_resyncing_ = false;
  char small_[128];  // an idle connection's read buffer
};

// -- opening --------------------------------------------------------------------------------------------------------

void beast_websocket::start(std::unique_ptr<upgrade_request> request, std::string subprotocol) {
  open();
  loop_.counters().connections.add();
  loop_.counters().websockets.add();
  stream_->owner(this);
  closing_since_ = loop_.now();
  rearm();
  socket_.read_message_max(loop_.options().websocket_message_bytes_max);
  socket_.set_option(ws::stream_base::decorator([subprotocol = std::move(subprotocol)](ws::response_type& response) {
    response.set(beast::http::field::server, "throng");
    if (!subprotocol.empty()) response.set(beast::http::field::sec_websocket_protocol, subprotocol);
  }));
  // Beast makes its answer before this returns, so the request may go.
  socket_.async_accept(*request, [keep = self()](error_code ec) { keep->on_accepted(ec); });
}

void beast_websocket::on_accepted(error_code ec) {
  if (phase_ != phase::accepting) return;
  socket_.set_option(ws::stream_base::decorator([](ws::response_type&) {}));
  if (ec) return fail(ws_close::abnormal);
  phase_ = phase::open;
  // The first pings of connections that came together are spread over a quarter of the interval.
  const auto interval = loop_.options().ping_interval;
  if (interval.count() > 0) next_ping_ = loop_.now() + interval - interval / 4 * static_cast<int>(id_ % 64) / 64;
  rearm();
  guarded([this] { handler_->on_open(self()); });
  if (loop_.is_stopping()) begin_stop();
  read();
}

// -- reading --------------------------------------------------------------------------------------------------------

void beast_websocket::read() {
  if (is_reading_ || (phase_ != phase::open && phase_ != phase::closing)) return;
  if (is_paused_ && phase_ == phase::open) return;
  is_reading_ = true;
  char* to = small_;
  std::size_t size = sizeof small_;
  if (received_bytes_ > 0) {
    size = std::max<std::size_t>(socket_.read_size_hint(std::size_t{1536}), 1);
    message_.resize(received_bytes_ + size);
    to = message_.data() + received_bytes_;
  }
  socket_.async_read_some(asio::mutable_buffer(to, size), [keep = self()](error_code ec, std::size_t bytes) {
    keep->is_reading_ = false;
    keep->on_read(ec, bytes);
  });
}

void beast_websocket::resume() {
  if (!is_paused_) return;
  is_paused_ = false;
  pinged_ = steady_time::max();  // an answer may have waited unread
  read();
}

void beast_websocket::on_read(error_code ec, std::size_t bytes) {
  if (phase_ != phase::open && phase_ != phase::closing) return;
  if (ec) return on_read_error(ec);
  const bool is_done = socket_.is_message_done();
  if (received_bytes_ == 0 && is_done) {
    deliver({small_, bytes});
  } else if (received_bytes_ == 0) {
    message_.assign(small_, bytes);
    received_bytes_ = bytes;
  } else {
    received_bytes_ += bytes;
    if (is_done) {
      deliver({message_.data(), received_bytes_});
      received_bytes_ = 0;
      std::string().swap(message_);  // most connections are idle most of the time
    }
  }
  read();
}

void beast_websocket::deliver(std::string_view payload) {
  if (phase_ != phase::open) return;  // we have said goodbye
  loop_.counters().messages_in.add();
  guarded([&] { socket_.got_text() ? handler_->on_text(payload) : handler_->on_binary(payload); });
}

std::uint16_t beast_websocket::peer_code(std::uint16_t otherwise) const {
  const auto code = socket_.reason().code;
  return code == ws::close_code::none ? otherwise : static_cast<std::uint16_t>(code);
}

void beast_websocket::on_read_error(error_code ec) {
  if (ec == ws::error::closed) {
    ended(peer_code(ws_close::no_status));
    return linger();
  }
  // Beast doesn't count a message that is too big as a violation, though it has sent a close frame for both.
  const bool is_too_big = ec == ws::error::message_too_big || ec == ws::error::buffer_overflow;
  if (is_too_big || ec == ws::condition::protocol_violation) {
    loop_.counters().protocol_closes.add();
    ended(is_too_big                           ? ws_close::too_big
          : ec == ws::error::bad_frame_payload ? ws_close::bad_payload
                                               : ws_close::protocol_error);
    return linger();
  }
  if (phase_ == phase::closing && ec == asio::error::operation_aborted) return;  // on_closed() follows
  fail(ws_close::abnormal);
}

// -- writing --------------------------------------------------------------------------------------------------------

bool beast_websocket::send(shared_frame frames, delivery kind) {
  if (phase_ != phase::open || is_resyncing_) {
    loop_.counters().frames_skipped.add();
    return false;
  }
  switch (stream_->enqueue(std::move(frames), kind)) {
    case outbox_stream::verdict::queued:
      return true;
    case outbox_stream::verdict::dropped:
      return false;
    case outbox_stream::verdict::closed:
      loop_.counters().frames_skipped.add();
      return false;
    case outbox_stream::verdict::over:
      overflow();
      return false;
  }
  return false;
}

void beast_websocket::overflow() {
  loop_.counters().overflows.add();
  auto decision = overflow_decision::close;
  guarded([&] { decision = handler_->on_overflow(); });
  if (phase_ != phase::open) return;
  stream_->discard();
  if (decision == overflow_decision::resync)
    is_resyncing_ = true;
  else
    close(ws_close::try_again_later, "reading too slowly");
  rearm();
}

void beast_websocket::on_drained() {
  if (!is_resyncing_ || phase_ != phase::open) return;
  const auto keep = self();
  is_resyncing_ = false;
  loop_.counters().resyncs.add();
  guarded([this] { handler_->on_resync(); });
}

// -- time -----------------------------------------------------------------------------------------------------------

void beast_websocket::rearm() {
  if (!is_open()) return;
  const auto& options = loop_.options();
  auto due = next_ping_;
  const auto consider = [&due](steady_time at) { due = std::min(due, at); };
  switch (phase_) {
    case phase::accepting:
      due = closing_since_ + options.header_timeout;
      break;
    case phase::open:
      if (pinged_ != steady_time::max()) consider(pinged_ + options.ping_timeout);
      if (!stream_->queue().empty() || is_resyncing_) consider(stream_->last_progress() + options.write_stall_timeout);
      break;
    case phase::closing:
      due = std::max(closing_since_, stream_->last_progress()) + options.close_timeout;
      break;
    case phase::lingering:
      due = closing_since_ + options.close_timeout;
      break;
    case phase::gone:
      return;
  }
  if (due != steady_time::max() && (!is_armed() || due < this->due())) loop_.arm(*this, due);
}

void beast_websocket::on_due(steady_time now) {
  const auto keep = self();
  const auto& options = loop_.options();
  switch (phase_) {
    case phase::accepting:
      if (now - closing_since_ >= options.header_timeout) return fail(ws_close::abnormal);
      break;
    case phase::open:
      if ((!stream_->queue().empty() || is_resyncing_) &&
          now - stream_->last_progress() >= options.write_stall_timeout) {
        loop_.counters().stalled_writes.add();
        return fail(ws_close::abnormal);
      }
      if (pinged_ != steady_time::max() && now - pinged_ >= options.ping_timeout && !is_paused_) {
        if (stream_->last_read() <= pinged_) {
          loop_.counters().dead_peers.add();
          return fail(ws_close::abnormal);
        }
        pinged_ = steady_time::max();
      }
      if (now >= next_ping_) {
        next_ping_ = now + options.ping_interval;
        if (pinged_ == steady_time::max()) pinged_ = now;
        // A client that is behind has enough to read, and the stall deadline watches it.
        (void)stream_->enqueue(ping_frame(), delivery::presence);
      }
      break;
    case phase::closing: {
      // Progress buys time, but not for ever: a client may read a byte a second.
      const bool is_stuck = now - std::max(closing_since_, stream_->last_progress()) >= options.close_timeout;
      if (is_stuck || now - closing_since_ >= options.write_stall_timeout) {
        loop_.counters().stalled_writes.add();
        return fail(close_code_);
      }
      break;
    }
    case phase::lingering:
      if (now - closing_since_ >= options.close_timeout) return finish(false);
      break;
    case phase::gone:
      return;
  }
  rearm();
}

// -- ending ---------------------------------------------------------------------------------------------------------

void beast_websocket::close(std::uint16_t code, std::string_view reason) {
  if (phase_ != phase::open) return;
  phase_ = phase::closing;
  close_code_ = code;
  closing_since_ = loop_.now();
  is_resyncing_ = false;
  rearm();
  ws::close_reason why(static_cast<ws::close_code>(code));
  why.reason.assign(reason.data(), std::min<std::size_t>(reason.size(), 123));
  socket_.async_close(why, [keep = self()](error_code ec) { keep->on_closed(ec); });
}

void beast_websocket::on_closed(error_code ec) {
  if (phase_ != phase::closing) return;
  if (ec) return fail(close_code_);
  ended(peer_code(close_code_));
  linger();
}

void beast_websocket::begin_stop() {
  if (phase_ == phase::open)
    close(ws_close::going_away, "the server stops");
  else if (phase_ == phase::accepting)
    fail(ws_close::going_away);
}

void beast_websocket::ended(std::uint16_t code) {
  if (const auto handler = std::move(handler_)) {
    try {
      handler->on_close(code);
    } catch (const std::exception& e) {
      loop_.counters().handler_failures.add();
      log::error("connection {}: its handler failed when it closed: {}", id_, e.what());
    }
  }
}

// The close frames have been exchanged and FIN is out. Closing before the client's FIN could turn into a reset that
// overtakes our close frame.
void beast_websocket::linger() {
  phase_ = phase::lingering;
  closing_since_ = loop_.now();
  stream_->shut_down();
  loop_.disarm(*this);
  rearm();
  discard_input();
}

void beast_websocket::discard_input() {
  auto& scratch = loop_.scratch();
  std::size_t bytes = 0;
  const auto status = stream_->read_now(scratch.data(), scratch.size(), bytes);
  if (status == outbox_stream::io_status::eof || status == outbox_stream::io_status::failed) return finish(false);
  auto again = [keep = self()](error_code ec) {
    if (!ec && keep->phase_ == phase::lingering) keep->discard_input();
  };
  if (status == outbox_stream::io_status::done)
    asio::post(stream_->get_executor(), [again] { again({}); });
  else
    stream_->async_wait(status, std::move(again));
}

void beast_websocket::fail(std::uint16_t code) {
  if (phase_ == phase::gone) return;
  const auto keep = self();
  finish(true);
  ended(code);
}

// The stream stays: Beast refers to it, and so do its operations that are cancelled now.
void beast_websocket::finish(bool reset) {
  if (phase_ == phase::gone) return;
  phase_ = phase::gone;
  stream_->owner(nullptr);
  stream_->close(reset);
  loop_.counters().connections.subtract();
  loop_.counters().websockets.subtract();
  end();
}

template <class F>
void beast_websocket::guarded(F call) {
  try {
    if (handler_) call();
  } catch (const std::exception& e) {
    loop_.counters().handler_failures.add();
    log::error("connection {}: its handler failed: {}", id_, e.what());
    close(ws_close::internal_error, "internal error");
  }
}

}  // namespace

void start_websocket(event_loop& loop, std::shared_ptr<outbox_stream> stream, std::string peer, connection_slot slot,
                     std::unique_ptr<upgrade_request> request, std::shared_ptr<websocket_handler> handler,
                     std::string subprotocol) {
  std::make_shared<beast_websocket>(loop, std::move(stream), std::move(peer), std::move(slot), std::move(handler))
      ->start(std::move(request), std::move(subprotocol));
}

}  // namespace throng::detail
