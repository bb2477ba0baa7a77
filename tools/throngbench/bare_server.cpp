// SPDX-License-Identifier: Apache-2.0
#include "tools/throngbench/bare_server.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/throngbench/process_usage.hpp"

namespace throng {

namespace {

error trouble(const char* what) { return {errc::service_unavailable, std::string(what) + ": " + std::strerror(errno)}; }

struct receiver {
  int fd = -1;
  std::string unsent;
};

/// What the child process runs. Plain, and with nothing between a read and its sends.
class bare_loop {
 public:
  bare_loop(const town_plan& plan, int listener)
      : plan_(plan), listener_(listener), epoll_(::epoll_create1(EPOLL_CLOEXEC)), joined_(plan.channels) {
    receivers_.resize(plan.people);
    watch(listener, EPOLLIN);
  }

  [[noreturn]] void run() {
    std::array<epoll_event, 512> events;
    while (true) {
      const auto count = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), -1);
      for (int i = 0; i < count; ++i) {
        const auto& event = events[static_cast<std::size_t>(i)];
        const int fd = event.data.fd;
        if (fd == listener_)
          accept_one();
        else if (fd == publisher_)
          read_publisher();
        else if ((event.events & EPOLLOUT) != 0 && static_cast<std::size_t>(fd) < by_fd_.size())
          flush(receivers_[by_fd_[static_cast<std::size_t>(fd)]]);
        else
          read_other(fd);
      }
    }
  }

 private:
  void watch(int fd, std::uint32_t events, int operation = EPOLL_CTL_ADD) {
    epoll_event event{};
    event.events = events;
    event.data.fd = fd;
    ::epoll_ctl(epoll_, operation, fd, &event);
  }

  void accept_one() {
    const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    watch(fd, EPOLLIN);
  }

  /// A newcomer's number, or the end of a socket.
  void read_other(int fd) {
    std::uint32_t number = 0;
    const auto count = ::recv(fd, &number, sizeof number, 0);
    if (count != sizeof number) {
      ::close(fd);
    } else if (number == bare_server::publisher) {
      publisher_ = fd;
    } else if (number < receivers_.size()) {
      receivers_[number].fd = fd;
      if (by_fd_.size() <= static_cast<std::size_t>(fd)) by_fd_.resize(static_cast<std::size_t>(fd) + 1);
      by_fd_[static_cast<std::size_t>(fd)] = number;
    }
  }

  void read_publisher() {
    const auto count = ::recv(publisher_, buffer_.data(), buffer_.size(), 0);
    if (count <= 0) {
      ::close(publisher_);
      publisher_ = -1;
      kept_.clear();
      return;
    }
    kept_.append(buffer_.data(), static_cast<std::size_t>(count));
    std::size_t at = 0;
    while (kept_.size() - at >= 8) {
      std::uint32_t head[2];
      std::memcpy(head, kept_.data() + at, 8);
      if (kept_.size() - at - 8 < head[1]) break;
      auto& joined = joined_[head[0] % joined_.size()];
      if (joined.empty()) touched_.push_back(head[0] % static_cast<std::uint32_t>(joined_.size()));
      joined.append(kept_, at + 8, head[1]);
      at += 8 + head[1];
    }
    kept_.erase(0, at);
    for (const auto channel : touched_) {
      for (std::size_t i = 0; i < plan_.members_each; ++i)
        send_to(receivers_[plan_.person_at(channel, i)], joined_[channel]);
      joined_[channel].clear();
    }
    touched_.clear();
  }

  void send_to(receiver& to, std::string_view bytes) {
    if (to.fd < 0) return;
    if (!to.unsent.empty()) {
      to.unsent += bytes;
      return;
    }
    const auto sent = std::max<ssize_t>(0, ::send(to.fd, bytes.data(), bytes.size(), MSG_NOSIGNAL));
    if (static_cast<std::size_t>(sent) == bytes.size()) return;
    to.unsent = bytes.substr(static_cast<std::size_t>(sent));
    watch(to.fd, EPOLLIN | EPOLLOUT, EPOLL_CTL_MOD);
  }

  void flush(receiver& to) {
    const auto sent = ::send(to.fd, to.unsent.data(), to.unsent.size(), MSG_NOSIGNAL);
    if (sent > 0) to.unsent.erase(0, static_cast<std::size_t>(sent));
    if (to.unsent.empty() || (sent < 0 && errno != EAGAIN)) watch(to.fd, EPOLLIN, EPOLL_CTL_MOD);
  }

  const town_plan plan_;
  const int listener_;
  const int epoll_;
  int publisher_ = -1;
  std::vector<receiver> receivers_;
  std::vector<std::uint32_t> by_fd_;
  std::vector<char> buffer_ = std::vector<char>(256 * 1024);
  std::string kept_;
  std::vector<std::string> joined_;
  std::vector<std::uint32_t> touched_;
};

}  // namespace

result<std::unique_ptr<bare_server>> bare_server::start(const town_plan& plan, int core) {
  unique_fd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (!listener || ::bind(listener.value(), reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      ::listen(listener.value(), 4096) != 0 ||
      ::getsockname(listener.value(), reinterpret_cast<sockaddr*>(&address), &size) != 0)
    return trouble("no listening socket");
  auto server = std::make_unique<bare_server>();
  server->port_ = ntohs(address.sin_port);
  server->process_ = ::fork();
  if (server->process_ < 0) return trouble("no process");
  if (server->process_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (core >= 0) run_on_core(core);
    bare_loop(plan, listener.release()).run();
  }
  return server;
}

bare_server::~bare_server() {
  if (process_ < 0) return;
  ::kill(process_, SIGKILL);
  ::waitpid(process_, nullptr, 0);
}

result<unique_fd> bare_server::connect(std::uint32_t number) const {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  auto fd = connect_tcp({"http", "127.0.0.1", port_, "/"}, deadline, number == publisher ? "" : source_of(number));
  if (!fd) return fd;
  if (auto sent = send_all(fd->value(), {reinterpret_cast<const char*>(&number), sizeof number}, deadline); !sent)
    return sent.failure();
  return fd;
}

void bare_server::append_record(std::string& out, std::uint32_t channel, std::string_view bytes) {
  const std::uint32_t head[2]{channel, static_cast<std::uint32_t>(bytes.size())};
  out.append(reinterpret_cast<const char*>(head), sizeof head);
  out += bytes;
}

}  // namespace throng
