// SPDX-License-Identifier: Apache-2.0
// BARE SERVER: the yardstick of fan-out. A process of its own that accepts sockets and sends given bytes to them: epoll
// and send(), nothing else. What one read of the publisher brought is joined for each channel; nothing else is
// gathered.
//
// A socket says first who it is: four bytes, its number, or `publisher`. The publisher then sends records of
// {channel, size, bytes}; the bytes go to the channel's sockets, as a town_plan has them.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <sys/types.h>

#include "tools/throngbench/town.hpp"

namespace throng {

class bare_server {
 public:
  static constexpr std::uint32_t publisher = 0xffffffff;

  /// Forks: to be called before any thread is started. `core` as in node_settings.
  static result<std::unique_ptr<bare_server>> start(const town_plan& plan, int core);
  ~bare_server();

  pid_t process() const { return process_; }
  /// A socket that has said who it is.
  result<unique_fd> connect(std::uint32_t number) const;
  static void append_record(std::string& out, std::uint32_t channel, std::string_view bytes);

 private:
  pid_t process_ = -1;
  std::uint16_t port_ = 0;
};

}  // namespace throng
