// SPDX-License-Identifier: Apache-2.0
#include "net/gateway/rtm_url.hpp"

namespace throng {

namespace {

constexpr std::size_t ticket_bytes_count = 16;
constexpr std::string_view digits = "0123456789abcdef";

std::optional<std::string> from_hex(std::string_view text) {
  if (text.size() != ticket_bytes_count * 2) return std::nullopt;
  std::string bytes;
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const auto high = digits.find(text[i]);
    const auto low = digits.find(text[i + 1]);
    if (high == digits.npos || low == digits.npos) return std::nullopt;
    bytes.push_back(static_cast<char>(high << 4 | low));
  }
  return bytes;
}

}  // namespace

std::string rtm_path(const rtm_address& address) {
  std::string path = std::string(rtm_path_prefix) + to_text(address.session) + ".";
  for (const char c : address.ticket) {
    const auto byte = static_cast<unsigned char>(c);
    path += digits[byte >> 4];
    path += digits[byte & 15];
  }
  return path;
}

std::optional<rtm_address> parse_rtm_path(std::string_view path) {
  if (!path.starts_with(rtm_path_prefix)) return std::nullopt;
  path.remove_prefix(rtm_path_prefix.size());
  const auto dot = path.find('.');
  if (dot == path.npos) return std::nullopt;
  const auto session = parse_id<session_id>(path.substr(0, dot));
  auto ticket = from_hex(path.substr(dot + 1));
  if (!session || !ticket) return std::nullopt;
  return rtm_address{*session, std::move(*ticket)};
}

}  // namespace throng
