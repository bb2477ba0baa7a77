// SPDX-License-Identifier: Apache-2.0
// OUTBOX STREAM: one accepted socket, with or without TLS, below HTTP and below Beast's websocket layer. All bytes it
// sends go through one outbox of whole frames, so Beast's pongs and close frames and our shared frames never interleave
// (writing shared frames beside Beast corrupts the stream). TLS is OpenSSL on the descriptor: asio::ssl::stream would
// cost 72 KB a connection instead of 14, and has no usable non-blocking write.
// On its loop's thread only. Its owner is told what happens; an HTTP connection hands it on to a websocket connection.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/beast/core/async_base.hpp>
#include <boost/beast/core/bind_handler.hpp>
#include <boost/beast/core/role.hpp>
#include <boost/beast/websocket/teardown.hpp>

#include "net/transport/detail/connection_base.hpp"
#include "net/transport/detail/event_loop.hpp"
#include "net/transport/outbox.hpp"

struct ssl_st;

namespace throng::detail {

namespace asio = boost::asio;
using error_code = boost::system::error_code;

class outbox_stream : public std::enable_shared_from_this<outbox_stream> {
 public:
  // The concrete executor: any_io_executor would cost 350 bytes a connection.
  using executor_type = asio::io_context::executor_type;
  using socket_type = asio::basic_stream_socket<asio::ip::tcp, executor_type>;

  /// Takes over `socket`, and `tls` (null: plain), a connection in accept state.
  outbox_stream(event_loop& loop, socket_type socket, ssl_st* tls);
  ~outbox_stream();
  outbox_stream(const outbox_stream&) = delete;
  outbox_stream& operator=(const outbox_stream&) = delete;

  /// Who is told from now on; null when it ends.
  void owner(connection_base* owner) { owner_ = owner; }
  executor_type get_executor() { return socket_.get_executor(); }
  bool is_tls() const { return tls_ != nullptr; }

  // -- reading -------------------------------------------------------------------------------------------------------

  enum class io_status { done, want_read, want_write, eof, failed };

  /// One step of the TLS handshake; want_*: wait for that and call again.
  io_status handshake();

  /// Reads what is there, without waiting. done: `bytes` > 0.
  io_status read_now(void* to, std::size_t size, std::size_t& bytes);
  /// Decrypted bytes wait inside OpenSSL, so the descriptor may never become readable for them.
  bool has_buffered_input() const;
  /// `bytes` were read, but belong to whoever reads next (a websocket client that didn't wait for the 101).
  void put_back(std::string bytes) { read_ahead_ = std::move(bytes); }

  /// Calls `handler(error_code)` when the descriptor is readable (or writable, as `status` asks).
  template <class Handler>
  void async_wait(io_status status, Handler&& handler) {
    socket_.async_wait(status == io_status::want_write ? socket_type::wait_write : socket_type::wait_read,
                       std::forward<Handler>(handler));
  }

  /// Asio's AsyncReadStream.
  template <class Buffers, class Handler>
  void async_read_some(const Buffers& buffers, Handler&& handler);

  // -- writing -------------------------------------------------------------------------------------------------------

  /// Asio's AsyncWriteStream, for Beast: the bytes are copied into the outbox as one entry. Completes when they have
  /// left it, because a teardown right after would cut off a close frame.
  template <class Buffers, class Handler>
  void async_write_some(const Buffers& buffers, Handler&& handler);

  enum class verdict { queued, dropped, over, closed };
  /// Queues whole frames. At the bound it flushes first and judges after (a starved server must not blame its
  /// clients), then leaves out typing, then presence, and only then answers `over`.
  verdict enqueue(shared_frame frames, delivery kind);
  /// Queues an HTTP answer, beyond the bound.
  void enqueue_own(std::string bytes);
  /// Removes every shared frame that hasn't begun to leave.
  void discard();

  /// Writes what the kernel takes now, in gathered writes; waits for the rest. Called once per turn.
  void flush();

  const outbox& queue() const { return outbox_; }
  steady_time last_read() const { return last_read_; }
  steady_time last_progress() const { return last_progress_; }

  // -- ending --------------------------------------------------------------------------------------------------------

  /// Says that nothing more will be sent: close_notify and FIN. What the peer still sends can be read and discarded.
  void shut_down();
  /// Closes the descriptor; `reset` sends RST and drops what the kernel still holds.
  void close(bool reset);
  bool is_closed() const { return !socket_.is_open(); }

 private:
  friend class event_loop;
  static constexpr std::uint32_t not_dirty = 0xffff'ffff;

  struct pending_write {
    virtual ~pending_write() = default;
    virtual void complete(error_code ec) = 0;
  };
  template <class Handler>
  struct pending_write_of;
  template <class Handler>
  class read_op;

  void begin_write(std::string bytes, std::unique_ptr<pending_write> done);
  void finish_write(error_code ec);
  io_status write_plain(std::size_t& bytes);
  io_status write_tls(std::size_t& bytes);
  io_status tls_status(int result);
  void wait_to_write(io_status status);
  void write();
  void fail();
  void queued();
  void on_read(std::size_t bytes);
  void update_outbox_figure();

  event_loop& loop_;
  connection_base* owner_ = nullptr;
  socket_type socket_;
  ssl_st* tls_;
  outbox outbox_;
  std::unique_ptr<pending_write> pending_write_;  // Beast's, at most one
  std::string read_ahead_;
  steady_time last_read_;
  steady_time last_progress_;
  std::uint32_t dirty_index_ = not_dirty;
  std::uint32_t counted_bytes_ = 0;  // of outbox_, in the loop's figure
  bool is_waiting_to_write_ = false;
  bool is_failed_ = false;
  bool is_shut_down_ = false;
};

// -- templates ------------------------------------------------------------------------------------------------------

template <class Handler>
struct outbox_stream::pending_write_of final : pending_write {
  pending_write_of(Handler h, std::size_t n, executor_type e) : handler(std::move(h)), bytes(n), executor(e) {}
  void complete(error_code ec) override {
    asio::post(executor, boost::beast::bind_front_handler(std::move(handler), ec, ec ? std::size_t{0} : bytes));
  }
  Handler handler;
  std::size_t bytes;
  executor_type executor;
};

template <class Buffers, class Handler>
void outbox_stream::async_write_some(const Buffers& buffers, Handler&& handler) {
  std::string bytes(asio::buffer_size(buffers), '\0');
  asio::buffer_copy(asio::buffer(bytes), buffers);
  const std::size_t size = bytes.size();
  using op = pending_write_of<std::decay_t<Handler>>;
  begin_write(std::move(bytes), std::make_unique<op>(std::forward<Handler>(handler), size, get_executor()));
}

// Plain: Asio's own read, which saves the system calls of a wait. TLS: OpenSSL first, because it may hold bytes.
template <class Handler>
class outbox_stream::read_op : public boost::beast::async_base<Handler, executor_type> {
 public:
  template <class H>
  read_op(outbox_stream& stream, asio::mutable_buffer buffer, H&& handler)
      : boost::beast::async_base<Handler, executor_type>(std::forward<H>(handler), stream.get_executor()),
        stream_(&stream),
        buffer_(buffer) {}

  void start() {
    if (!stream_->read_ahead_.empty()) {
      const std::size_t n = asio::buffer_copy(buffer_, asio::buffer(stream_->read_ahead_));
      stream_->read_ahead_.erase(0, n);
      if (stream_->read_ahead_.empty()) std::string().swap(stream_->read_ahead_);
      this->complete(false, error_code{}, n);
    } else if (stream_->is_tls()) {
      read_tls(false);
    } else {
      auto* stream = stream_;
      stream->socket_.async_read_some(buffer_, std::move(*this));
    }
  }

  // Of Asio's read.
  void operator()(error_code ec, std::size_t bytes) {
    stream_->on_read(bytes);
    this->complete(true, ec, bytes);
  }
  // Of a wait for the descriptor.
  void operator()(error_code ec) {
    if (ec) return this->complete(true, ec, std::size_t{0});
    read_tls(true);
  }

 private:
  void read_tls(bool is_continuation) {
    std::size_t bytes = 0;
    const io_status status =
        stream_->is_closed() ? io_status::failed : stream_->read_now(buffer_.data(), buffer_.size(), bytes);
    switch (status) {
      case io_status::done:
        return this->complete(is_continuation, error_code{}, bytes);
      case io_status::eof:
        return this->complete(is_continuation, error_code{asio::error::eof}, bytes);
      case io_status::failed:
        return this->complete(is_continuation, error_code{asio::error::connection_reset}, bytes);
      case io_status::want_read:
      case io_status::want_write:
        break;
    }
    auto* stream = stream_;
    stream->async_wait(status, std::move(*this));
  }

  outbox_stream* stream_;  // alive: the handler holds its owner
  asio::mutable_buffer buffer_;
};

template <class Buffers, class Handler>
void outbox_stream::async_read_some(const Buffers& buffers, Handler&& handler) {
  // Beast reads into one contiguous piece; the first non-empty one is enough for "some".
  asio::mutable_buffer first;
  for (auto it = asio::buffer_sequence_begin(buffers); it != asio::buffer_sequence_end(buffers); ++it) {
    first = *it;
    if (first.size() > 0) break;
  }
  read_op<std::decay_t<Handler>> op(*this, first, std::forward<Handler>(handler));
  op.start();
}

// Found by Beast through argument-dependent lookup: FIN after the close frame; the owner then reads until the peer's.
template <class Handler>
void async_teardown(boost::beast::role_type, outbox_stream& stream, Handler&& handler) {
  stream.shut_down();
  asio::post(stream.get_executor(), boost::beast::bind_front_handler(std::forward<Handler>(handler), error_code{}));
}

// Beast's own time-outs are off; if one fired, this is what it would do.
inline void beast_close_socket(outbox_stream& stream) { stream.close(true); }

}  // namespace throng::detail
