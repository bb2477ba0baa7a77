// SPDX-License-Identifier: Apache-2.0
#include "cluster/consul_hold.hpp"

#include <algorithm>
#include <utility>

#include "cluster/consul_answers.hpp"
#include "config/log.hpp"
#include "storage/base64.hpp"
#include "storage/json/json.hpp"

namespace throng {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds goodbye_timeout{1000};

/// Without health checks: a session that depends on its agent's would end with the agent, though its owner lives.
result<std::string> create_session(consul_client& client, std::string_view key, milliseconds ttl) {
  std::string body;
  json_writer w(body);
  w.begin_object().member("Name", "throng: " + std::string(key));
  w.member("TTL", std::to_string(ttl.count()) + "ms").member("Behavior", "delete").member("LockDelay", "0s");
  w.key("NodeChecks").begin_array().end_array().key("Checks").begin_array().end_array().end_object();
  auto answer = client.ask({.method = "PUT", .target = "/v1/session/create", .body = std::move(body)});
  if (!answer) return answer.failure();
  if (answer->status != 200)
    return error{errc::service_unavailable, "Consul made no session: status " + std::to_string(answer->status)};
  return parse_consul_session_id(answer->body);
}

/// The key, if nobody has made one yet.
result<> lock_key(consul_client& client, const std::string& key, std::string_view value, const std::string& session) {
  std::string body;
  json_writer w(body);
  w.begin_array();
  w.begin_object().key("KV").begin_object().member("Verb", "check-not-exists").member("Key", key);
  w.end_object().end_object();
  w.begin_object().key("KV").begin_object().member("Verb", "lock").member("Key", key);
  w.member("Value", base64_encode(value)).member("Session", session).end_object().end_object();
  w.end_array();
  auto answer = client.ask({.method = "PUT", .target = "/v1/txn", .body = std::move(body)});
  if (!answer) return answer.failure();
  if (answer->status == 200) return done;
  if (answer->status != 409)
    return error{errc::service_unavailable, "Consul locked no key: status " + std::to_string(answer->status)};
  auto failed = parse_consul_failed_operations(answer->body);
  if (!failed) return failed.failure();
  // The second fails too when the first does; alone, if the session is gone already.
  if (std::ranges::find(*failed, 0u) == failed->end())
    return error{errc::service_unavailable, "Consul forgot the session of " + key + " at once"};
  return error{errc::conflict, "the topology key " + key + " is there already"};
}

}  // namespace

bool destroy_consul_session(consul_client& client, const std::string& session) {
  return client.ask({.method = "PUT", .target = "/v1/session/destroy/" + session, .timeout = goodbye_timeout}).ok();
}

result<std::unique_ptr<consul_hold>> consul_hold::take(std::shared_ptr<consul_client> client, std::string key,
                                                       std::string_view value, milliseconds ttl) {
  ttl = std::max(ttl, client->options().session_ttl_min);
  auto began = clock::now();
  auto session = create_session(*client, key, ttl);
  if (!session) return session.failure();
  auto locked = lock_key(*client, key, value, *session);
  if (!locked) {
    (void)destroy_consul_session(*client, *session);  // best effort: it ends by itself, and holds nothing for long
    return locked.failure();
  }
  return std::unique_ptr<consul_hold>(
      new consul_hold(std::move(client), std::move(key), std::move(*session), ttl, began));
}

consul_hold::consul_hold(std::shared_ptr<consul_client> client, std::string key, std::string session, milliseconds ttl,
                         clock::time_point renewed)
    : client_(std::move(client)), key_(std::move(key)), session_(std::move(session)), ttl_(ttl), renewed_(renewed) {}

consul_hold::~consul_hold() = default;

void consul_hold::keep(std::function<void()> lost) {
  lost_ = std::move(lost);
  thread_ = std::jthread([this](std::stop_token stop) { run(std::move(stop)); });
}

bool consul_hold::release() {
  thread_ = {};
  return destroy_consul_session(*client_, session_);
}

milliseconds consul_hold::patience() const {
  auto left = std::chrono::duration_cast<milliseconds>(renewed_ + ttl_ - clock::now());
  return std::max(std::min(left, ttl_ / 6), milliseconds(1));
}

void consul_hold::run(std::stop_token stop) {
  int failures = 0;
  while (!stop.stop_requested()) {
    auto now = look(stop);
    if (now != standing::gone && clock::now() >= renewed_ + ttl_ / 3) now = renew(stop);
    if (stop.stop_requested()) return;
    if (now == standing::gone || clock::now() >= renewed_ + ttl_) {
      log::warn(
          "the topology key {} is lost: {}", key_,
          now == standing::gone ? "Consul has it no longer for this process" : "Consul couldn't be asked in time");
      lost_();
      return;
    }
    failures = now == standing::ours ? 0 : failures + 1;
    if (failures > 0) client_->wait_to_retry(failures, stop);
  }
}

consul_hold::standing consul_hold::look(std::stop_token stop) {
  consul_request request{.target = "/v1/kv/" + key_ + "?consistent", .timeout = patience()};
  if (index_ != 0) {
    auto left = std::chrono::duration_cast<milliseconds>(renewed_ + ttl_ / 3 - clock::now());
    request.wait = std::max(left, milliseconds(1));
    request.target += "&index=" + std::to_string(index_) + "&wait=" + std::to_string(request.wait.count()) + "ms";
  }
  auto answer = client_->ask(request, stop);
  auto last = std::exchange(index_, 0);  // after a failure it isn't known what the index means
  if (!answer) return standing::unknown;
  if (answer->status == 404) return standing::gone;
  auto pairs = parse_consul_pairs(answer->body);
  if (!pairs || pairs->size() != 1) return standing::unknown;
  if (pairs->front().session != session_) return standing::gone;
  index_ = next_consul_index(last, answer->index);
  if (index_ == 0) client_->wait_to_retry(1, stop);  // nothing makes the next query wait
  return standing::ours;
}

consul_hold::standing consul_hold::renew(std::stop_token stop) {
  auto sent = clock::now();
  auto answer = client_->ask({.method = "PUT", .target = "/v1/session/renew/" + session_, .timeout = patience()}, stop);
  if (!answer) return standing::unknown;
  if (answer->status == 404) return standing::gone;
  if (answer->status != 200) return standing::unknown;
  renewed_ = sent;
  return standing::ours;
}

}  // namespace throng
