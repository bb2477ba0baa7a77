// SPDX-License-Identifier: Apache-2.0
// An API server whose entities are a function of the test's: no threads, no store, a clock that stands still until it
// is moved. Tokens are what the test puts into the cache.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <string>
#include <typeindex>

#include "net/api/api_server.hpp"
#include "net/api/scopes.hpp"
#include "net/api/token_secret.hpp"

namespace throng::testing {

class queue_executor final : public executor {
 public:
  void post(std::function<void()> job) override { jobs_.push_back(std::move(job)); }
  void run() {
    while (!jobs_.empty()) {
      auto job = std::move(jobs_.front());
      jobs_.pop_front();
      job();
    }
  }

 private:
  std::deque<std::function<void()>> jobs_;
};

class fake_region final : public region {
 public:
  using answer_function = std::function<result<message_ptr>(entity_key to, const google::protobuf::Message& request)>;

  bool tell(entity_key to, message_ptr message) override {
    asked.emplace_back(to, std::move(message));
    return true;
  }
  void ask_raw(entity_key to, message_ptr request, duration, answer_callback answer) override {
    asked.emplace_back(to, request);
    const auto found = answers.find(request->GetTypeName());
    answer(found == answers.end() ? result<message_ptr>(errc::unavailable) : found->second(to, *request));
  }
  void subscribe(entity_key, std::function<void(result<>)>) override {}
  void unsubscribe(entity_key) override {}
  void on_renewal(std::function<void(entity_key)>) override {}
  void on_publication(std::function<void(const publication_ptr&)>) override {}
  steady_time now() const override { return steady_now; }
  wall_time wall() const override { return wall_now; }

  /// `answer(request)` or `answer(to, request)` gives a reply or an error.
  template <class Request, class Function>
  void on(Function answer) {
    answers[Request::descriptor()->full_name()] =
        [answer](entity_key to, const google::protobuf::Message& request) -> result<message_ptr> {
      result<reply_of_t<Request>> outcome = answer(to, static_cast<const Request&>(request));
      if (!outcome) return outcome.failure();
      return share(std::move(*outcome));
    };
  }
  template <class Request>
  std::vector<Request> all_asked() const {
    std::vector<Request> found;
    for (const auto& [to, message] : asked)
      if (const auto* typed = dynamic_cast<const Request*>(message.get())) found.push_back(*typed);
    return found;
  }

  std::map<std::string, answer_function> answers;
  std::vector<std::pair<entity_key, message_ptr>> asked;
  steady_time steady_now = steady_time{} + std::chrono::hours(1);
  wall_time wall_now = wall_time{} + std::chrono::seconds(1'700'000'000);
};

class no_readers final : public reader_pool {
 public:
  void read(ksid_t, job work) override { work(nullptr, errc::overloaded); }
  std::size_t waiting() const override { return 0; }
  void stop() override {}
};

class fake_commits final : public commit_queue {
 public:
  void submit(commit_unit unit, callback answer) override {
    units.push_back(std::move(unit));
    answer(outcome);
  }
  figures read_figures() const override { return {}; }
  void stop() override {}

  std::vector<commit_unit> units;
  result<> outcome = done;
};

struct answer_seen {
  http_response response;
  int count = 0;
  std::string header(std::string_view name) const {
    for (const auto& each : response.headers)
      if (each.name == name) return each.value;
    return {};
  }
  const std::string& body() const { return response.body; }
  bool is_ok() const { return body().starts_with(R"({"ok":true)"); }
  std::string error() const {
    auto document = parse_json(response.body);
    if (!document) return "not JSON: " + response.body;
    return std::string(document->root().find("error").as_string().value_or(""));
  }
};

class fake_api {
 public:
  explicit fake_api(api_options options = {})
      : rates(options.rates),
        tokens(readers, std::string(admin_token), 1'000, std::chrono::hours(1)),
        services{entities, readers, commits, tokens, rates, nullptr, options},
        server(services) {}

  static constexpr std::string_view admin_token = "xadm-the-operator-of-the-test";
  static constexpr team_id team{36};  // T10
  static constexpr user_id ann{37};   // U11

  /// A token of this kind, already known.
  std::string token(caller_kind kind, std::string scopes = "", user_id user = ann) {
    const auto type = kind == caller_kind::user  ? token_type::user
                      : kind == caller_kind::bot ? token_type::bot
                                                 : token_type::app;
    auto text = make_token(type);
    auto caller = std::make_shared<caller_info>();
    caller->kind = kind;
    caller->hash = hash_token(text);
    caller->team = team;
    caller->user = user;
    if (kind == caller_kind::bot) {
      caller->bot = bot_id{72};
      caller->app = app_id{73};
    }
    caller->scopes = scopes.empty() ? std::string(all_scopes_of(type)) : std::move(scopes);
    tokens.cache().put(std::move(caller), entities.now(), tokens.cache().generation());
    return text;
  }

  answer_seen send(http_request request) {
    auto seen = std::make_shared<answer_seen>();
    server.handle(std::move(request), executor_, [seen](http_response response) {
      seen->response = std::move(response);
      ++seen->count;
    });
    executor_->run();
    return *seen;
  }
  answer_seen post(std::string_view method, std::string_view token, std::string body,
                   std::string content_type = "application/x-www-form-urlencoded") {
    http_request request;
    request.method = "POST";
    request.path = "/api/" + std::string(method);
    request.headers.push_back({"Host", "chat.test:8080"});
    if (!token.empty()) request.headers.push_back({"Authorization", "Bearer " + std::string(token)});
    request.headers.push_back({"Content-Type", std::move(content_type)});
    request.body = std::move(body);
    return send(std::move(request));
  }

  fake_region entities;
  no_readers readers;
  fake_commits commits;
  shared_rate_limiter rates;
  authenticator tokens;
  api_services services;
  api_server server;

 private:
  static std::string_view all_scopes_of(token_type type) { return all_scopes(type); }
  std::shared_ptr<queue_executor> executor_ = std::make_shared<queue_executor>();
};

}  // namespace throng::testing
