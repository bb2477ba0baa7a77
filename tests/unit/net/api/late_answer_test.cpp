// SPDX-License-Identifier: Apache-2.0
// A call that waits for a store that hangs: the client is answered all the same, once.
#include <doctest/doctest.h>

#include "tests/unit/net/api/fake_services.hpp"

using namespace throng;
using namespace throng::testing;

namespace {

class hanging_readers final : public reader_pool {
 public:
  void read(ksid_t, job work) override { jobs.push_back(std::move(work)); }
  std::size_t waiting() const override { return jobs.size(); }
  void stop() override {}
  std::vector<job> jobs;
};

class fake_loop final : public io_loop {
 public:
  bool post(io_task run) override {
    run();
    return true;
  }
  void post_always(io_task run) override { run(); }
  void after(std::chrono::milliseconds delay, io_task run) override { timers.emplace_back(delay, std::move(run)); }
  std::size_t index() const override { return 0; }
  bool is_current() const override { return true; }
  std::vector<std::pair<std::chrono::milliseconds, io_task>> timers;
};

class fake_exchange final : public http_responder::exchange {
 public:
  explicit fake_exchange(io_loop& loop) : loop_(loop) {}
  void answer(http_response response) override { answers.push_back(std::move(response)); }
  void upgrade(std::shared_ptr<websocket_handler>, std::string) override {}
  void drop() override { ++drops; }
  io_loop& loop() override { return loop_; }
  std::vector<http_response> answers;
  int drops = 0;

 private:
  io_loop& loop_;
};

}  // namespace

TEST_CASE("late answer: a call whose store hangs is answered request_timeout, once, whatever comes later") {
  fake_region entities;
  fake_commits commits;
  hanging_readers readers;
  api_options options;
  options.request_timeout = std::chrono::seconds(3);
  shared_rate_limiter rates(options.rates);
  authenticator tokens(readers, "", 10, std::chrono::hours(1));
  api_services services{entities, readers, commits, tokens, rates, nullptr, options};
  api_server server(services);
  fake_loop loop;
  auto exchange = std::make_shared<fake_exchange>(loop);

  http_request request;
  request.method = "POST";
  request.path = "/api/auth.test";
  request.headers.push_back({"Authorization", "Bearer " + make_token(token_type::user)});
  server.handle(std::move(request), http_responder(exchange));
  REQUIRE(readers.jobs.size() == 1);
  CHECK(exchange->answers.empty());
  REQUIRE(loop.timers.size() == 1);
  CHECK(loop.timers[0].first > options.request_timeout);

  loop.timers[0].second();
  REQUIRE(exchange->answers.size() == 1);
  CHECK(exchange->answers[0].status == 200);
  CHECK(exchange->answers[0].body.find("request_timeout") != std::string::npos);

  readers.jobs[0](nullptr, errc::stopping);
  CHECK(exchange->answers.size() == 1);
  CHECK(exchange->drops == 0);
}
