// SPDX-License-Identifier: Apache-2.0
// LINK HARNESS: real nodes' links in this process, what they receive, and a TCP proxy that can be cut or stalled.
#pragma once

#include <arpa/inet.h>
#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <mutex>
#include <netinet/in.h>
#include <poll.h>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include "cluster/link/caf_links.hpp"

namespace throng::test {

using namespace std::chrono_literals;

template <class Condition>
bool wait_until(Condition holds, std::chrono::milliseconds at_most = 15s) {
  const auto end = std::chrono::steady_clock::now() + at_most;
  while (!holds()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(1ms);
  }
  return true;
}

inline node_identity identity(std::uint16_t node, std::uint16_t port = 1, std::uint64_t incarnation = 1) {
  node_identity made;
  made.node = {node};
  made.incarnation = incarnation;
  made.name = "n" + std::to_string(node);
  made.link_address = "127.0.0.1:" + std::to_string(port);
  return made;
}

/// A node's links and what they told.
class link_node {
 public:
  explicit link_node(std::uint16_t node, std::function<void(caf_links_options&)> change = {},
                     std::uint64_t incarnation = 1) {
    caf_links_options with;
    with.self = identity(node, 1, incarnation);
    with.detector.interval = 50ms;
    with.detector.pause = 200ms;  // two cores for many tests
    with.handshake_deadline = 2s;
    with.threads = 2;
    if (change) change(with);
    auto opened = caf_links::open(std::move(with));
    REQUIRE_MESSAGE(opened.ok(), (opened.ok() ? "" : opened.failure().detail));
    links_ = std::move(*opened);
    links_->listen({[this](node_index from, std::string_view parcel) { take(from, parcel); },
                    [this](const node_identity& peer, bool is_up) {
                      std::lock_guard lock(mutex_);
                      (is_up ? ups_ : downs_)[peer.node.value]++;
                      is_up_[peer.node.value] = is_up;
                    },
                    [this](const node_identity& peer, std::vector<std::string> parcels) {
                      std::lock_guard lock(mutex_);
                      lost_incarnations_.push_back(peer.incarnation);
                      for (auto& each : parcels) lost_.push_back(std::move(each));
                    }});
    self_ = identity(node, links_->port(), incarnation);
  }
  ~link_node() { links_->stop(); }

  const node_identity& self() const { return self_; }
  caf_links& links() { return *links_; }
  bool post(std::uint16_t to, std::string parcel) { return links_->post({to}, std::move(parcel)); }
  /// Posts, and waits while too much waits.
  void post_surely(std::uint16_t to, const std::string& parcel) {
    REQUIRE(wait_until([&] { return post(to, parcel); }));
  }
  bool is_up(std::uint16_t peer) {
    std::lock_guard lock(mutex_);
    return is_up_[peer];
  }
  int downs(std::uint16_t peer) {
    std::lock_guard lock(mutex_);
    return downs_[peer];
  }
  std::size_t received(std::uint16_t from) {
    std::lock_guard lock(mutex_);
    return received_[from].size();
  }
  std::vector<std::string> parcels(std::uint16_t from) {
    std::lock_guard lock(mutex_);
    return received_[from];
  }
  std::vector<std::string> lost() {
    std::lock_guard lock(mutex_);
    return lost_;
  }
  std::vector<std::uint64_t> lost_incarnations() {
    std::lock_guard lock(mutex_);
    return lost_incarnations_;
  }
  links::view view(std::uint16_t peer) {
    for (auto& each : links_->views())
      if (each.peer.node.value == peer) return each;
    return {};
  }
  /// Called for each parcel, on the links' thread.
  void on_parcel(std::function<void(std::uint16_t from, std::string_view)> also) { also_ = std::move(also); }
  std::atomic<bool> had_two_at_once{false};

 private:
  void take(node_index from, std::string_view parcel) {
    auto& busy = busy_[from.value];
    if (busy.exchange(true)) had_two_at_once = true;
    if (also_) also_(from.value, parcel);
    {
      std::lock_guard lock(mutex_);
      received_[from.value].emplace_back(parcel);
    }
    busy = false;
  }

  std::unique_ptr<caf_links> links_;
  node_identity self_;
  std::function<void(std::uint16_t, std::string_view)> also_;
  std::mutex mutex_;
  std::array<std::atomic<bool>, 16> busy_{};
  std::map<std::uint16_t, std::vector<std::string>> received_;
  std::map<std::uint16_t, int> ups_, downs_;
  std::map<std::uint16_t, bool> is_up_;
  std::vector<std::string> lost_;
  std::vector<std::uint64_t> lost_incarnations_;
};

inline int listen_somewhere(std::uint16_t& port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  REQUIRE(::bind(fd, reinterpret_cast<sockaddr*>(&at), sizeof at) == 0);
  REQUIRE(::listen(fd, 64) == 0);
  socklen_t size = sizeof at;
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&at), &size);
  port = ntohs(at.sin_port);
  return fd;
}

inline unique_socket connect_to(std::uint16_t port) {
  unique_socket made(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  at.sin_port = htons(port);
  if (::connect(made.get(), reinterpret_cast<sockaddr*>(&at), sizeof at) != 0) made.reset();
  return made;
}

/// Between a dialer and a listener.
class tcp_proxy {
 public:
  explicit tcp_proxy(std::uint16_t to) : to_(to), listener_(listen_somewhere(port_)) {
    thread_ = std::thread([this] { run(); });
  }
  ~tcp_proxy() {
    stops_ = true;
    thread_.join();
  }
  std::uint16_t port() const { return port_; }
  /// Ends what is connected, at once; new connections are fine.
  void cut() {
    const auto before = cuts_.load();
    cut_ = true;
    REQUIRE(wait_until([&] { return cuts_.load() != before; }));
  }
  /// Nothing goes through, and nothing is closed, until it is set to false.
  void stall(bool on) { stalled_ = on; }

 private:
  struct pair {
    unique_socket a, b;
    std::string to_b, to_a;
  };
  static bool move(int from, std::string& waiting, int to) {
    char buffer[65536];
    if (waiting.empty()) {
      const auto got = ::recv(from, buffer, sizeof buffer, MSG_DONTWAIT);
      if (got == 0 || (got < 0 && errno != EAGAIN)) return false;
      if (got > 0) waiting.assign(buffer, static_cast<std::size_t>(got));
    }
    if (waiting.empty()) return true;
    const auto sent = ::send(to, waiting.data(), waiting.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0) return errno == EAGAIN;
    waiting.erase(0, static_cast<std::size_t>(sent));
    return true;
  }
  void run() {
    while (!stops_) {
      std::vector<pollfd> all{{listener_.get(), POLLIN, 0}};
      for (auto& each : pairs_) {
        all.push_back({each.a.get(), static_cast<short>(each.to_b.empty() ? POLLIN : 0), 0});
        all.push_back({each.b.get(), static_cast<short>(each.to_a.empty() ? POLLIN : 0), 0});
      }
      ::poll(all.data(), stalled_ ? 1 : all.size(), 1);
      if (all[0].revents & POLLIN) {
        pair made;
        made.a.reset(::accept(listener_.get(), nullptr, nullptr));
        made.b = connect_to(to_);
        if (made.a && made.b) pairs_.push_back(std::move(made));
      }
      if (cut_.exchange(false)) {
        pairs_.clear();
        ++cuts_;
      }
      if (stalled_) continue;
      for (std::size_t i = 0; i < pairs_.size();) {
        auto& p = pairs_[i];
        if (move(p.a.get(), p.to_b, p.b.get()) && move(p.b.get(), p.to_a, p.a.get()))
          ++i;
        else
          pairs_.erase(pairs_.begin() + static_cast<std::ptrdiff_t>(i));
      }
    }
  }

  const std::uint16_t to_;
  std::uint16_t port_ = 0;
  unique_socket listener_;
  std::vector<pair> pairs_;
  std::atomic<bool> stops_{false}, cut_{false}, stalled_{false};
  std::atomic<int> cuts_{0};
  std::thread thread_;
};

}  // namespace throng::test
