// SPDX-License-Identifier: Apache-2.0
// API LINE: a client's way to one node's HTTP port: calls of the Web API one after the other on a kept connection, the
// shell's commands, and upgrades to websockets. It sends nothing twice. One caller at a time.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "tools/common/async_socket.hpp"

namespace throng::verify {

using form_fields = std::vector<std::pair<std::string, std::string>>;

struct api_answer {
  enum class outcome { ok, refused, none };
  outcome how = outcome::none;
  std::string error;  // the code of a refusal; why there is no answer
  std::string body;   // the JSON of an answer

  bool is_ok() const { return how == outcome::ok; }
};

class api_line {
 public:
  static constexpr std::chrono::seconds patience{10};  // for one answer

  api_line(event_loop& loop, http_url server) : loop_(loop), server_(std::move(server)) {}

  const http_url& server() const { return server_; }
  /// From here on another node.
  void turn_to(http_url server);

  task<api_answer> call(std::string method, std::string token, form_fields fields);
  /// A line of the shell, on an admin port.
  task<api_answer> shell(std::string line, std::string token);

 private:
  task<api_answer> exchange(std::string target, std::string token, std::string content_type, std::string body);

  event_loop& loop_;
  http_url server_;
  async_socket socket_;
};

struct open_websocket {
  async_socket socket;
  std::string received;  // frames that came with the answer
};
/// Connects and shakes hands. Errors: service_unavailable.
task<result<open_websocket>> open_rtm(event_loop& loop, http_url url, event_loop::time deadline);

}  // namespace throng::verify
