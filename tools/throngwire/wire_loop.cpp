// SPDX-License-Identifier: Apache-2.0
#include "tools/throngwire/wire_loop.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <cerrno>
#include <cstring>
#include <list>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <optional>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "storage/model/assert.hpp"
#include "tools/common/unique_fd.hpp"

namespace throng {

namespace {

constexpr std::size_t chunk_bytes = 64u << 10;
constexpr int idle_ms = 50;  // how often it looks whether a process that was gone is there again
constexpr int backlog = 128;

std::optional<sockaddr_in> address_of(const host_port& where) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(where.port);
  if (::inet_pton(AF_INET, where.host.c_str(), &address.sin_addr) != 1) return std::nullopt;
  return address;
}

std::string host_of(const sockaddr_in& address) {
  std::array<char, INET_ADDRSTRLEN> text{};
  ::inet_ntop(AF_INET, &address.sin_addr, text.data(), text.size());
  return text.data();
}

unique_fd make_socket() { return unique_fd(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)); }

void set(int socket, int level, int option, int value) {
  (void)::setsockopt(socket, level, option, &value, sizeof value);
}

/// The other side sees a reset, not an orderly end.
void reset(unique_fd& socket) {
  if (!socket) return;
  const linger at_once{1, 0};
  (void)::setsockopt(socket.value(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  socket.reset();
}

}  // namespace

class wire_loop::impl {
 public:
  impl() : epoll_(::epoll_create1(EPOLL_CLOEXEC)) { THRONG_ASSERT(epoll_); }

  result<> follow(wire_plan plan) {
    std::list<listener> added;
    for (const auto& wire : plan.wires) {
      if (std::ranges::any_of(listeners_, [&](const auto& each) { return each.wire == wire; })) continue;
      auto& made = added.emplace_back();
      made.wire = wire;
      if (auto opened = open(made); !opened) return opened;
    }
    plan_ = std::move(plan);
    const auto is_gone = [&](const auto& each) {
      return std::ranges::find(plan_.wires, each.wire) == plan_.wires.end();
    };
    for (auto& each : lines_)
      if (is_gone(*each.at)) end(each);
    sweep();
    std::erase_if(listeners_, is_gone);
    for (auto& each : added) watch(each.socket.value(), EPOLLIN, &each);
    listeners_.splice(listeners_.end(), added);
    for (auto& each : listeners_)
      if (each.is_deaf && plan_.is_cut(each.wire.to)) hear_again(each);
    for (auto& each : lines_) obey(each);
    sweep();
    return done;
  }

  void run_once() {
    std::array<epoll_event, 64> events;
    const int count = ::epoll_wait(epoll_.value(), events.data(), static_cast<int>(events.size()), idle_ms);
    for (int i = 0; i < count; ++i) static_cast<watched*>(events[static_cast<std::size_t>(i)].data.ptr)->happen(*this);
    for (auto& each : listeners_)
      if (each.is_deaf) look_for(each);
    sweep();
  }

 private:
  /// What epoll calls back. None of them goes while a turn of the loop is under way (sweep()).
  struct watched {
    virtual void happen(impl& loop) = 0;
    virtual ~watched() = default;
  };

  struct listener final : watched {
    wire_plan::wire wire;
    unique_fd socket;
    bool is_deaf = false;  // nobody is at the target: connections are refused, as they would be there
    void happen(impl& loop) override { loop.accept_all(*this); }
  };

  struct side {
    unique_fd socket;
    std::string pending;        // for this side, not yet taken by it
    bool has_ended = false;     // it sends no more
    bool was_told_end = false;  // the other side's end has been passed on
    std::uint32_t watched = 0;
  };

  struct line final : watched {
    std::string from, to;
    host_port target;
    listener* at = nullptr;
    side dialer, dialed;
    bool is_connecting = false, is_over = false;
    wire_state state = wire_state::passes;
    void happen(impl& loop) override { loop.move(*this); }
  };

  // -- listening
  // -----------------------------------------------------------------------------------------------------------

  static result<> open(listener& at) {
    auto refuse = [&](const std::string& why) {
      return error{errc::invalid_arguments, "can't listen at " + to_text(at.wire.listen) + ": " + why};
    };
    const auto address = address_of(at.wire.listen);
    if (!address || !address_of(at.wire.target)) return refuse("addresses must be IPv4, in numbers");
    at.socket = make_socket();
    set(at.socket.value(), SOL_SOCKET, SO_REUSEADDR, 1);
    if (::bind(at.socket.value(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address) != 0 ||
        ::listen(at.socket.value(), backlog) != 0)
      return refuse(std::strerror(errno));
    return done;
  }

  void watch(int socket, std::uint32_t events, watched* who) {
    epoll_event event{events, {who}};
    if (::epoll_ctl(epoll_.value(), EPOLL_CTL_MOD, socket, &event) != 0)
      THRONG_ASSERT(::epoll_ctl(epoll_.value(), EPOLL_CTL_ADD, socket, &event) == 0);
  }
  void unwatch(int socket) { (void)::epoll_ctl(epoll_.value(), EPOLL_CTL_DEL, socket, nullptr); }

  void accept_all(listener& at) {
    while (!at.is_deaf) {
      sockaddr_in source{};
      socklen_t size = sizeof source;
      unique_fd socket(
          ::accept4(at.socket.value(), reinterpret_cast<sockaddr*>(&source), &size, SOCK_NONBLOCK | SOCK_CLOEXEC));
      if (!socket) return;
      auto& made = lines_.emplace_back();
      made.at = &at;
      made.from = at.wire.from == "*" ? plan_.owner_of(host_of(source)) : at.wire.from;
      made.to = at.wire.to;
      made.target = at.wire.target;
      made.dialer.socket = std::move(socket);
      set(made.dialer.socket.value(), IPPROTO_TCP, TCP_NODELAY, 1);
      obey(made);
    }
  }

  /// Nobody listens at the target any more: who comes is refused, and the port stays ours.
  void become_deaf(listener& at) {
    if (at.is_deaf || plan_.is_cut(at.wire.to)) return;
    at.is_deaf = true;
    unwatch(at.socket.value());
    (void)::shutdown(at.socket.value(), SHUT_RDWR);
  }
  void hear_again(listener& at) {
    at.is_deaf = false;
    THRONG_ASSERT(::listen(at.socket.value(), backlog) == 0);
    watch(at.socket.value(), EPOLLIN, &at);
  }
  void look_for(listener& at) {
    const auto probe = connect_to(at.wire.target);  // on loopback the answer is there when the call returns
    if (probe && outcome_of(probe) == 0) hear_again(at);
  }

  void notice_death(listener& at) {
    const auto probe = connect_to(at.wire.target);
    if (!probe || outcome_of(probe) == ECONNREFUSED) become_deaf(at);
  }

  // -- lines
  // ---------------------------------------------------------------------------------------------------------------

  static unique_fd connect_to(const host_port& target) {
    const auto address = address_of(target);
    auto socket = make_socket();
    if (!socket) return socket;
    set(socket.value(), IPPROTO_TCP, TCP_NODELAY, 1);
    if (::connect(socket.value(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address) != 0 &&
        errno != EINPROGRESS)
      socket.reset();
    return socket;
  }

  /// 0: connected. EINPROGRESS: not yet.
  static int outcome_of(const unique_fd& socket) {
    int failed = 0;
    socklen_t size = sizeof failed;
    (void)::getsockopt(socket.value(), SOL_SOCKET, SO_ERROR, &failed, &size);
    if (failed != 0) return failed;
    sockaddr_in peer{};
    size = sizeof peer;
    return ::getpeername(socket.value(), reinterpret_cast<sockaddr*>(&peer), &size) == 0 ? 0 : EINPROGRESS;
  }

  /// Does with a line what the plan says of its ends.
  void obey(line& over) {
    if (over.is_over) return;
    const auto wanted = plan_.between(over.from, over.to);
    if (wanted == wire_state::resets) return end(over);
    over.state = wanted;
    if (wanted == wire_state::hangs) {
      for (auto* each : {&over.dialer, &over.dialed})
        if (each->socket && std::exchange(each->watched, 0) != 0) unwatch(each->socket.value());
      // One that never came through is forgotten when its dialer gives up: the other end has never heard of it.
      if (!over.dialed.socket) look_out(over, over.dialer, EPOLLRDHUP);
      return;
    }
    if (!over.dialed.socket) {
      over.dialed.socket = connect_to(over.target);
      if (!over.dialed.socket) return refuse(over);
      over.is_connecting = true;
    }
    move(over);
  }

  void refuse(line& over) {
    become_deaf(*over.at);
    end(over);
  }

  void end(line& over) {
    reset(over.dialer.socket);
    reset(over.dialed.socket);
    over.is_over = true;
  }

  void look_out(line& over, side& at, std::uint32_t events) {
    if (std::exchange(at.watched, events) == events && events != 0) return;
    if (events == 0)
      unwatch(at.socket.value());
    else
      watch(at.socket.value(), events, &over);
  }

  void move(line& over) {
    if (over.is_over) return;
    if (over.state == wire_state::hangs) {
      if (!over.dialed.socket) end(over);  // its dialer has given up
      return;
    }
    if (over.is_connecting) {
      const int outcome = outcome_of(over.dialed.socket);
      if (outcome == EINPROGRESS) return look_out(over, over.dialed, EPOLLOUT);
      if (outcome == ECONNREFUSED) return refuse(over);
      if (outcome != 0) return end(over);
      over.is_connecting = false;
    }
    const bool has_ended = over.dialed.has_ended;
    const bool is_sound = pass(over.dialer, over.dialed) && pass(over.dialed, over.dialer);
    // It may be a death, and the dialer is about to dial again.
    if (!is_sound || over.dialed.has_ended != has_ended) notice_death(*over.at);
    if (!is_sound) return end(over);
    if (over.dialer.was_told_end && over.dialed.was_told_end) {
      over.dialer.socket.reset();
      over.dialed.socket.reset();
      over.is_over = true;
      return;
    }
    for (auto [one, other] : {std::pair{&over.dialer, &over.dialed}, std::pair{&over.dialed, &over.dialer}})
      look_out(over, *one,
               (one->has_ended || !other->pending.empty() ? 0u : EPOLLIN) | (one->pending.empty() ? 0u : EPOLLOUT));
  }

  /// As much as both ends allow; false if one of them has failed.
  bool pass(side& from, side& to) {
    for (int rounds = 0; rounds < 4; ++rounds) {
      while (!to.pending.empty()) {
        const auto sent = ::send(to.socket.value(), to.pending.data(), to.pending.size(), MSG_NOSIGNAL);
        if (sent < 0) return errno == EAGAIN || errno == EINTR;
        to.pending.erase(0, static_cast<std::size_t>(sent));
      }
      if (from.has_ended) {
        if (!std::exchange(to.was_told_end, true)) (void)::shutdown(to.socket.value(), SHUT_WR);
        return true;
      }
      const auto got = ::recv(from.socket.value(), buffer_.data(), buffer_.size(), 0);
      if (got < 0) return errno == EAGAIN || errno == EINTR;
      if (got == 0) {
        from.has_ended = true;
        continue;
      }
      const auto sent = ::send(to.socket.value(), buffer_.data(), static_cast<std::size_t>(got), MSG_NOSIGNAL);
      if (sent < 0 && errno != EAGAIN && errno != EINTR) return false;
      const auto done_bytes = static_cast<std::size_t>(std::max<ssize_t>(0, sent));
      to.pending.assign(buffer_.data() + done_bytes, static_cast<std::size_t>(got) - done_bytes);
    }
    return true;
  }

  void sweep() {
    std::erase_if(lines_, [](const auto& each) { return each.is_over; });
  }

  unique_fd epoll_;
  wire_plan plan_;
  std::list<listener> listeners_;
  std::list<line> lines_;
  std::array<char, chunk_bytes> buffer_;
};

wire_loop::wire_loop() : impl_(std::make_unique<impl>()) {}
wire_loop::~wire_loop() = default;
result<> wire_loop::follow(wire_plan plan) { return impl_->follow(std::move(plan)); }
void wire_loop::run_once() { impl_->run_once(); }

}  // namespace throng
