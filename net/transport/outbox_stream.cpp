// SPDX-License-Identifier: Apache-2.0
#include "net/transport/detail/outbox_stream.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

namespace throng::detail {

namespace {
constexpr std::size_t pieces_max = 64;
// One TLS record: more would only make OpenSSL hold more.
constexpr std::size_t record_bytes = 16 * 1024;
}  // namespace

outbox_stream::outbox_stream(event_loop& loop, socket_type socket, ssl_st* tls)
    : loop_(loop),
      socket_(std::move(socket)),
      tls_(tls),
      outbox_(loop.options().outbox_bytes_max),
      last_read_(loop.now()),
      last_progress_(loop.now()) {
  const int fd = socket_.native_handle();
  const int yes = 1;
  // Best effort, all three: a socket without them works, only less well.
  (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  if (const int lowat = loop.options().notsent_lowat_bytes; lowat > 0) {
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &lowat, sizeof lowat);
  }
  if (const int size = loop.options().send_buffer_bytes; size > 0) {
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
  }
  if (tls_ != nullptr) SSL_set_fd(tls_, fd);
}

outbox_stream::~outbox_stream() {
  close(false);
  SSL_free(tls_);
}

// -- reading --------------------------------------------------------------------------------------------------------

outbox_stream::io_status outbox_stream::tls_status(int result) {
  switch (SSL_get_error(tls_, result)) {
    case SSL_ERROR_NONE:
      return io_status::done;
    case SSL_ERROR_WANT_READ:
      return io_status::want_read;
    case SSL_ERROR_WANT_WRITE:
      return io_status::want_write;
    case SSL_ERROR_ZERO_RETURN:
      return io_status::eof;
    default:
      return io_status::failed;
  }
}

outbox_stream::io_status outbox_stream::handshake() {
  ERR_clear_error();
  return tls_status(SSL_accept(tls_));
}

outbox_stream::io_status outbox_stream::read_now(void* to, std::size_t size, std::size_t& bytes) {
  bytes = 0;
  if (tls_ != nullptr) {
    ERR_clear_error();
    const int n = SSL_read(tls_, to, static_cast<int>(std::min<std::size_t>(size, 1 << 30)));
    if (n <= 0) return tls_status(n);
    bytes = static_cast<std::size_t>(n);
  } else {
    ssize_t n;
    do n = ::recv(socket_.native_handle(), to, size, MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    if (n == 0) return io_status::eof;
    if (n < 0) return errno == EAGAIN || errno == EWOULDBLOCK ? io_status::want_read : io_status::failed;
    bytes = static_cast<std::size_t>(n);
  }
  on_read(bytes);
  return io_status::done;
}

bool outbox_stream::has_buffered_input() const { return tls_ != nullptr && SSL_has_pending(tls_) != 0; }

void outbox_stream::on_read(std::size_t bytes) {
  if (bytes == 0) return;
  last_read_ = loop_.now();
  loop_.counters().bytes_in.add(bytes);
}

// -- writing --------------------------------------------------------------------------------------------------------

void outbox_stream::begin_write(std::string bytes, std::unique_ptr<pending_write> done) {
  // A whole unmasked close frame starts with FIN and opcode 8. (The 101 starts with 'H', whose low bits are 8 too.)
  const bool is_close = !bytes.empty() && static_cast<unsigned char>(bytes.front()) == 0x88;
  if (bytes.empty()) return done->complete({});
  if (is_closed() || is_failed_ || !outbox_.push_own(std::make_shared<const std::string>(std::move(bytes)), true)) {
    return done->complete(asio::error::operation_aborted);
  }
  if (is_close) outbox_.close();
  pending_write_ = std::move(done);
  queued();
}

void outbox_stream::finish_write(error_code ec) {
  if (const auto done = std::move(pending_write_)) done->complete(ec);
}

outbox_stream::verdict outbox_stream::enqueue(shared_frame frames, delivery kind) {
  if (is_closed() || is_failed_ || outbox_.is_closed()) return verdict::closed;
  const std::size_t size = frames->size();
  if (!outbox_.has_room(size)) {
    write();
    if (is_failed_) return verdict::closed;
  }
  if (!outbox_.has_room(size) && kind == delivery::typing) {
    loop_.counters().frames_dropped.add();
    return verdict::dropped;
  }
  for (const auto least : {delivery::typing, delivery::presence}) {
    if (outbox_.has_room(size) || least <= kind) break;
    loop_.counters().frames_dropped.add(outbox_.drop(least));
  }
  if (!outbox_.has_room(size)) {
    update_outbox_figure();
    if (kind == delivery::message) return verdict::over;
    loop_.counters().frames_dropped.add();
    return verdict::dropped;
  }
  if (!outbox_.push(std::move(frames), kind)) return verdict::closed;
  loop_.counters().frames_out.add();
  queued();
  return verdict::queued;
}

void outbox_stream::enqueue_own(std::string bytes) {
  if (is_closed() || is_failed_) return;
  if (outbox_.push_own(std::make_shared<const std::string>(std::move(bytes)), false)) queued();
}

void outbox_stream::queued() {
  // The clock of a stall starts with the first byte that waits.
  if (!is_waiting_to_write_) last_progress_ = loop_.now();
  update_outbox_figure();
  loop_.mark_dirty(*this);
}

void outbox_stream::discard() {
  loop_.counters().frames_dropped.add(outbox_.discard());
  update_outbox_figure();
}

void outbox_stream::update_outbox_figure() {
  const auto bytes = static_cast<std::uint32_t>(outbox_.bytes());
  loop_.counters().outbox_bytes.add(static_cast<std::uint64_t>(bytes) - counted_bytes_);
  counted_bytes_ = bytes;
}

outbox_stream::io_status outbox_stream::write_plain(std::size_t& bytes) {
  iovec pieces[pieces_max];
  msghdr message{};
  message.msg_iov = pieces;
  message.msg_iovlen = outbox_.gather(pieces, pieces_max);
  const int fd = socket_.native_handle();
  const int flags = MSG_NOSIGNAL | MSG_DONTWAIT;
  ssize_t n;
  // One piece, as nearly always: without the message header that the kernel would copy and take apart.
  do
    n = message.msg_iovlen == 1 ? ::send(fd, pieces[0].iov_base, pieces[0].iov_len, flags)
                                : ::sendmsg(fd, &message, flags);
  while (n < 0 && errno == EINTR);
  if (n < 0) return errno == EAGAIN || errno == EWOULDBLOCK ? io_status::want_write : io_status::failed;
  bytes = static_cast<std::size_t>(n);
  std::size_t offered = 0;
  for (std::size_t i = 0; i < message.msg_iovlen; ++i) offered += pieces[i].iov_len;
  return bytes < offered ? io_status::want_write : io_status::done;
}

// Small frames are copied together so that they share a record and its 22 bytes and cipher set-up.
outbox_stream::io_status outbox_stream::write_tls(std::size_t& bytes) {
  iovec pieces[pieces_max];
  const std::size_t count = outbox_.gather(pieces, pieces_max);
  const char* from = static_cast<const char*>(pieces[0].iov_base);
  std::size_t size = std::min(pieces[0].iov_len, record_bytes);
  if (count > 1 && size < record_bytes) {
    auto& scratch = loop_.scratch();
    size = 0;
    for (std::size_t i = 0; i < count && size < record_bytes; ++i) {
      const std::size_t part = std::min(pieces[i].iov_len, record_bytes - size);
      std::memcpy(scratch.data() + size, pieces[i].iov_base, part);
      size += part;
    }
    from = scratch.data();
  }
  ERR_clear_error();
  const int n = SSL_write(tls_, from, static_cast<int>(size));
  if (n > 0) {
    bytes = static_cast<std::size_t>(n);
    return io_status::done;
  }
  const io_status status = tls_status(n);
  // The record is encrypted and partly sent: the same bytes must be offered again.
  if (status == io_status::want_write || status == io_status::want_read) outbox_.pin(size);
  return status;
}

void outbox_stream::flush() {
  write();
  if (outbox_.empty() && !is_failed_ && !is_closed() && owner_ != nullptr) owner_->on_drained();
}

void outbox_stream::write() {
  if (is_waiting_to_write_ || is_failed_ || is_closed()) return;
  while (!outbox_.empty()) {
    std::size_t bytes = 0;
    const io_status status = tls_ != nullptr ? write_tls(bytes) : write_plain(bytes);
    if (bytes > 0) {
      last_progress_ = loop_.now();
      loop_.counters().bytes_out.add(bytes);
      loop_.counters().writes.add();
      const bool has_finished_control = outbox_.consume(bytes);
      update_outbox_figure();
      if (has_finished_control) finish_write({});
    }
    if (status == io_status::done) continue;
    if (outbox_.empty()) return;
    if (status == io_status::want_write || status == io_status::want_read) return wait_to_write(status);
    return fail();
  }
}

// Told later, because whoever queues a frame must not find itself gone.
void outbox_stream::fail() {
  is_failed_ = true;
  finish_write(asio::error::broken_pipe);
  asio::post(get_executor(), [keep = shared_from_this()] {
    if (keep->owner_ != nullptr) keep->owner_->on_write_error();
  });
}

void outbox_stream::wait_to_write(io_status status) {
  is_waiting_to_write_ = true;
  async_wait(status, [keep = shared_from_this()](error_code ec) {
    keep->is_waiting_to_write_ = false;
    if (!ec) keep->flush();
  });
  if (owner_ != nullptr) owner_->on_write_blocked();
}

// -- ending ---------------------------------------------------------------------------------------------------------

void outbox_stream::shut_down() {
  if (is_closed() || is_shut_down_) return;
  is_shut_down_ = true;
  outbox_.close();
  if (tls_ != nullptr && SSL_is_init_finished(tls_)) {
    ERR_clear_error();
    (void)SSL_shutdown(tls_);  // best effort: FIN says the same
  }
  (void)::shutdown(socket_.native_handle(), SHUT_WR);  // best effort: the peer may have gone
}

void outbox_stream::close(bool reset) {
  if (is_closed()) return;
  loop_.unmark_dirty(*this);
  loop_.counters().outbox_bytes.subtract(counted_bytes_);
  counted_bytes_ = 0;
  error_code ignored;
  if (reset) socket_.set_option(asio::socket_base::linger(true, 0), ignored);
  socket_.close(ignored);
  finish_write(asio::error::operation_aborted);
}

}  // namespace throng::detail
