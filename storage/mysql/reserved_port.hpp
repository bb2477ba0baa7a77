// SPDX-License-Identifier: Apache-2.0
// RESERVED PORT: a TCP port of 127.0.0.1 for a server that is killed and started again. A port that nobody listens on
// is free for everybody; whoever takes ports from here too, in any process, leaves it alone until this is gone.
#pragma once

#include <cstdint>

#include "storage/model/result.hpp"

namespace throng::mysql {

class reserved_port {
 public:
  reserved_port() = default;  // none
  ~reserved_port();
  reserved_port(reserved_port&& other) noexcept;
  reserved_port& operator=(reserved_port&& other) noexcept;

  /// One below 32768, where the system takes none for outgoing connections, that nobody listens on.
  static result<reserved_port> take();

  std::uint16_t number() const { return number_; }  // 0: none

 private:
  reserved_port(std::uint16_t number, int guard) : number_(number), guard_(guard) {}

  std::uint16_t number_ = 0;
  int guard_ = -1;  // an abstract socket, which says so to others; the kernel ends it with the process
};

}  // namespace throng::mysql
