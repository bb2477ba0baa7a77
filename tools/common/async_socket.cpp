// SPDX-License-Identifier: Apache-2.0
#include "tools/common/async_socket.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace throng {

namespace {

constexpr std::size_t read_bytes = 64 * 1024;

error trouble(std::string sentence) { return {errc::service_unavailable, std::move(sentence)}; }

}  // namespace

task<result<async_socket>> async_socket::connect(event_loop& loop, http_url server, event_loop::time deadline) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int failure = ::getaddrinfo(server.host.c_str(), std::to_string(server.port).c_str(), &hints, &found))
    co_return trouble(server.host + ": " + ::gai_strerror(failure));
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> addresses(found, ::freeaddrinfo);
  unique_fd fd(::socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) co_return trouble(std::strerror(errno));
  const int on = 1;
  ::setsockopt(fd.value(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  auto made = std::make_unique<state>(state{loop, std::move(fd)});
  if (::connect(made->fd.value(), found->ai_addr, found->ai_addrlen) != 0 && errno != EINPROGRESS)
    co_return trouble(server.authority() + ": " + std::strerror(errno));
  made->watched.emplace(loop.watch(made->fd.value(), made->interest));
  if (!made->interest.can_write && !co_await loop.writable(made->interest, deadline))
    co_return trouble(server.authority() + ": no connection in time");
  int failure = 0;
  socklen_t size = sizeof failure;
  ::getsockopt(made->fd.value(), SOL_SOCKET, SO_ERROR, &failure, &size);
  if (failure != 0) co_return trouble(server.authority() + ": " + std::strerror(failure));
  co_return async_socket(std::move(made));
}

async_socket async_socket::adopt(event_loop& loop, unique_fd fd) {
  ::fcntl(fd.value(), F_SETFL, ::fcntl(fd.value(), F_GETFL) | O_NONBLOCK);
  auto made = std::make_unique<state>(state{loop, std::move(fd)});
  made->watched.emplace(loop.watch(made->fd.value(), made->interest));
  return async_socket(std::move(made));
}

task<result<>> async_socket::send(std::string_view bytes, event_loop::time deadline) {
  auto& own = *state_;
  while (!bytes.empty()) {
    const auto count = ::send(own.fd.value(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(count));
      continue;
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN) co_return trouble(std::strerror(errno));
    own.interest.can_write = false;
    if (!co_await own.loop.writable(own.interest, deadline)) co_return trouble("it takes nothing more");
  }
  co_return done;
}

task<result<bool>> async_socket::receive(std::string& into, event_loop::time deadline) {
  auto& own = *state_;
  static thread_local std::array<char, read_bytes> buffer;  // not across a wait
  while (true) {
    if (!own.is_interrupted && !own.interest.can_read && !co_await own.loop.readable(own.interest, deadline))
      co_return false;
    if (std::exchange(own.is_interrupted, false)) co_return false;
    const auto count = ::read(own.fd.value(), buffer.data(), buffer.size());
    if (count > 0) {
      into.append(buffer.data(), static_cast<std::size_t>(count));
      co_return true;
    }
    if (count == 0) co_return trouble("the other side closed it");
    if (errno == EINTR) continue;
    if (errno != EAGAIN) co_return trouble(std::strerror(errno));
    own.interest.can_read = false;
  }
}

bool async_socket::is_stale() const {
  char byte = 0;
  return !is_open() || ::recv(state_->fd.value(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 || errno != EAGAIN;
}

void async_socket::interrupt_reader() {
  if (!is_open()) return;
  state_->is_interrupted = true;
  state_->loop.wake(state_->interest.reader);
}

void async_socket::shut_down() {
  if (!is_open()) return;
  ::shutdown(state_->fd.value(), SHUT_RDWR);
  state_->interest.can_read = state_->interest.can_write = true;
  state_->loop.wake(state_->interest.reader);
  state_->loop.wake(state_->interest.writer);
}

void async_socket::reset_on_close() {
  const linger none{1, 0};
  if (is_open()) ::setsockopt(state_->fd.value(), SOL_SOCKET, SO_LINGER, &none, sizeof none);
}

}  // namespace throng
