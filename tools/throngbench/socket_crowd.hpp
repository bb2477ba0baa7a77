// SPDX-License-Identifier: Apache-2.0
// SOCKET CROWD: thousands of websockets of a load generator, read by one thread (epoll). It answers pings, counts, and
// hands text frames on. Memory: a kernel's worth of bytes in one shared buffer, and what is left of a half frame each.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "tools/common/unique_fd.hpp"
#include "tools/common/websocket_frames.hpp"

namespace throng {

class socket_crowd {
 public:
  /// On the reading thread, but for what was received before add(): then on the caller's.
  using on_text = std::function<void(std::size_t member, std::string_view payload, std::int64_t now_ns)>;

  explicit socket_crowd(on_text handler);
  ~socket_crowd();

  /// Any thread. `number` is handed to the handler; `received` is what came behind the handshake.
  void add(std::size_t number, unique_fd socket, std::string received);
  /// Sends bytes of whole frames on that member's socket, waiting if it is full. Any thread. False if it is gone.
  bool send(std::size_t number, std::string_view frames);

  std::uint64_t lost() const { return lost_.load(std::memory_order_relaxed); }  // closed or broken sockets
  std::uint64_t pings() const { return pings_.load(std::memory_order_relaxed); }
  /// Why the first one was lost; empty if none was.
  std::string first_loss() const;

 private:
  struct member {
    std::size_t number = 0;
    unique_fd socket;
    frame_reader frames;
    std::mutex sending;
  };
  void run();
  void read(member& from);
  bool take(member& from, std::string_view bytes, std::int64_t now);
  void lose(member& gone, std::string why);
  bool send_to(member& to, std::string_view frames);

  on_text handler_;
  unique_fd epoll_, wake_;
  std::vector<char> buffer_;
  mutable std::mutex mutex_;
  std::vector<std::unique_ptr<member>> members_;  // by number
  std::string first_loss_;
  std::atomic<std::uint64_t> lost_{0}, pings_{0};
  std::atomic<bool> is_stopping_{false};
  std::thread thread_;
};

}  // namespace throng
