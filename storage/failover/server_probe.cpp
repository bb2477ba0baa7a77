// SPDX-License-Identifier: Apache-2.0
#include "storage/failover/server_probe.hpp"

#include <algorithm>
#include <utility>

namespace throng::failover {

using clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

namespace {

/// A probe gives up early: the connector's timeouts are whole seconds.
mysql::connect_options impatient(mysql::connect_options admin) {
  admin.connect_timeout = std::chrono::seconds(1);
  admin.io_timeout = std::chrono::seconds(1);
  return admin;
}

}  // namespace

server_probe::server_probe(server_address server, const mysql::connect_options& admin,
                           const replication_account& account, const probe_options& how, std::function<void()> news)
    : server_(std::move(server)), admin_(impatient(admin)), account_(account), how_(how), news_(std::move(news)) {
  last_.server = server_;
  last_.since = clock::now();
  last_.trouble = "not asked yet";
  thread_ = std::jthread([this](std::stop_token stop) { run(std::move(stop)); });
}

server_probe::~server_probe() = default;

server_observation server_probe::read() const {
  std::lock_guard lock(mutex_);
  auto seen = last_;
  if (seen.is_reachable && is_asking_ && clock::now() - asking_since_ >= how_.patience) {
    seen.is_reachable = false;
    seen.since = asking_since_;
    seen.trouble = "doesn't answer";
  }
  return seen;
}

void server_probe::look_now() {
  {
    std::lock_guard lock(mutex_);
    look_wanted_ = true;
  }
  woken_.notify_one();
}

void server_probe::keep_looking(bool on) {
  std::lock_guard lock(mutex_);
  keep_looking_ = on;
}

void server_probe::run(std::stop_token stop) {
  std::unique_ptr<server_session> session;
  steady_time last_look{};
  while (!stop.stop_requested()) {
    auto everything = !session;
    {
      std::lock_guard lock(mutex_);
      const auto is_wanted = std::exchange(look_wanted_, false);
      everything = everything || is_wanted || keep_looking_ || clock::now() - last_look >= how_.look_every;
      is_asking_ = true;
      asking_since_ = clock::now();
    }
    if (everything) last_look = clock::now();
    ask(session, everything);
    std::unique_lock lock(mutex_);
    is_asking_ = false;
    const auto pause = std::min(how_.interval * std::max(1U, failures_), std::max(how_.interval, how_.retry_at_most));
    woken_.wait_for(lock, stop, pause, [&] { return look_wanted_; });
  }
}

void server_probe::ask(std::unique_ptr<server_session>& session, bool everything) {
  try {
    if (!session) session = std::make_unique<server_session>(server_, admin_, account_);
    if (!everything) {
      const auto is_read_only = session->connection().number("SELECT @@global.read_only") != 0;
      std::lock_guard lock(mutex_);
      failures_ = 0;
      if (is_read_only != last_.is_read_only) look_wanted_ = true;
      return;
    }
    auto seen = session->look();
    {
      std::lock_guard lock(mutex_);
      failures_ = 0;
      seen.since = last_.is_reachable ? last_.since : clock::now();
      keep_standstill(last_, seen, std::max(std::chrono::milliseconds(1000), 3 * how_.interval));
      last_ = std::move(seen);
    }
    news_();
  } catch (const mysql::failure& why) {
    session.reset();
    failed(why.is_access_denied() ? "refuses the supervisor's account: " + std::string(why.what()) : why.what());
  } catch (const std::exception& why) {
    session.reset();
    failed(why.what());
  }
}

void server_probe::failed(std::string why) {
  {
    std::lock_guard lock(mutex_);
    if (failures_++ == 0) first_failure_ = asking_since_;
    const auto was_hanging = clock::now() - asking_since_ >= how_.patience;  // read() has said so
    if (failures_ < how_.failures_to_report && !was_hanging && last_.is_reachable) return;
    if (last_.is_reachable || !last_.was_tried) last_.since = first_failure_;
    last_.is_reachable = false;
    last_.was_tried = true;
    last_.trouble = std::move(why);
  }
  news_();
}

}  // namespace throng::failover
