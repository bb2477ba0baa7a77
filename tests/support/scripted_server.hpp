// SPDX-License-Identifier: Apache-2.0
// A TCP server that answers each request with bytes of the test's choice: for what no honest server would send.
#pragma once

#include <arpa/inet.h>
#include <atomic>
#include <functional>
#include <list>
#include <mutex>
#include <netinet/in.h>
#include <stdexcept>
#include <string>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace throng {

class scripted_server {
 public:
  /// What to send to a request, and whether the connection is cut after it. Silence is an empty answer, not cut.
  struct reply {
    std::string bytes;
    bool is_cut = false;
  };
  /// `number` counts all requests from 0.
  using script = std::function<reply(std::size_t number, const std::string& request)>;

  explicit scripted_server(script answer) : answer_(std::move(answer)) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (int port = 21'000 + static_cast<int>(::getpid() % 5000); at.sin_port == 0 && port < 32'000; ++port) {
      at.sin_port = htons(static_cast<std::uint16_t>(port));
      if (::bind(listener_, reinterpret_cast<sockaddr*>(&at), sizeof at) != 0) at.sin_port = 0;
    }
    if (at.sin_port == 0 || ::listen(listener_, 16) != 0) throw std::runtime_error("no free port");
    port_ = ntohs(at.sin_port);
    acceptor_ = std::thread([this] { accept_all(); });
  }
  ~scripted_server() {
    is_stopping_ = true;
    ::shutdown(listener_, SHUT_RDWR);
    acceptor_.join();
    ::close(listener_);
    {
      std::lock_guard lock(mutex_);
      for (int one : sockets_) ::shutdown(one, SHUT_RDWR);
    }
    for (auto& one : served_) one.join();
    for (int one : sockets_) ::close(one);
  }
  scripted_server(const scripted_server&) = delete;
  scripted_server& operator=(const scripted_server&) = delete;

  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
  std::size_t connections() const { return connections_; }
  std::vector<std::string> requests() const {
    std::lock_guard lock(mutex_);
    return requests_;
  }

 private:
  void accept_all() {
    while (!is_stopping_) {
      int socket = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (socket < 0) return;
      ++connections_;
      std::lock_guard lock(mutex_);
      sockets_.push_back(socket);
      served_.emplace_back([this, socket] { serve(socket); });
    }
  }
  void serve(int socket) {
    std::string waiting;
    char buffer[4096];
    while (true) {
      auto length = ::recv(socket, buffer, sizeof buffer, 0);
      if (length <= 0) return;
      waiting.append(buffer, static_cast<std::size_t>(length));
      auto end = waiting.find("\r\n\r\n");
      if (end == std::string::npos) continue;
      auto request = std::exchange(waiting, {});  // bodies of tests fit into one segment
      std::unique_lock lock(mutex_);
      auto number = requests_.size();
      requests_.push_back(request);
      lock.unlock();
      auto [bytes, is_cut] = answer_(number, request);
      for (std::size_t sent = 0; sent < bytes.size();) {
        auto written = ::send(socket, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
        if (written <= 0) return;
        sent += static_cast<std::size_t>(written);
      }
      if (is_cut) ::shutdown(socket, SHUT_RDWR);
    }
  }

  script answer_;
  int listener_ = -1;
  std::uint16_t port_ = 0;
  std::atomic<bool> is_stopping_ = false;
  std::atomic<std::size_t> connections_ = 0;
  mutable std::mutex mutex_;
  std::vector<std::string> requests_;
  std::vector<int> sockets_;
  std::list<std::thread> served_;
  std::thread acceptor_;
};

}  // namespace throng
