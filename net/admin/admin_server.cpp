// SPDX-License-Identifier: Apache-2.0
#include "net/admin/admin_server.hpp"

#include <openssl/crypto.h>

#include "net/admin/metrics.hpp"
#include "net/admin/shell_reply.hpp"

namespace throng {

namespace {

http_response text(unsigned status, std::string body, std::string type = "text/plain; charset=utf-8") {
  http_response response;
  response.status = status;
  response.content_type = std::move(type);
  response.body = std::move(body);
  return response;
}

http_response json(unsigned status, std::string body) {
  http_response response;
  response.status = status;
  response.body = std::move(body);
  return response;
}

std::string words_reply() {
  std::string out;
  json_writer writer(out);
  writer.begin_object().member("ok", true).key("commands").begin_array();
  for (const auto& each : shell::commands())
    writer.begin_object().member("name", each.name).member("usage", each.usage).member("help", each.help).end_object();
  writer.end_array().key("kinds").begin_array();
  for (auto kind :
       {entity_kind::channel, entity_kind::session, entity_kind::presence, entity_kind::workspace, entity_kind::user})
    writer.value(to_string(kind));
  // Of all commands.
  writer.end_array().key("options").begin_array().value("--node").value("--timeout").end_array().end_object();
  return out;
}

}  // namespace

http_handler admin_server::handler() {
  return [this](http_request request, http_responder responder) { answer(std::move(request), std::move(responder)); };
}

std::optional<shell::caller> admin_server::caller_of(const http_request& request) const {
  auto value = request.header("authorization");
  if (!value.starts_with("Bearer ")) return std::nullopt;
  value.remove_prefix(7);
  auto is = [&](const std::string& token) {
    return !token.empty() && value.size() == token.size() &&
           CRYPTO_memcmp(value.data(), token.data(), token.size()) == 0;
  };
  if (is(services_.admin_token)) return shell::caller{"operator", std::string(request.peer), true};
  if (is(services_.viewer_token)) return shell::caller{"viewer", std::string(request.peer), false};
  return std::nullopt;
}

void admin_server::answer(http_request request, http_responder responder) {
  const bool reads = request.method == "GET" || request.method == "HEAD";
  if (reads && request.path == "/healthz") return responder.send(text(200, "ok\n"));
  if (reads && request.path == "/readyz") {
    if (services_.is_ready.load()) return responder.send(text(200, "ready\n"));
    return responder.send(text(503, "not ready\n"));
  }
  if (reads && request.path == "/metrics")
    return responder.send(text(200, render_metrics(services_), "text/plain; version=0.0.4; charset=utf-8"));
  if (reads && request.path == "/shell/words") return responder.send(json(200, words_reply()));
  if (request.path == "/shell") {
    if (request.method != "POST")
      return responder.send(json(405, failure_reply({errc::invalid_post_type, "POST a command line"})));
    return run_shell(std::move(request), std::move(responder));
  }
  responder.send(json(404, failure_reply({errc::not_found, "here are /healthz, /readyz, /metrics and /shell"})));
}

void admin_server::run_shell(http_request request, http_responder responder) {
  const auto by = caller_of(request);
  if (!by)
    return responder.send(
        json(401, failure_reply({errc::not_authed, "Authorization: Bearer <the admin token, or the viewer token>"})));
  auto& loop = responder.loop();
  // Answers are copied std::functions; the responder can only be moved.
  auto held = std::make_shared<http_responder>(std::move(responder));
  shell_.run(request.body, loop, *by, [held](std::string reply) { held->send(json(200, std::move(reply))); });
}

}  // namespace throng
