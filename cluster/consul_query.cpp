// SPDX-License-Identifier: Apache-2.0
#include "cluster/consul_query.hpp"

#include <utility>

#include "cluster/consul_answers.hpp"
#include "config/log.hpp"

namespace throng {

namespace {

// What changes all the time is asked for at most this often: a hundred times a second.
constexpr std::chrono::milliseconds spacing{10};

}  // namespace

consul_query::consul_query(std::shared_ptr<consul_client> client, std::string target, handler handle)
    : client_(std::move(client)),
      target_(std::move(target)),
      handle_(std::move(handle)),
      thread_([this](std::stop_token stop) { run(std::move(stop)); }) {}

void consul_query::run(std::stop_token stop) {
  auto wait = client_->options().watch_wait;
  std::uint64_t index = 0;
  int failures = 0;
  bool is_understood = true;
  while (!stop.stop_requested()) {
    consul_request request{.target = target_};
    if (index != 0) {
      request.target += "&index=" + std::to_string(index) + "&wait=" + std::to_string(wait.count()) + "ms";
      request.wait = wait;
    }
    auto answer = client_->ask(request, stop);
    if (stop.stop_requested()) return;
    auto handled = answer ? handle_(*answer) : result<>(answer.failure());
    if (answer && handled.ok() != std::exchange(is_understood, handled.ok())) {
      if (handled)
        log::info("Consul's answers to {} can be understood again", target_);
      else
        log::error("Consul's answer to {} can't be used: {}", target_, handled.failure().detail);
    }
    if (!handled) {
      index = 0;
      client_->wait_to_retry(++failures, stop);
      continue;
    }
    failures = 0;
    auto last = std::exchange(index, next_consul_index(index, answer->index));
    // Without an index nothing makes the next query wait.
    if (index == 0 && last == 0)
      client_->wait_to_retry(1, stop);
    else
      client_->pause(spacing, stop);
  }
}

}  // namespace throng
