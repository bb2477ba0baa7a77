// SPDX-License-Identifier: Apache-2.0
// Where to listen, or whom to call: "127.0.0.1:8080", "[::1]:8080", "node-7.example:8090". Text only; nothing here
// asks a name server.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace throng {

struct host_port {
  std::string host;        // without brackets
  std::uint16_t port = 0;  // 0: the kernel picks one
  friend bool operator==(const host_port&, const host_port&) = default;
};

/// "HOST:PORT", with brackets around a host that has colons.
std::string to_text(const host_port& address);
/// The host is one or more of letters, digits, `.`, `-`, `_`, or a bracketed IPv6 address; the port is required.
std::optional<host_port> parse_host_port(std::string_view text);
/// Whether only this machine can reach it: 127.0.0.0/8, ::1 or the name localhost.
bool is_loopback(const host_port& address);

}  // namespace throng
