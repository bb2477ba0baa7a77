// SPDX-License-Identifier: Apache-2.0
#include "net/transport/detail/listener.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <cerrno>
#include <cstring>
#include <netdb.h>
#include <optional>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/ssl.h>

#include "config/log.hpp"
#include "net/transport/detail/http_connection.hpp"
#include "net/transport/detail/outbox_stream.hpp"

namespace throng::detail {

namespace {

// Between two looks at a full house. Short, because a client waits in the backlog meanwhile.
constexpr std::chrono::milliseconds pause_time{50};
// Accepted in a row before the loop's connections get their turn.
constexpr int accepts_max = 64;

class unique_fd {
 public:
  explicit unique_fd(int fd) : fd_(fd) {}
  unique_fd(unique_fd&& other) noexcept : fd_(other.release()) {}
  unique_fd& operator=(unique_fd&&) = delete;
  ~unique_fd() {
    if (fd_ >= 0) ::close(fd_);
  }
  int value() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

host_port address_of(const sockaddr_storage& address) {
  char text[INET6_ADDRSTRLEN] = "";
  if (address.ss_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
    inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof text);
    return {text, ntohs(v6.sin6_port)};
  }
  const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
  inet_ntop(AF_INET, &v4.sin_addr, text, sizeof text);
  return {text, ntohs(v4.sin_port)};
}

// Runs on the connection's loop.
void open_connection(event_loop& loop, unique_fd fd, std::string peer, connection_slot slot) {
  ssl_st* tls = nullptr;
  if (slot.core().tls) {
    tls = slot.core().tls->new_connection();
    if (tls == nullptr) {
      loop.counters().tls_failures.add();
      return;
    }
  }
  outbox_stream::socket_type socket(loop.context().get_executor());
  error_code ec;
  // Asio needs the protocol only to open and to describe, and does neither here.
  socket.assign(asio::ip::tcp::v4(), fd.value(), ec);
  if (ec) {
    SSL_free(tls);
    log::warn("can't take over a connection from {}: {}", peer, ec.message());
    return;
  }
  (void)fd.release();
  loop.counters().connections.add();
  auto stream = std::make_shared<outbox_stream>(loop, std::move(socket), tls);
  std::make_shared<http_connection>(loop, std::move(stream), std::move(peer), std::move(slot))->start();
}

}  // namespace

result<std::shared_ptr<listener>> listener::bind(event_loop& on, const loops& all, listener_options options) {
  const std::string name = to_text(options.address);
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_ADDRCONFIG;
  addrinfo* found = nullptr;
  const std::string port = std::to_string(options.address.port);
  const char* host = options.address.host.empty() ? nullptr : options.address.host.c_str();
  if (const int failed = getaddrinfo(host, port.c_str(), &hints, &found); failed != 0) {
    return error{errc::invalid_arguments, "can't listen on " + name + ": " + gai_strerror(failed)};
  }
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> guard(found, freeaddrinfo);
  unique_fd fd(::socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const int yes = 1;
  sockaddr_storage bound{};
  socklen_t bound_bytes = sizeof bound;
  if (fd.value() < 0 || setsockopt(fd.value(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) != 0 ||
      ::bind(fd.value(), found->ai_addr, found->ai_addrlen) != 0 || ::listen(fd.value(), on.options().backlog) != 0 ||
      getsockname(fd.value(), reinterpret_cast<sockaddr*>(&bound), &bound_bytes) != 0) {
    return error{errc::unavailable, "can't listen on " + name + ": " + std::strerror(errno)};
  }
  auto core = std::make_shared<listener_core>();
  core->handler = std::move(options.handler);
  core->tls = std::move(options.tls);
  core->connections_max = options.connections_max > 0 ? options.connections_max : on.options().connections_max;
  return std::make_shared<listener>(on, all, std::move(core), fd.release(), address_of(bound));
}

listener::listener(event_loop& on, const loops& all, std::shared_ptr<listener_core> core, int fd, host_port bound)
    : loop_(on), loops_(all), core_(std::move(core)), acceptor_(on.context().get_executor()), bound_(std::move(bound)) {
  acceptor_.assign(asio::ip::tcp::v4(), fd);
}

void listener::start() {
  loop_.post_always([keep = shared_from_this()] { keep->wait(); });
}

void listener::close() {
  loop_.post_always([keep = shared_from_this()] {
    error_code ignored;
    keep->acceptor_.close(ignored);
  });
}

void listener::wait() {
  if (!acceptor_.is_open()) return;
  acceptor_.async_wait(acceptor_type::wait_read, [keep = shared_from_this()](error_code ec) {
    if (!keep->acceptor_.is_open()) return;
    if (ec)
      keep->pause(ec.message().c_str());
    else
      keep->accept_some();
  });
}

void listener::accept_some() {
  for (int i = 0; i < accepts_max; ++i) {
    if (core_->connections.load(std::memory_order_relaxed) >= core_->connections_max) {
      return pause("connections_max is reached");
    }
    sockaddr_storage peer{};
    socklen_t peer_bytes = sizeof peer;
    const int fd = ::accept4(acceptor_.native_handle(), reinterpret_cast<sockaddr*>(&peer), &peer_bytes,
                             SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
      // A client that left before its turn is no reason to stop.
      if (errno == ECONNABORTED || errno == EINTR || errno == EPROTO) continue;
      if (errno == EAGAIN || errno == EWOULDBLOCK) break;
      return pause(std::strerror(errno));
    }
    if (is_paused_) {
      is_paused_ = false;
      log::info("{} accepts connections again", to_text(bound_));
    }
    loop_.counters().accepted.add();
    hand_over(fd, to_text(address_of(peer)));
  }
  wait();
}

void listener::pause(const char* why) {
  if (!is_paused_) {
    is_paused_ = true;
    loop_.counters().accept_pauses.add();
    log::warn("{} accepts no connections for now: {}", to_text(bound_), why);
  }
  loop_.after(pause_time, [keep = shared_from_this()] {
    if (keep->acceptor_.is_open()) keep->accept_some();
  });
}

void listener::hand_over(int fd, std::string peer) {
  const auto least = std::min_element(loops_.begin(), loops_.end(), [](const auto& a, const auto& b) {
    return a->load.load(std::memory_order_relaxed) < b->load.load(std::memory_order_relaxed);
  });
  event_loop& to = **least;
  unique_fd owned(fd);
  connection_slot slot(core_, to);
  if (&to == &loop_) return open_connection(to, std::move(owned), std::move(peer), std::move(slot));
  const bool is_posted =
      to.post([&to, owned = std::move(owned), peer = std::move(peer), slot = std::move(slot)]() mutable {
        open_connection(to, std::move(owned), std::move(peer), std::move(slot));
      });
  if (!is_posted) loop_.counters().refused.add();
}

}  // namespace throng::detail
