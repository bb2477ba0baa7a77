// SPDX-License-Identifier: Apache-2.0
#include "tools/common/api_client.hpp"

#include "storage/json/json.hpp"
#include "tools/common/form_text.hpp"
#include "tools/common/websocket_frames.hpp"

namespace throng {

namespace {

constexpr std::chrono::seconds patience{60};
constexpr std::size_t sockets_per_source = 8'000;

error trouble(std::string sentence) { return {errc::service_unavailable, std::move(sentence)}; }

}  // namespace

result<std::string> api_client::call(std::string_view method, std::string_view token, arguments given) {
  auto answer = http_.request("POST", "/api/" + std::string(method), token, "application/x-www-form-urlencoded",
                              form_text(given));
  if (!answer) return answer.failure();
  const auto document = parse_json(answer->body, {.bytes_max = http_client::answer_bytes_max, .values_max = 1'000'000});
  if (document && document->root().find("ok").as_bool().value_or(false)) return std::move(answer->body);
  const auto code = document ? document->root().find("error").as_string().value_or("no error code") : "no JSON";
  return trouble(std::string(method) + ": " + std::string(code) + " (HTTP " + std::to_string(answer->status) + ")");
}

result<std::string> api_client::call_for(std::string_view path, std::string_view method, std::string_view token,
                                         arguments given) {
  const auto answer = call(method, token, given);
  if (!answer) return answer.failure();
  const auto document = parse_json(*answer, {.bytes_max = http_client::answer_bytes_max, .values_max = 1'000'000});
  auto value = document->root();
  for (auto rest = path; !rest.empty() && value;) {
    const auto point = std::min(rest.size(), rest.find('.'));
    value = value.find(rest.substr(0, point));
    rest.remove_prefix(std::min(rest.size(), point + 1));
  }
  if (auto text = value.as_string()) return std::string(*text);
  return trouble(std::string(method) + " answered no " + std::string(path));
}

result<open_websocket> connect_websocket(const http_url& url, const std::string& source) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  auto fd = connect_tcp(url, deadline, source);
  if (!fd) return fd.failure();
  // The key is that of RFC 6455's example: this client trusts the server to answer it rightly.
  const auto request = "GET " + url.target + " HTTP/1.1\r\nHost: " + url.authority() +
                       "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                       "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
  if (auto sent = send_all(fd->value(), request, deadline); !sent) return sent.failure();
  std::string received;
  while (true) {
    const auto head = parse_http_head(received);
    if (!head) {
      if (auto more = receive_some(fd->value(), received, deadline); !more) return more.failure();
      continue;
    }
    if (!*head) return head->failure();
    if ((*head)->status != 101) return trouble("no websocket: HTTP " + std::to_string((*head)->status));
    return open_websocket{std::move(*fd), received.substr((*head)->head_bytes)};
  }
}

result<open_websocket> sign_in(api_client& api, const std::string& token, const std::string& source) {
  const auto text = api.call_for("url", "rtm.connect", token, {});
  if (!text) return text.failure();
  const auto url = parse_http_url(*text);
  if (!url) return url.failure();
  auto opened = connect_websocket(*url, source);
  if (!opened) return opened.failure();
  bool has_hello = false;
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (true) {
    frame_reader frames;
    frames.read(opened->received,
                [&](ws_opcode, std::string_view payload) { has_hello |= payload.find("\"hello\"") != payload.npos; });
    if (has_hello) return opened;
    if (auto more = receive_some(opened->socket.value(), opened->received, deadline); !more) return more.failure();
  }
}

std::string source_of(std::size_t number) { return "127.0.0." + std::to_string(1 + number / sockets_per_source); }

}  // namespace throng
