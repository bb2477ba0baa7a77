// SPDX-License-Identifier: Apache-2.0
#include "storage/mysql/reserved_port.hpp"

#include <arpa/inet.h>
#include <cstddef>
#include <cstring>
#include <netinet/in.h>
#include <random>
#include <string>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <utility>

namespace throng::mysql {

namespace {

constexpr unsigned first = 12'000, last = 32'000;
constexpr int tries_max = 1000;

bool is_free(std::uint16_t port) {
  const auto probe = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_port = htons(port);
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const auto is_bound = ::bind(probe, reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0;
  ::close(probe);
  return is_bound;
}

/// A socket that bears the port's name, which only one in the system can; or -1.
int guard_of(std::uint16_t port) {
  const auto guard = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (guard < 0) return -1;
  sockaddr_un at{};
  at.sun_family = AF_UNIX;
  const auto name = "throng-port-" + std::to_string(port);
  std::memcpy(at.sun_path + 1, name.data(), name.size());  // behind a zero: not in the file system
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  if (::bind(guard, reinterpret_cast<const sockaddr*>(&at), size) == 0) return guard;
  ::close(guard);
  return -1;
}

}  // namespace

reserved_port::~reserved_port() {
  if (guard_ >= 0) ::close(guard_);
}

reserved_port::reserved_port(reserved_port&& other) noexcept
    : number_(std::exchange(other.number_, 0)), guard_(std::exchange(other.guard_, -1)) {}

reserved_port& reserved_port::operator=(reserved_port&& other) noexcept {
  std::swap(number_, other.number_);
  std::swap(guard_, other.guard_);
  return *this;
}

result<reserved_port> reserved_port::take() {
  thread_local std::mt19937 random{std::random_device{}()};
  std::uniform_int_distribution<unsigned> any(first, last);
  for (int tries = 0; tries < tries_max; ++tries) {
    const auto port = static_cast<std::uint16_t>(any(random));
    const auto guard = guard_of(port);
    if (guard < 0) continue;
    reserved_port taken(port, guard);
    if (is_free(port)) return taken;
  }
  return error{errc::fatal_error,
               "no free port between " + std::to_string(first) + " and " + std::to_string(last) + " was found"};
}

}  // namespace throng::mysql
