// SPDX-License-Identifier: Apache-2.0
#include "net/transport/base_url.hpp"

#include <algorithm>

namespace throng {

std::string base_url_of(const http_request& request, const std::string& public_url) {
  if (!public_url.empty()) {
    auto url = public_url;
    while (url.ends_with('/')) url.pop_back();
    return url;
  }
  auto host = std::string(request.header("host"));
  // The header goes back to the client in URLs: nothing but what a host and port are made of.
  const bool is_plain = !host.empty() && host.size() <= 255 && std::all_of(host.begin(), host.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' ||
           c == ':' || c == '[' || c == ']' || c == '_';
  });
  return std::string(request.is_tls ? "https://" : "http://") + (is_plain ? host : "localhost");
}

std::string as_websocket_url(const std::string& base_url) { return "ws" + base_url.substr(4); }

}  // namespace throng
