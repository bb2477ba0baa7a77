// SPDX-License-Identifier: Apache-2.0
// SERVER PROBE: asks one database server how it is, again and again, on a thread and a connection of its own, so that a
// server that hangs (paused, a dead network) delays nobody. A short question each `interval`, everything every
// `look_every`, and at once when someone wants to know.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "storage/failover/server_session.hpp"

namespace throng::failover {

struct probe_options {
  std::chrono::milliseconds interval{25};
  std::chrono::milliseconds look_every{250};
  unsigned failures_to_report = 3;               // in a row
  std::chrono::milliseconds patience{500};       // for an answer; a guess: a busy machine takes 100 ms at times
  std::chrono::milliseconds retry_at_most{250};  // between tries while it is down
};

/// Any thread.
class server_probe {
 public:
  /// `news` is called after each probe that changed what read() says; on the probe's thread, must not block.
  server_probe(server_address server, const mysql::connect_options& admin, const replication_account& account,
               const probe_options& how, std::function<void()> news);
  /// Waits for the question under way: at most the connection's timeout.
  ~server_probe();
  server_probe(const server_probe&) = delete;
  server_probe& operator=(const server_probe&) = delete;

  server_observation read() const;
  void look_now();             // at everything
  void keep_looking(bool on);  // at everything, each time

 private:
  void run(std::stop_token stop);
  void ask(std::unique_ptr<server_session>& session, bool everything);
  void failed(std::string why);

  const server_address server_;
  const mysql::connect_options admin_;
  const replication_account account_;
  const probe_options how_;
  const std::function<void()> news_;

  mutable std::mutex mutex_;
  std::condition_variable_any woken_;
  server_observation last_;
  unsigned failures_ = 0;
  steady_time first_failure_{};
  bool is_asking_ = false;
  steady_time asking_since_{};
  bool look_wanted_ = true, keep_looking_ = false;
  std::jthread thread_;  // last: it uses the others
};

}  // namespace throng::failover
