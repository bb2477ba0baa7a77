// SPDX-License-Identifier: Apache-2.0
// A TCP proxy before a MySQL server that cuts a connection at a chosen moment of a transaction, as networks and dying
// servers do. Each cut happens once, to the connection that gets there first.
#pragma once

#include <arpa/inet.h>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdexcept>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

namespace throng {

class cutting_proxy {
 public:
  enum class cut {
    none,
    at_insert,            // the server never gets the rows
    after_insert,         // it gets them, and nobody hears its answer
    before_commit,        // it never gets the COMMIT
    after_commit,         // it gets it; both sides are cut at once
    after_commit_answer,  // it has committed; the answer is lost
    late_commit,          // the client is cut, and the COMMIT arrives when the client already asks what became of it
    late_rollback,        // the same, but the server's side is closed then
    much_later,           // the client is cut, and the COMMIT arrives when it has seen three more of them through
  };

  explicit cutting_proxy(std::uint16_t server_port) : server_port_(server_port) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    auto address = loopback(0);
    for (std::uint16_t port = 20'000 + static_cast<std::uint16_t>(::getpid() % 5'000); port < 32'000; ++port) {
      address = loopback(port);
      if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) continue;
      if (::listen(listener_, 64) != 0) throw std::runtime_error("can't listen");
      address_ = "127.0.0.1:" + std::to_string(port);
      acceptor_ = std::thread([this] { accept(); });
      return;
    }
    throw std::runtime_error("no free port");
  }
  ~cutting_proxy() {
    is_ending_ = true;
    asked_.notify_all();
    acceptor_.join();
    for (auto& each : pairs_) each.join();
    ::close(listener_);
  }
  cutting_proxy(const cutting_proxy&) = delete;
  cutting_proxy& operator=(const cutting_proxy&) = delete;

  const std::string& address() const { return address_; }
  void cut_next(cut when) { next_ = when; }
  cut waiting() const { return next_; }
  int connections() const { return connections_; }

  /// While held, a COMMIT waits here.
  void hold_commits(bool is_held) {
    std::lock_guard lock(mutex_);
    are_commits_held_ = is_held;
    asked_.notify_all();
  }
  /// While held, who asks what became of a batch waits here.
  void hold_asks(bool is_held) {
    std::lock_guard lock(mutex_);
    are_asks_held_ = is_held;
    asked_.notify_all();
  }
  int held() const { return held_; }
  /// Batches that were one prepared statement.
  int executed() const { return executed_; }
  /// Of cut::much_later: how many of them the server has answered.
  int late_answers() const { return late_answers_; }

 private:
  static sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
  }
  static bool is_readable(int fd, int millis) {
    pollfd one{fd, POLLIN, 0};
    return ::poll(&one, 1, millis) > 0;
  }
  static bool send_all(int fd, std::string_view bytes) {
    while (!bytes.empty()) {
      auto sent = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }

  void accept() {
    while (!is_ending_) {
      if (!is_readable(listener_, 20)) continue;
      auto client = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (client < 0) continue;
      ++connections_;
      pairs_.emplace_back([this, client] { forward(client); });
    }
  }

  void forward(int client) {
    auto server = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    auto address = loopback(server_port_);
    if (::connect(server, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) {
      int yes = 1;
      for (auto fd : {client, server}) ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
      std::vector<char> buffer(1 << 16);
      bool has_inserts = false;
      while (!is_ending_ && pass(client, server, buffer, has_inserts)) {
      }
    }
    if (client >= 0) ::close(client);
    ::close(server);
  }

  bool pass(int& client, int server, std::vector<char>& buffer, bool& has_inserts) {
    pollfd both[2]{{client, POLLIN, 0}, {server, POLLIN, 0}};
    if (::poll(both, 2, 20) <= 0) return true;
    for (int from : {1, 0}) {
      if (both[from].revents == 0) continue;
      auto count = ::recv(both[from].fd, buffer.data(), buffer.size(), 0);
      if (count <= 0) return false;
      std::string_view bytes(buffer.data(), static_cast<std::size_t>(count));
      if (from == 0 && !look(client, server, bytes, has_inserts)) return false;
      if (!send_all(from == 0 ? server : client, bytes)) return false;
    }
    return true;
  }

  /// False: the connection ends here. `has_inserts`: it has prepared one of posts, so that what it executes is a
  /// transaction of its own. (Only a writer prepares one, and a writer prepares nothing else but large rows.)
  bool look(int& client, int server, std::string_view bytes, bool& has_inserts) {
    constexpr std::size_t header = 5;  // length, number, the command
    constexpr char prepare = 0x16, execute = 0x17;
    if (bytes.size() < header) return true;
    const auto names_posts = bytes.find("INSERT INTO messages") != bytes.npos;
    if (names_posts && bytes[header - 1] == prepare) {
      has_inserts = true;
      return true;
    }
    const auto is_alone = has_inserts && bytes[header - 1] == execute;
    if (is_alone) ++executed_;
    const auto is_commit = is_alone || bytes.substr(header) == "COMMIT" || bytes.ends_with(";COMMIT");
    const auto is_insert = is_alone || names_posts;
    if (bytes.find("GREATEST(at + 1") != bytes.npos) {
      send_ask();
      hold(are_asks_held_);
      return true;
    }
    if (is_commit) hold(are_commits_held_);
    if (is_commit) see_commit();
    auto when = next_.load();
    if (is_insert && (when == cut::at_insert || when == cut::after_insert)) {
      if (!next_.compare_exchange_strong(when, cut::none)) return true;
      if (when == cut::after_insert) send_all(server, bytes);
      return false;
    }
    if (!is_commit || when < cut::before_commit || !next_.compare_exchange_strong(when, cut::none)) return true;
    if (when == cut::before_commit) return false;
    if (when == cut::late_commit || when == cut::late_rollback || when == cut::much_later) {
      std::unique_lock lock(mutex_);
      const auto asks = asks_, commits = commits_;
      ::close(std::exchange(client, -1));
      asked_.wait_for(lock, std::chrono::seconds(10), [&] {
        return is_ending_ || (when == cut::much_later ? commits_ >= commits + 4 : asks_ != asks);
      });
      if (when == cut::late_rollback) return false;
    }
    send_all(server, bytes);
    if (when != cut::after_commit && is_readable(server, 5'000) && when == cut::much_later) ++late_answers_;
    return false;
  }
  void see_commit() {
    std::lock_guard lock(mutex_);
    ++commits_;
    asked_.notify_all();
  }
  void send_ask() {
    std::lock_guard lock(mutex_);
    ++asks_;
    asked_.notify_all();
  }
  void hold(const bool& is_held) {
    std::unique_lock lock(mutex_);
    if (!is_held) return;
    ++held_;
    asked_.wait(lock, [&] { return !is_held || is_ending_; });
    --held_;
  }

  const std::uint16_t server_port_;
  int listener_ = -1;
  std::string address_;
  std::atomic<bool> is_ending_{false};
  std::atomic<cut> next_{cut::none};
  std::atomic<int> connections_{0}, held_{0}, late_answers_{0}, executed_{0};
  std::mutex mutex_;
  std::condition_variable asked_;
  int asks_ = 0, commits_ = 0;
  bool are_commits_held_ = false, are_asks_held_ = false;
  std::vector<std::thread> pairs_;
  std::thread acceptor_;
};

}  // namespace throng
