// SPDX-License-Identifier: Apache-2.0
// CONSUL CLIENT: asks an agent of Consul over HTTP. Knows what an answer looks like on the wire, not what it says
// (consul_answers.hpp), and whether Consul is there: one line is logged when it goes away, and one when it is back.
//
// Any thread; calls block their thread until there is an answer, the time is up, or they are stopped, and never longer.
// Bounds: connections that wait for the next call (4), the size of an answer.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <vector>

#include "storage/model/result.hpp"

namespace throng {

struct consul_options {
  /// "host:port", numbers or names ("[::1]:8500"); at least one. A name is looked up for each new connection, and the
  /// system's resolver has timeouts of its own. The one that answered last is asked; if it can't be reached, the next.
  std::vector<std::string> agents{"127.0.0.1:8500"};
  std::string token;                             // of the ACL; empty: none
  std::chrono::milliseconds call_timeout{3000};  // a whole call, but for the wait of a blocking query
  std::chrono::milliseconds watch_wait{20'000};  // how long a blocking query waits for a change before it asks again
  std::chrono::milliseconds retry_min{100};      // between tries of what runs in the background; doubles up to:
  std::chrono::milliseconds retry_max{2000};     // also how late a change of the world is noticed after an outage
  std::chrono::milliseconds session_ttl_min{10'000};  // Consul's own (session_ttl_min)
  std::size_t answer_bytes_max = 64u << 20;
};

struct consul_request {
  std::string method = "GET";
  std::string target = {};  // "/v1/kv/a?consistent"; the caller has escaped it
  std::string body = {};
  std::chrono::milliseconds wait{0};     // of a blocking query: the agent may be silent that long, and 1/16 more
  std::chrono::milliseconds timeout{0};  // instead of the options' call_timeout, if shorter; 0: that
};

struct consul_answer {
  unsigned status = 0;  // 200, 404 and 409; others are errors
  std::string index;    // the header X-Consul-Index; empty: none
  std::string body;
};

class consul_client {
 public:
  explicit consul_client(consul_options options);
  ~consul_client();
  consul_client(const consul_client&) = delete;
  consul_client& operator=(const consul_client&) = delete;

  /// Errors: errc::service_unavailable if no agent gave a sound answer (what was asked may have been done), or one that
  /// it can't do it now; errc::invalid_arguments, no_permission and request_too_large as Consul says, in its words;
  /// errc::stopping. A GET is tried again when a connection turns out to be stale, others never are.
  result<consul_answer> ask(const consul_request& request, std::stop_token stop = {});

  /// For who tries again and again: waits a while that grows with `failures` in a row, with jitter; less if Consul has
  /// come back, which another call noticed.
  void wait_to_retry(int failures, std::stop_token stop);
  /// Waits; less if it is stopped or Consul has come back.
  void pause(std::chrono::milliseconds at_most, std::stop_token stop);

  const consul_options& options() const { return options_; }
  bool is_away() const;

 private:
  class connection;
  using clock = std::chrono::steady_clock;

  std::unique_ptr<connection> take_idle();
  void keep(std::unique_ptr<connection> idle);
  std::size_t current_agent() const;
  void leave_agent(std::size_t agent);
  void note_answer();
  void note_failure(clock::time_point began, const std::string& why);

  const consul_options options_;
  mutable std::mutex mutex_;
  std::condition_variable_any came_back_;
  std::vector<std::unique_ptr<connection>> idle_;
  std::size_t agent_ = 0;
  bool is_away_ = false;
  std::uint64_t returns_ = 0;
  clock::time_point away_since_, last_answer_;
};

}  // namespace throng
