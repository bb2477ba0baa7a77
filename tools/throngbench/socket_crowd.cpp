// SPDX-License-Identifier: Apache-2.0
#include "tools/throngbench/socket_crowd.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "tools/common/http_client.hpp"
#include "tools/throngbench/process_usage.hpp"

namespace throng {

namespace {

constexpr std::size_t buffer_bytes = 256 * 1024;
constexpr std::chrono::seconds send_patience{20};

}  // namespace

socket_crowd::socket_crowd(on_text handler)
    : handler_(std::move(handler)),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      buffer_(buffer_bytes) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.ptr = nullptr;
  ::epoll_ctl(epoll_.value(), EPOLL_CTL_ADD, wake_.value(), &event);
  thread_ = std::thread([this] { run(); });
}

socket_crowd::~socket_crowd() {
  is_stopping_ = true;
  const std::uint64_t one = 1;
  (void)!::write(wake_.value(), &one, sizeof one);  // an eventfd that is full wakes as well
  thread_.join();
}

void socket_crowd::add(std::size_t number, unique_fd socket, std::string received) {
  auto fresh = std::make_unique<member>();
  fresh->number = number;
  fresh->socket = std::move(socket);
  auto& here = *fresh;
  {
    std::lock_guard lock(mutex_);
    if (members_.size() <= number) members_.resize(number + 1);
    members_[number] = std::move(fresh);
  }
  if (!take(here, received, now_ns())) return lose(here, "no websocket frames");
  epoll_event event{};
  event.events = EPOLLIN | EPOLLRDHUP;
  event.data.ptr = &here;
  ::epoll_ctl(epoll_.value(), EPOLL_CTL_ADD, here.socket.value(), &event);
}

bool socket_crowd::send(std::size_t number, std::string_view frames) {
  member* to = nullptr;
  {
    std::lock_guard lock(mutex_);
    if (number < members_.size()) to = members_[number].get();
  }
  return to && send_to(*to, frames);
}

bool socket_crowd::send_to(member& to, std::string_view frames) {
  std::lock_guard lock(to.sending);
  return to.socket && send_all(to.socket.value(), frames, std::chrono::steady_clock::now() + send_patience).ok();
}

std::string socket_crowd::first_loss() const {
  std::lock_guard lock(mutex_);
  return first_loss_;
}

void socket_crowd::run() {
  std::array<epoll_event, 512> events;
  while (!is_stopping_.load(std::memory_order_relaxed)) {
    const auto count = ::epoll_wait(epoll_.value(), events.data(), static_cast<int>(events.size()), -1);
    for (int i = 0; i < count; ++i)
      if (auto* ready = static_cast<member*>(events[static_cast<std::size_t>(i)].data.ptr)) read(*ready);
  }
}

void socket_crowd::read(member& from) {
  if (!from.socket) return;  // lost earlier in the same batch of events
  const auto count = ::recv(from.socket.value(), buffer_.data(), buffer_.size(), MSG_DONTWAIT);
  if (count > 0) {
    if (!take(from, {buffer_.data(), static_cast<std::size_t>(count)}, now_ns())) lose(from, "no websocket frames");
    return;
  }
  if (count == 0) return lose(from, "the server closed it");
  if (errno != EAGAIN && errno != EINTR) lose(from, std::strerror(errno));
}

bool socket_crowd::take(member& from, std::string_view bytes, std::int64_t now) {
  return from.frames.read(bytes, [&](ws_opcode opcode, std::string_view payload) {
    if (opcode == ws_opcode::text || opcode == ws_opcode::binary) {
      handler_(from.number, payload, now);
    } else if (opcode == ws_opcode::ping) {
      pings_.fetch_add(1, std::memory_order_relaxed);
      std::string pong;
      append_client_frame(pong, ws_opcode::pong, payload, 0x5eed5eed);
      send_to(from, pong);  // if it fails, the socket's next read says so
    } else if (opcode == ws_opcode::close) {
      std::lock_guard lock(mutex_);
      if (first_loss_.empty() && payload.size() >= 2)
        first_loss_ =
            "closed with " +
            std::to_string(static_cast<unsigned char>(payload[0]) << 8 | static_cast<unsigned char>(payload[1])) + " " +
            std::string(payload.substr(2));
    }
  });
}

void socket_crowd::lose(member& gone, std::string why) {
  ::epoll_ctl(epoll_.value(), EPOLL_CTL_DEL, gone.socket.value(), nullptr);
  {
    std::lock_guard lock(gone.sending);
    gone.socket.reset();
  }
  lost_.fetch_add(1, std::memory_order_relaxed);
  std::lock_guard lock(mutex_);
  if (first_loss_.empty()) first_loss_ = std::move(why);
}

}  // namespace throng
