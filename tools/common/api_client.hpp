// SPDX-License-Identifier: Apache-2.0
// API CLIENT: calls methods of a node's Web API, one after the other on a kept connection, and opens websockets.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "tools/common/http_client.hpp"

namespace throng {

class api_client {
 public:
  using arguments = std::initializer_list<std::pair<std::string_view, std::string_view>>;

  explicit api_client(http_url server) : http_(std::move(server), std::chrono::seconds(60)) {}

  /// The JSON answer. Errors: service_unavailable with "method: error code" if it isn't ok.
  result<std::string> call(std::string_view method, std::string_view token, arguments given);
  /// The same, and of the answer the text at `path`: "channel.id".
  result<std::string> call_for(std::string_view path, std::string_view method, std::string_view token, arguments given);

 private:
  http_client http_;
};

struct open_websocket {
  unique_fd socket;
  std::string received;  // frames that came with the handshake's answer
};
/// Connects and shakes hands. `source` is the local address to come from; empty: any.
result<open_websocket> connect_websocket(const http_url& url, const std::string& source);

/// rtm.connect, the websocket, and its hello.
result<open_websocket> sign_in(api_client& api, const std::string& token, const std::string& source);

/// 127.0.0.1, and from `number` 8,000 on further loopback addresses, so that no pair of addresses runs out of ports.
std::string source_of(std::size_t number);

}  // namespace throng
