// SPDX-License-Identifier: Apache-2.0
// A socket that is closed with its owner.
#pragma once

#include <sys/socket.h>
#include <unistd.h>
#include <utility>

namespace throng {

class unique_socket {
 public:
  unique_socket() = default;
  explicit unique_socket(int socket) : socket_(socket) {}
  unique_socket(unique_socket&& other) noexcept : socket_(other.release()) {}
  unique_socket& operator=(unique_socket&& other) noexcept {
    if (this != &other) reset(other.release());
    return *this;
  }
  ~unique_socket() { reset(); }

  int get() const { return socket_; }
  explicit operator bool() const { return socket_ >= 0; }
  int release() { return std::exchange(socket_, -1); }
  void reset(int socket = -1) {
    if (socket_ >= 0) ::close(socket_);
    socket_ = socket;
  }
  /// Another descriptor of the same socket.
  unique_socket duplicate() const { return unique_socket(::dup(socket_)); }
  /// Ends the connection for whoever else has a descriptor of it, and closes this one.
  void cut() {
    if (socket_ >= 0) ::shutdown(socket_, SHUT_RDWR);
    reset();
  }

 private:
  int socket_ = -1;
};

}  // namespace throng
