// SPDX-License-Identifier: Apache-2.0
#include "tools/throngverify/api_line.hpp"

#include "storage/json/json.hpp"
#include "tools/common/form_text.hpp"

namespace throng::verify {

namespace {

constexpr json_limits answer_limits{.bytes_max = http_client::answer_bytes_max, .values_max = 1'000'000};

api_answer no_answer(std::string why) { return {api_answer::outcome::none, std::move(why), {}}; }

/// Reads until the head is whole.
task<result<http_head>> receive_head(async_socket& socket, std::string& received, event_loop::time deadline) {
  while (true) {
    if (auto head = parse_http_head(received)) co_return std::move(*head);
    auto more = co_await socket.receive(received, deadline);
    if (!more) co_return more.failure();
    if (!*more) co_return error{errc::request_timeout, "no answer in time"};
  }
}

api_answer judge(int status, std::string body) {
  if (status >= 500) return no_answer("HTTP " + std::to_string(status));
  const auto document = parse_json(body, answer_limits);
  if (!document) return no_answer("HTTP " + std::to_string(status) + " without JSON");
  if (document->root().find("ok").as_bool().value_or(false)) return {api_answer::outcome::ok, {}, std::move(body)};
  std::string code(document->root().find("error").as_string().value_or("no_error_code"));
  return {api_answer::outcome::refused, std::move(code), std::move(body)};
}

}  // namespace

void api_line::turn_to(http_url server) {
  socket_ = async_socket();
  server_ = std::move(server);
}

task<api_answer> api_line::call(std::string method, std::string token, form_fields fields) {
  co_return co_await exchange("/api/" + method, std::move(token), "application/x-www-form-urlencoded",
                              form_text(fields));
}

task<api_answer> api_line::shell(std::string line, std::string token) {
  co_return co_await exchange("/shell", std::move(token), "text/plain", std::move(line));
}

task<api_answer> api_line::exchange(std::string target, std::string token, std::string content_type, std::string body) {
  const auto deadline = event_loop::clock::now() + patience;
  if (socket_.is_stale()) {
    auto fresh = co_await async_socket::connect(loop_, server_, deadline);
    if (!fresh) co_return no_answer(fresh.failure().detail);
    socket_ = std::move(*fresh);
  }
  // Kept only after a whole answer: what came too late must not answer the next call.
  auto socket = std::move(socket_);
  socket_ = async_socket();
  std::string request = "POST " + target + " HTTP/1.1\r\nHost: " + server_.authority() +
                        "\r\nContent-Type: " + content_type + "\r\nContent-Length: " + std::to_string(body.size()) +
                        "\r\n";
  if (!token.empty()) request += "Authorization: Bearer " + token + "\r\n";
  request += "\r\n" + body;
  auto sent = co_await socket.send(request, deadline);
  if (!sent) co_return no_answer(sent.failure().detail);
  std::string received;
  auto head = co_await receive_head(socket, received, deadline);
  if (!head) co_return no_answer(head.failure().detail);
  while (received.size() < head->head_bytes + head->body_bytes) {
    auto more = co_await socket.receive(received, deadline);
    if (!more) co_return no_answer(more.failure().detail);
    if (!*more) co_return no_answer("half an answer in time");
  }
  const bool is_clean = received.size() == head->head_bytes + head->body_bytes;
  if (!head->closes && is_clean) socket_ = std::move(socket);
  co_return judge(head->status, received.substr(head->head_bytes, head->body_bytes));
}

task<result<open_websocket>> open_rtm(event_loop& loop, http_url url, event_loop::time deadline) {
  auto socket = co_await async_socket::connect(loop, url, deadline);
  if (!socket) co_return socket.failure();
  open_websocket opened{std::move(*socket), {}};
  // The key is that of RFC 6455's example: this client trusts the server to answer it rightly.
  const auto request = "GET " + url.target + " HTTP/1.1\r\nHost: " + url.authority() +
                       "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                       "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
  auto sent = co_await opened.socket.send(request, deadline);
  if (!sent) co_return sent.failure();
  auto head = co_await receive_head(opened.socket, opened.received, deadline);
  if (!head) co_return head.failure();
  if (head->status != 101)
    co_return error{errc::service_unavailable, "no websocket: HTTP " + std::to_string(head->status)};
  opened.received.erase(0, head->head_bytes);
  co_return std::move(opened);
}

}  // namespace throng::verify
