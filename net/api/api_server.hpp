// SPDX-License-Identifier: Apache-2.0
// API SERVER: answers /api/METHOD on the client port. Each call is a coroutine on its connection's io thread:
//
//   arguments → token → scopes → rate limit → argument check → handler → {"ok":…}
//
// The answer is HTTP 200 whatever happened, but for 429: clients repeat what a 5xx answered, and would post twice.
// One per node; thread-safe. Everything handed in must outlive the last call.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "net/api/api_call.hpp"
#include "net/api/api_figures.hpp"
#include "net/api/api_services.hpp"
#include "net/transport/http.hpp"

namespace throng {

class api_server {
 public:
  explicit api_server(api_services& services);

  /// Whether the path is the API's: "/api/…".
  static bool serves(std::string_view path);
  /// An http_handler for what serves() accepts; answers others with a 404.
  void handle(http_request request, http_responder responder);
  /// The same without a transport: `answer` is called once, on `where` or before this returns.
  void handle(http_request request, executor_ptr where, std::function<void(http_response)> answer);

  /// Of each method in the table; the entry for an empty name counts calls of unknown ones.
  std::vector<std::pair<std::string_view, const method_figures*>> figures() const;

 private:
  task<> serve(http_request request, executor_ptr where, std::function<void(http_response)> answer);
  task<result<>> run(api_call& call, const http_request& request, std::vector<http_header>& headers);
  result<> check_scopes(api_call& call, std::vector<http_header>& headers) const;

  api_services& services_;
  std::unordered_map<std::string_view, std::unique_ptr<method_figures>> figures_;
};

/// The stable code that clients are told: what only concerns the machinery becomes service_unavailable,
/// request_timeout or internal_error.
errc client_code(errc code);

/// The scopes of `accepted` that matter for a conversation: im:…, mpim:…, or channels:… and groups:…, beside those
/// that are no conversation's. All of them if `channel` is none, or if none is left: that asks for more, never for
/// less.
std::string narrow_scopes(std::string_view accepted, channel_id channel);

}  // namespace throng
