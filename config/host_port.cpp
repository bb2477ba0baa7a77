// SPDX-License-Identifier: Apache-2.0
#include "config/host_port.hpp"

#include <algorithm>
#include <charconv>

namespace throng {

namespace {

bool is_alnum(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

bool is_name_char(char c) { return is_alnum(c) || c == '.' || c == '-' || c == '_'; }

bool is_ipv6_char(char c) { return is_alnum(c) || c == ':' || c == '.' || c == '%'; }

bool is_octet(std::string_view text) {
  unsigned value = 0;
  auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  return !text.empty() && failure == std::errc() && end == text.data() + text.size() && value <= 255;
}

/// Four numbers: a name such as 127.example.com is somebody else's machine.
bool is_ipv4(std::string_view host) {
  for (int i = 0; i < 3; ++i) {
    auto dot = host.find('.');
    if (dot == std::string_view::npos || !is_octet(host.substr(0, dot))) return false;
    host.remove_prefix(dot + 1);
  }
  return is_octet(host);
}

}  // namespace

std::string to_text(const host_port& address) {
  auto port = std::to_string(address.port);
  if (address.host.find(':') != std::string::npos) return "[" + address.host + "]:" + port;
  return address.host + ":" + port;
}

std::optional<host_port> parse_host_port(std::string_view text) {
  auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  auto host = text.substr(0, colon);
  auto port = text.substr(colon + 1);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
    if (host.find(':') == std::string_view::npos || !std::ranges::all_of(host, is_ipv6_char)) return std::nullopt;
  } else if (host.empty() || host.size() > 253 || !std::ranges::all_of(host, is_name_char)) {
    return std::nullopt;
  }
  host_port address;
  address.host = host;
  auto [end, failure] = std::from_chars(port.data(), port.data() + port.size(), address.port);
  if (port.empty() || failure != std::errc() || end != port.data() + port.size()) return std::nullopt;
  return address;
}

bool is_loopback(const host_port& address) {
  return address.host == "localhost" || address.host == "::1" ||
         (address.host.starts_with("127.") && is_ipv4(address.host));
}

}  // namespace throng
