// SPDX-License-Identifier: Apache-2.0
// HTTP CLIENT: one kept connection to one server, for programs that ask and wait: plain blocking sockets with a
// deadline for each request, HTTP/1.1, answers with a Content-Length up to `answer_bytes_max`. No TLS, no redirects, no
// chunks. One thread at a time.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "storage/model/result.hpp"
#include "tools/common/unique_fd.hpp"

namespace throng {

using std::chrono::milliseconds;

struct http_url {
  std::string scheme;  // "http" or "ws"
  std::string host;    // without the brackets of an IPv6 address
  std::uint16_t port = 0;
  std::string target;  // path and query; at least "/"
  /// "host:port", as the Host header has it.
  std::string authority() const;
};

/// Absolute http:// and ws:// URLs. Errors: invalid_arguments, with a sentence.
result<http_url> parse_http_url(std::string_view text);

struct http_head {
  int status = 0;
  std::size_t head_bytes = 0;  // with the empty line
  std::size_t body_bytes = 0;
  bool closes = false;
};
/// Nothing if the head isn't complete yet. Errors: invalid_form_data for what is no HTTP answer this client can read.
std::optional<result<http_head>> parse_http_head(std::string_view received);

struct http_answer {
  int status = 0;
  std::string body;
};

/// Connects by `deadline`. `source` is the local address to come from, or empty. Errors: service_unavailable.
result<unique_fd> connect_tcp(const http_url& server, std::chrono::steady_clock::time_point deadline,
                              const std::string& source = {});
/// Sends all of it, or says why not.
result<> send_all(int fd, std::string_view bytes, std::chrono::steady_clock::time_point deadline);
/// Appends what is there, at least one byte. Errors: service_unavailable at the end of the stream or the deadline.
result<> receive_some(int fd, std::string& into, std::chrono::steady_clock::time_point deadline);

class http_client {
 public:
  static constexpr std::size_t answer_bytes_max = 64u << 20;

  explicit http_client(http_url server, milliseconds timeout) : server_(std::move(server)), timeout_(timeout) {}

  /// `token` goes into an Authorization header unless it is empty. Nothing is sent twice. Errors: service_unavailable,
  /// with a sentence that names the server.
  result<http_answer> request(std::string_view method, std::string_view target, std::string_view token,
                              std::string_view content_type, std::string_view body);
  const http_url& server() const { return server_; }

 private:
  bool is_usable() const;
  result<http_answer> exchange(std::string_view bytes, std::chrono::steady_clock::time_point deadline);

  http_url server_;
  milliseconds timeout_;
  unique_fd connection_;
};

}  // namespace throng
