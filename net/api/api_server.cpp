// SPDX-License-Identifier: Apache-2.0
#include "net/api/api_server.hpp"

#include <algorithm>

#include "config/log.hpp"
#include "net/api/scopes.hpp"
#include "net/transport/base_url.hpp"

namespace throng {

namespace {

constexpr std::string_view prefix = "/api/";
constexpr std::size_t messages_max = 10;

void add_cors(http_response& response) {
  // As Slack: pages of any origin may call with a token they hold; there are no cookies to steal.
  response.headers.push_back({"Access-Control-Allow-Origin", "*"});
  response.headers.push_back({"Access-Control-Expose-Headers", "x-oauth-scopes, x-accepted-oauth-scopes, retry-after"});
}

http_response preflight() {
  http_response response;
  response.status = 200;
  response.content_type = "text/plain; charset=utf-8";
  add_cors(response);
  response.headers.push_back({"Access-Control-Allow-Methods", "GET, POST, OPTIONS"});
  response.headers.push_back({"Access-Control-Allow-Headers", "authorization, content-type"});
  response.headers.push_back({"Access-Control-Max-Age", "86400"});
  return response;
}

/// So much later than its deadline a call is answered for it, so that its own answer, which says more, comes first.
constexpr std::chrono::milliseconds late_answer_grace{500};

http_response plain_error(unsigned status, std::string_view code) {
  http_response response;
  response.status = status;
  json_writer(response.body).begin_object().member("ok", false).member("error", code).end_object();
  add_cors(response);
  return response;
}

void write_metadata(json_writer& w, const api_call& call) {
  if (!call.is_paged && call.messages.empty() && call.warnings.empty()) return;
  auto write_texts = [&](std::string_view name, const std::vector<std::string>& texts) {
    if (texts.empty()) return;
    w.text_key(name).begin_array();
    for (std::size_t i = 0; i < std::min(texts.size(), messages_max); ++i) w.value(texts[i]);
    w.end_array();
  };
  w.key("response_metadata").begin_object();
  if (call.is_paged) w.member("next_cursor", call.next_cursor);
  write_texts("messages", call.messages);
  write_texts("warnings", call.warnings);
  w.end_object();
}

std::string success_of(api_call& call) {
  if (!call.warning.empty()) call.reply.member("warning", call.warning);
  write_metadata(call.reply, call);
  call.reply.end_object();
  return std::move(call.reply_text);
}

bool is_about_the_system(errc code) { return static_cast<std::uint16_t>(code) < 100; }

std::string failure_of(api_call& call, const error& failure) {
  const auto code = client_code(failure.code);
  std::string body;
  json_writer w(body);
  w.begin_object().member("ok", false);
  w.member("error", call.error_text.empty() ? to_string(code) : std::string_view(call.error_text));
  if (failure.code == errc::missing_scope) {
    w.member("needed", !call.needed_scopes.empty() ? call.needed_scopes
                                                   : narrow_scopes(call.method.scopes, call.args.channel("channel")));
    w.member("provided", call.who ? call.who->scopes : std::string());
  }
  // What the machinery says of itself is for the log, not for clients.
  if (!failure.detail.empty() && !is_about_the_system(failure.code) && call.error_text.empty())
    call.messages.push_back("[ERROR] " + failure.detail);
  call.is_paged = false;
  write_metadata(w, call);
  if (call.method.name == "api.test") {
    w.key("args").begin_object();
    for (const auto& each : call.given.all())
      if (each.name != "token" && each.kind != argument::kind_t::file) w.text_key(each.name).value(each.value);
    w.end_object();
  }
  w.end_object();
  return body;
}

std::uint64_t principal_of(const caller_info& who) {
  // All tokens of an app share its limits, as in Slack; a person's own tokens share hers.
  return who.app ? who.app.value : who.user.value;
}

/// However a channel is written, its posts share a bucket.
std::uint64_t bucket_of_channel(std::string_view text) {
  if (const auto id = parse_id<channel_id>(text)) return id->value;
  if (text.starts_with('#')) text.remove_prefix(1);
  std::string name(text);
  for (char& c : name)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  return std::hash<std::string>{}(name);
}

}  // namespace

errc client_code(errc code) {
  switch (code) {
    case errc::deadline_exceeded:
      return errc::request_timeout;
    case errc::overloaded:
    case errc::unavailable:
    case errc::quarantined:
    case errc::stale_epoch:
    case errc::wrong_owner:
    case errc::stopping:
    case errc::storage_full:
      return errc::service_unavailable;
    case errc::conflict:
    case errc::not_found:
    case errc::too_old:
    case errc::unknown_message:
      return errc::internal_error;
    default:
      return code;
  }
}

std::string narrow_scopes(std::string_view all, channel_id channel) {
  auto accepted = all;
  if (!channel) return std::string(all);
  const auto is_other_kind = [&](std::string_view scope) {
    const auto kind = kind_of(channel);
    if (scope.starts_with("im:")) return kind != channel_kind::im;
    if (scope.starts_with("mpim:")) return kind != channel_kind::mpim;
    if (scope.starts_with("channels:") || scope.starts_with("groups:")) return kind != channel_kind::channel;
    return false;
  };
  std::string narrowed;
  while (!accepted.empty()) {
    const auto comma = accepted.find(',');
    const auto scope = accepted.substr(0, comma);
    if (!is_other_kind(scope)) {
      if (!narrowed.empty()) narrowed += ',';
      narrowed += scope;
    }
    accepted = comma == std::string_view::npos ? std::string_view{} : accepted.substr(comma + 1);
  }
  // None of its scopes is for this kind of conversation: that asks for more than the method has, never for less.
  return narrowed.empty() ? std::string(all) : narrowed;
}

api_server::api_server(api_services& services) : services_(services) {
  figures_.emplace(std::string_view{}, std::make_unique<method_figures>());
  for (const auto* method : all_methods()) figures_.emplace(method->name, std::make_unique<method_figures>());
}

bool api_server::serves(std::string_view path) { return path.starts_with(prefix); }

std::vector<std::pair<std::string_view, const method_figures*>> api_server::figures() const {
  std::vector<std::pair<std::string_view, const method_figures*>> all;
  for (const auto& [name, counted] : figures_) all.emplace_back(name, counted.get());
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  return all;
}

void api_server::handle(http_request request, http_responder responder) {
  auto& loop = responder.loop();
  auto where = make_loop_executor(loop);
  auto shared = std::make_shared<http_responder>(std::move(responder));
  // Asks end by themselves; a store that hangs is no reason to keep a client waiting. What it does later isn't told.
  loop.after(services_.options.request_timeout + late_answer_grace, [late = std::weak_ptr(shared)] {
    if (auto waiting = late.lock()) waiting->send(plain_error(200, "request_timeout"));
  });
  handle(std::move(request), std::move(where), [shared](http_response response) { shared->send(std::move(response)); });
}

void api_server::handle(http_request request, executor_ptr where, std::function<void(http_response)> answer) {
  if (!serves(request.path)) return answer(plain_error(404, "not_found"));
  if (request.method == "OPTIONS") return answer(preflight());
  if (request.method != "GET" && request.method != "POST") return answer(plain_error(200, "invalid_post_type"));
  spawn(serve(std::move(request), std::move(where), std::move(answer)));
}

task<> api_server::serve(http_request request, executor_ptr where, std::function<void(http_response)> answer) {
  static const api_method unknown{};
  const auto started = services_.entities.now();
  auto name = std::string_view(request.path).substr(prefix.size());
  while (name.ends_with('/')) name.remove_suffix(1);
  const auto* method = find_method(name);
  auto& counted = *figures_.at(method ? method->name : std::string_view{});
  counted.calls.fetch_add(1, std::memory_order_relaxed);

  const argument_source source{request.method, request.query, request.header("content-type"), request.body};
  argument_limits bounds;
  bounds.body_bytes_max = services_.options.body_bytes_max;
  bounds.json_depth_max = services_.options.json_depth_max;
  // An argument that may be long may also come in a body of JSON.
  if (method)
    for (const auto& spec : method->arguments)
      bounds.json_values_max = std::max(bounds.json_values_max, spec.values_max + 2 * bounds.arguments_max);
  auto given = parse_arguments(source, bounds);

  api_client client;
  client.base_url = base_url_of(request, services_.options.public_url);
  client.user_agent = request.header("user-agent");
  client.authorization = request.header("authorization");
  api_call call(services_, method ? *method : unknown, given ? std::move(*given) : arguments{}, std::move(client),
                where, started + services_.options.request_timeout);
  call.reply.begin_object().member("ok", true);

  http_response response;
  result<> outcome = !method ? result<>(errc::unknown_method) : given ? result<>(done) : given.failure();
  try {
    if (outcome) outcome = co_await run(call, request, response.headers);
  } catch (const std::exception& thrown) {
    // A broken invariant ends this call, not the io thread and everybody on it.
    log::error("{} failed: {}", name, thrown.what());
    outcome = errc::internal_error;
  }
  if (outcome) {
    response.body = success_of(call);
  } else {
    const auto code = client_code(outcome.code());
    counted.errors.fetch_add(1, std::memory_order_relaxed);
    if (code == errc::ratelimited) {
      response.status = 429;
      counted.ratelimited.fetch_add(1, std::memory_order_relaxed);
    }
    // An error that the caller has asked for (api.test) is none of ours.
    if (is_about_the_system(code) && call.error_text.empty()) counted.failures.fetch_add(1, std::memory_order_relaxed);
    response.body = failure_of(call, outcome.failure());
  }
  counted.record_latency(services_.entities.now() - started);
  add_cors(response);
  answer(std::move(response));
}

task<result<>> api_server::run(api_call& call, const http_request& request, std::vector<http_header>& headers) {
  const auto header = parse_authorization(request.header("authorization"));
  const auto* argument = call.given.find("token");
  auto token = !header.token.empty() ? header.token : argument ? argument->value : std::string();
  if (call.method.callers != 0 || !token.empty()) {
    auto found = co_await services_.tokens.authenticate(call.where, std::move(token), services_.entities.now(),
                                                        services_.entities.wall());
    if (!found && call.method.callers != 0) co_return found.failure();
    if (found) call.who = *found;
  }
  if (call.method.callers != 0) {
    if (auto allowed = check_scopes(call, headers); !allowed) co_return allowed;
  }
  if (call.who && call.who->kind != caller_kind::admin) {
    rate_limiter::call what{call.who->team, principal_of(*call.who), call.method.name, call.method.tier, 0};
    if (call.method.tier == rate_tier::post) what.detail = bucket_of_channel(call.args.text("channel"));
    if (const auto wait = services_.rates.check(what, services_.entities.now()); wait.count() > 0) {
      headers.push_back({"Retry-After", std::to_string(wait.count())});
      co_return errc::ratelimited;
    }
  }
  if (auto checked = check_arguments(call.given, call.method.arguments); !checked) co_return checked;
  // Tokens are for one workspace; an argument can't reach another.
  if (call.who && call.who->team && call.args.has("team_id") && call.args.team("team_id") != call.who->team)
    co_return errc::team_access_not_granted;
  co_return co_await call.method.handler(call);
}

result<> api_server::check_scopes(api_call& call, std::vector<http_header>& headers) const {
  const auto& who = *call.who;
  if (!includes(call.method.callers, who.kind)) {
    const bool is_provisioning = call.method.callers == only_admin;
    return is_provisioning && who.kind == caller_kind::user ? errc::not_an_admin : errc::not_allowed_token_type;
  }
  if (who.kind == caller_kind::admin) return done;
  headers.push_back({"x-oauth-scopes", who.scopes});
  const auto accepted = narrow_scopes(call.method.scopes, call.args.channel("channel"));
  if (!accepted.empty()) headers.push_back({"x-accepted-oauth-scopes", accepted});
  if (!has_any_scope(who.scopes, accepted)) return errc::missing_scope;
  return done;
}

}  // namespace throng
