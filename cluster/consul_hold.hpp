// SPDX-License-Identifier: Apache-2.0
// A key of Consul's KV store that is locked by a session of this process: made, renewed and watched on a thread of its
// own, until it is released or lost. Internal to the Consul topology.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <thread>

#include "cluster/consul_client.hpp"

namespace throng {

class consul_hold {
 public:
  /// errc::conflict if there is such a key.
  static result<std::unique_ptr<consul_hold>> take(std::shared_ptr<consul_client> client, std::string key,
                                                   std::string_view value, std::chrono::milliseconds ttl);
  ~consul_hold();
  consul_hold(const consul_hold&) = delete;
  consul_hold& operator=(const consul_hold&) = delete;

  /// Once, after take(): keeps it. `lost` is called on the hold's thread, at most once.
  void keep(std::function<void()> lost);
  /// Ends the session, and the key with it; `lost` isn't called any more. False if Consul couldn't be asked: then they
  /// end by themselves. At most once.
  bool release();
  const std::string& session() const { return session_; }

 private:
  using clock = std::chrono::steady_clock;
  consul_hold(std::shared_ptr<consul_client> client, std::string key, std::string session,
              std::chrono::milliseconds ttl, clock::time_point renewed);
  void run(std::stop_token stop);
  enum class standing { ours, unknown, gone };
  /// Blocks until the key changes or it is time to renew.
  standing look(std::stop_token stop);
  standing renew(std::stop_token stop);
  /// For one call: several fit into the ttl, and none ends after it.
  std::chrono::milliseconds patience() const;

  std::shared_ptr<consul_client> client_;
  std::string key_, session_;
  std::chrono::milliseconds ttl_;
  clock::time_point renewed_;  // when the last renewal that succeeded was sent
  std::uint64_t index_ = 0;
  std::function<void()> lost_;
  std::jthread thread_;
};

/// Ends a session; false if Consul couldn't be asked.
bool destroy_consul_session(consul_client& client, const std::string& session);

}  // namespace throng
